package jwk

import (
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

const (
	// MaxSetText is the length in bytes of the longest JSON text [ParseSet] reads.
	MaxSetText = 1 << 20
	// MaxSetKeys is the number of keys in the largest set [ParseSet] reads.
	MaxSetKeys = 1000
)

// Set is a JWK Set (RFC 7517 section 5).
type Set struct {
	// Keys are those that can be used, in the order of the text.
	Keys []*Key
	// Refused says which keys of the text cannot, and why.
	Refused []Refusal
}

// Refusal is a key of a set that is not used.
type Refusal struct {
	// Index is the place of the key in the text, from 0.
	Index int
	// Err carries the code invalid_jwk or unsupported_algorithm.
	Err error
}

// ParseSet reads a JWK Set. A key that [Parse] refuses does not spoil the set: it stands in Refused.
// So do all keys that share one key ID, since nothing says which of them is meant. A set that mixes
// symmetric and other keys is an error: in such a set a public key can be taken for a shared secret.
func ParseSet(text []byte) (*Set, error) {
	if len(text) > MaxSetText {
		return nil, fault.New(fault.InvalidKey, "key set is longer than %d bytes", MaxSetText)
	}
	var list []byte
	err := strictjson.Object(text, func(name, value []byte) error {
		if string(name) == "keys" {
			list = value
		}
		return nil
	})
	if err != nil {
		return nil, fault.New(fault.InvalidKey, "parse key set: %w", err)
	}
	if list == nil {
		return nil, fault.New(fault.InvalidKey, `parse key set: member "keys" is missing`)
	}
	set := new(Set)
	if err := set.parse(list); err != nil {
		return nil, fault.New(fault.InvalidKey, "parse key set: %w", err)
	}
	for _, k := range set.Keys {
		if k.IsSymmetric() != set.Keys[0].IsSymmetric() {
			return nil, fault.New(fault.InvalidKey, "parse key set: symmetric and other keys in one set")
		}
	}
	return set, nil
}

// parse reads the elements and takes the keys whose ID is theirs alone; the ID of a key that is
// refused for something else counts too.
func (s *Set) parse(list []byte) error {
	type candidate struct {
		key *Key
		id  string
		err error
	}
	var candidates []candidate
	seen := map[string]int{}
	err := strictjson.Array(list, func(value []byte) error {
		if len(candidates) == MaxSetKeys {
			return fault.New(fault.InvalidKey, "more than %d keys", MaxSetKeys)
		}
		k, id, err := parse(value)
		candidates = append(candidates, candidate{k, id, err})
		seen[id]++
		return nil
	})
	if err != nil {
		return err
	}
	for i, c := range candidates {
		if c.err == nil && c.id != "" && seen[c.id] > 1 {
			c.err = fault.New(fault.InvalidKey, "another key has the same ID")
		}
		if c.err != nil {
			s.Refused = append(s.Refused, Refusal{Index: i, Err: c.err})
			continue
		}
		s.Keys = append(s.Keys, c.key)
	}
	return nil
}

// Find returns the key with the given ID.
func (s *Set) Find(id string) (*Key, bool) {
	if id == "" {
		return nil, false
	}
	for _, k := range s.Keys {
		if k.ID == id {
			return k, true
		}
	}
	return nil, false
}
