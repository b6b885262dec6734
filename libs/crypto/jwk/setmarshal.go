package jwk

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// MarshalPublicSet returns the public parts of keys as a JWK Set (RFC 7517 section 5). Equal sets have
// equal texts, whatever the order of the keys: they are sorted by ID, then by thumbprint. A symmetric key
// has no public part: that is an error with code key_mismatch. Keys that share an ID, and more than
// MaxSetKeys keys, are errors with code invalid_jwk: [ParseSet] refuses them.
func MarshalPublicSet(keys []*Key) ([]byte, error) {
	return marshalSet(keys, (*Key).MarshalPublic)
}

// MarshalPrivateSet is [MarshalPublicSet] with the private parts, for encrypting it: every key must have
// one. Symmetric and other keys do not mix.
func MarshalPrivateSet(keys []*Key) ([]byte, error) {
	for _, k := range keys {
		if k.IsSymmetric() != keys[0].IsSymmetric() {
			return nil, fault.New(fault.InvalidKey, "symmetric and other keys in one set")
		}
	}
	return marshalSet(keys, (*Key).MarshalPrivate)
}

func marshalSet(keys []*Key, marshal func(*Key) ([]byte, error)) ([]byte, error) {
	if len(keys) > MaxSetKeys {
		return nil, fault.New(fault.InvalidKey, "more than %d keys", MaxSetKeys)
	}
	type member struct {
		id, thumbprint string
		text           []byte
	}
	members := make([]member, 0, len(keys))
	defer func() {
		for _, m := range members {
			clear(m.text)
		}
	}()
	size := len(`{"keys":[]}`)
	for _, k := range keys {
		text, err := marshal(k)
		if err != nil {
			return nil, err
		}
		members = append(members, member{k.ID, k.ThumbprintSHA256(), text})
		size += len(text) + 1
	}
	if size > MaxSetText {
		return nil, fault.New(fault.InvalidKey, "key set would be longer than %d bytes", MaxSetText)
	}
	slices.SortFunc(members, func(a, b member) int {
		if order := strings.Compare(a.id, b.id); order != 0 {
			return order
		}
		return strings.Compare(a.thumbprint, b.thumbprint)
	})
	out := append(make([]byte, 0, size), `{"keys":[`...)
	for i, m := range members {
		if i > 0 {
			if m.id != "" && m.id == members[i-1].id {
				return nil, fault.New(fault.InvalidKey, "two keys have the ID %.64q", m.id)
			}
			out = append(out, ',')
		}
		out = append(out, m.text...)
	}
	return append(out, `]}`...), nil
}

// ETag returns a strong entity tag of a rendered set, with its quotes (RFC 9110 section 8.8.3): a hash of
// the very bytes.
func ETag(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + base64url.Encode(sum[:]) + `"`
}
