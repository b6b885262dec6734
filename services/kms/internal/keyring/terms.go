package keyring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Terms narrow a grant by the context of what is done: an operation that carries none is not done under terms.
type Terms struct {
	// Equals is what the context must be, Includes what must be in it; at most one of the two is there.
	Equals   Context `json:"context_equals,omitempty"`
	Includes Context `json:"context_includes,omitempty"`
}

func (t Terms) empty() bool { return len(t.Equals)+len(t.Includes) == 0 }

// check holds terms to what a context can be.
func (t Terms) check() error {
	if len(t.Equals) > 0 && len(t.Includes) > 0 {
		return invalidMember("/constraints", "context_equals or context_includes, not both")
	}
	for name, c := range map[string]Context{"context_equals": t.Equals, "context_includes": t.Includes} {
		if c != nil && len(c) == 0 {
			return invalidMember("/constraints/"+name, "at least one member")
		}
		if _, err := c.digest(); err != nil {
			return invalidMember("/constraints/"+name, "what a context can be")
		}
		for member, value := range c {
			if !storable(member) || !storable(value) {
				return invalidMember("/constraints/"+name, "UTF-8 without U+0000")
			}
		}
	}
	return nil
}

// Encode is the form in which terms are stored; "" for none.
func (t Terms) Encode() (string, error) {
	if t.empty() {
		return "", nil
	}
	text, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("encode terms: %w", err)
	}
	return string(text), nil
}

// ParseTerms reads what Encode wrote. Terms that say something which is not known here are an error: they may narrow the grant.
func ParseTerms(text string) (t Terms, err error) {
	if text == "" {
		return Terms{}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&t); err != nil || !errors.Is(decoder.Decode(new(any)), io.EOF) {
		return Terms{}, fmt.Errorf("terms of a grant cannot be read: %w", errors.Join(err, errTerms))
	}
	if t.empty() {
		return Terms{}, fmt.Errorf("terms of a grant say nothing: %w", errTerms)
	}
	return t, nil
}

var errTerms = errors.New("not what this release writes")

// allow decides whether the terms cover an operation with the context; nil: it carries none.
func (t Terms) allow(bound *Context) bool {
	if t.empty() {
		return true
	}
	if bound == nil {
		return false
	}
	if t.Equals != nil && !maps.Equal(t.Equals, *bound) {
		return false
	}
	for name, value := range t.Includes {
		if got, there := (*bound)[name]; !there || got != value {
			return false
		}
	}
	return true
}

// asked is what a caller asks with: the context of an operation that carries one.
type asked struct {
	bound  *Context
	digest string // of bound
	// items tells that the question is about a batch, whose items bring contexts of their own.
	items bool
}

// with is the caller who asks with a context, and the context's digest.
func (c Caller) with(bind Context) (Caller, string, error) {
	digest, err := bind.digest()
	c.asked = asked{bound: &bind, digest: digest}
	return c, digest, err
}

// errTermsRefuse is the answer to who was granted the operation, but not like this.
func errTermsRefuse() error {
	return problem.New("policy_refused", "no grant that you have on the key covers this context")
}
