package sdjwt

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

// Disclosure is a claim or an element of an array with the salt that keeps its digest from being guessed
// (RFC 9901 section 4.2).
type Disclosure struct {
	// Name is the claim's; empty for an element of an array.
	Name string
	// IsElement says that it is an element of an array.
	IsElement bool
	// Value may hold further digests ("_sd", "..."), of which each needs a disclosure of its own.
	Value any

	salt    string
	encoded string
}

// saltSize is the length in bytes of a new salt (RFC 9901 section 9.3).
const saltSize = 16

func newSalt() string {
	var salt [saltSize]byte
	_, _ = rand.Read(salt[:]) // never fails: it ends the process instead
	return base64url.Encode(salt[:])
}

// encode sets the encoded form.
func (d *Disclosure) encode() error {
	text := strictjson.AppendString([]byte{'['}, d.salt)
	if !d.IsElement {
		text = strictjson.AppendString(append(text, ','), d.Name)
	}
	text, err := strictjson.AppendValue(append(text, ','), d.Value)
	if err != nil {
		return err
	}
	d.encoded = base64url.Encode(append(text, ']'))
	return nil
}

func parseDisclosure(encoded string) (Disclosure, error) {
	text, err := base64url.Decode(encoded)
	if err != nil {
		return Disclosure{}, err
	}
	var parts [][]byte
	err = strictjson.Array(text, func(element []byte) error {
		parts = append(parts, element)
		return nil
	})
	if err != nil {
		return Disclosure{}, err
	}
	if len(parts) != 2 && len(parts) != 3 {
		return Disclosure{}, errors.New("not an array of two or three elements")
	}
	d := Disclosure{encoded: encoded, IsElement: len(parts) == 2}
	if d.salt, err = strictjson.String(parts[0]); err != nil {
		return Disclosure{}, fmt.Errorf("salt: %w", err)
	}
	if !d.IsElement {
		if d.Name, err = strictjson.String(parts[1]); err != nil {
			return Disclosure{}, fmt.Errorf("name: %w", err)
		}
		if reserved(d.Name) {
			return Disclosure{}, fmt.Errorf("name %q is reserved", d.Name)
		}
	}
	d.Value, err = strictjson.Value(parts[len(parts)-1])
	return d, err
}

func reserved(name string) bool {
	return name == digestsName || name == elementName || name == algorithmName
}
