package config

import (
	"fmt"
	"reflect"
	"slices"
)

// Validator is a configuration, or a part of one, that checks what its types cannot say: ranges, choices, keys that go together. Load calls
// it on every struct and named value that implements it (elements of lists and tables included), innermost first, and prefixes
// the paths. It is called although other values could not be read; a problem with those is not repeated.
//
// A type whose module does not import this one has `Validate() error` instead; the errors joined in it are single problems, and one with the
// methods KeyPath and KeyMessage says which key it is about.
type Validator interface {
	Validate() []Problem
}

// OneOf reports a value that is none of the allowed ones, with the nearest as suggestion, for use in Validate.
func OneOf(path, value string, allowed ...string) []Problem {
	if slices.Contains(allowed, value) {
		return nil
	}
	message := fmt.Sprintf("%s is not one of %s", quote(value), listed(allowed))
	if value == "" {
		message = "is missing; it is one of " + listed(allowed)
	}
	return []Problem{{Path: path, Message: message, Suggestion: didYouMean(value, allowed)}}
}

// validate calls the Validators under v. What they find about values that were reported already is left out, and so are repetitions: an
// embedded struct's method is also its outer struct's.
func (l *loader) validate(v reflect.Value) {
	unreadable := slices.Clone(l.problems)
	walk(v, "", func(v reflect.Value, path string) {
		for _, p := range faultsOf(v.Addr().Interface()) {
			p.Path = join(path, p.Path)
			if at := l.place(p.Path); p.File == "" {
				p.File, p.Line = at.file, at.line
			}
			if !unreadable.concern(p.Path) && !slices.Contains(l.problems, p) {
				l.problems = append(l.problems, p)
			}
		}
	})
}

// faultsOf validates one value.
func faultsOf(value any) []Problem {
	switch v := value.(type) {
	case Validator:
		return v.Validate()
	case interface{ Validate() error }:
		return problemsOf(v.Validate())
	default:
		return nil
	}
}

// keyError is the fault of one key, found by a type whose module does not import this one.
type keyError interface {
	error
	KeyPath() string    // as Problem.Path
	KeyMessage() string // as Problem.Message
}

// problemsOf takes apart an error and those that are joined in it.
func problemsOf(err error) []Problem {
	switch e := err.(type) { //nolint:errorlint // a tree is walked, nothing is looked for
	case nil:
		return nil
	case keyError:
		return []Problem{{Path: e.KeyPath(), Message: e.KeyMessage()}}
	case interface{ Unwrap() []error }:
		var problems []Problem
		for _, part := range e.Unwrap() {
			problems = append(problems, problemsOf(part)...)
		}
		return problems
	default:
		return []Problem{{Message: err.Error()}}
	}
}
