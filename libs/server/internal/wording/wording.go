// Package wording holds the plain words in which a client is told what a part of its request must be like. Each rule has one
// sentence, whoever finds the fault, and no sentence repeats a value from the request.
package wording

import (
	"fmt"
	"strings"
)

// Sentences without a parameter.
const (
	Required   = "is required"
	Unknown    = "is not a member of this object"
	HasUnknown = "has a member that is unknown"
	Duplicate  = "appears twice"
	NotNull    = "must not be null"
	Unique     = "must not hold the same item twice"
	NoMatch    = "must have one of the documented forms"
	Invalid    = "is not valid"
	NotInRange = "is too large for an integer"
)

// Type says which JSON types are allowed.
func Type(names []string) string {
	if len(names) == 0 {
		return Invalid
	}
	articles := make([]string, len(names))
	for i, name := range names {
		articles[i] = article(name)
	}

	return "must be " + strings.Join(articles, " or ")
}

func article(name string) string {
	switch name {
	case "null":
		return name
	case "array", "object", "integer":
		return "an " + name
	default:
		return "a " + name
	}
}

// Enum lists the allowed values.
func Enum(values []string) string { return "must be one of " + strings.Join(values, ", ") }

// Pattern gives the regular expression.
func Pattern(expression string) string { return "must match " + expression }

// Format names the format.
func Format(name string) string { return "must have the format " + name }

// MinLength is about characters.
func MinLength(n uint64) string { return atLeast("have", n, "character") }

// MaxLength is about characters.
func MaxLength(n uint64) string { return atMost("have", n, "character") }

// MinItems is about the elements of an array.
func MinItems(n uint64) string { return atLeast("have", n, "item") }

// MaxItems is about the elements of an array.
func MaxItems(n uint64) string { return atMost("have", n, "item") }

// MinMembers is about the members of an object.
func MinMembers(n uint64) string { return atLeast("have", n, "member") }

// MaxMembers is about the members of an object.
func MaxMembers(n uint64) string { return atMost("have", n, "member") }

// Minimum is about numbers; bound is its decimal text.
func Minimum(bound string, exclusive bool) string {
	if exclusive {
		return "must be more than " + bound
	}

	return "must be at least " + bound
}

// Maximum is about numbers; bound is its decimal text.
func Maximum(bound string, exclusive bool) string {
	if exclusive {
		return "must be less than " + bound
	}

	return "must be at most " + bound
}

// MultipleOf is about numbers; step is its decimal text.
func MultipleOf(step string) string { return "must be a multiple of " + step }

func atLeast(verb string, n uint64, noun string) string {
	return fmt.Sprintf("must %s at least %d %s", verb, n, plural(n, noun))
}

func atMost(verb string, n uint64, noun string) string {
	return fmt.Sprintf("must %s at most %d %s", verb, n, plural(n, noun))
}

func plural(n uint64, noun string) string {
	if n == 1 {
		return noun
	}

	return noun + "s"
}
