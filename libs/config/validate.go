package config

import (
	"fmt"
	"reflect"
	"slices"
)

// Validator is a configuration, or a part of one, that checks what its types cannot say: ranges, choices, keys that go together. Load calls
// it on every struct and named value that implements it (elements of lists and tables included), innermost first, and prefixes
// the paths. It is called although other values could not be read; a problem with those is not repeated.
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
		validator, ok := v.Addr().Interface().(Validator)
		if !ok {
			return
		}
		for _, p := range validator.Validate() {
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
