package profile

import (
	"fmt"
	"strings"
)

// Refusal is one thing in a request that the profile does not allow.
type Refusal struct { //nolint:errname // it reads as what it is
	// Field is what was asked, such as san.dns[1] or validity.
	Field string
	// Rule is the profile's, in words.
	Rule string
	// Accepted is what would be taken.
	Accepted string
}

func (r Refusal) Error() string {
	return fmt.Sprintf("%s: %s; accepted: %s", r.Field, r.Rule, r.Accepted)
}

// Refusals are all that a profile finds in a request.
type Refusals struct { //nolint:errname // several refusals are one error
	Profile string
	List    []Refusal
}

func (r *Refusals) Error() string {
	var texts []string
	for _, one := range r.List {
		texts = append(texts, one.Error())
	}
	return fmt.Sprintf("profile %s refuses the request: %s", r.Profile, strings.Join(texts, "; "))
}

// Unwrap gives the single refusals to errors.As.
func (r *Refusals) Unwrap() []error {
	var list []error
	for _, one := range r.List {
		list = append(list, one)
	}
	return list
}

func (r *Refusals) add(field, accepted, rule string, args ...any) {
	r.List = append(r.List, Refusal{Field: field, Rule: fmt.Sprintf(rule, args...), Accepted: accepted})
}
