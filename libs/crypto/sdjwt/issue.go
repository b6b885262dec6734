package sdjwt

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
)

// Selective marks a member of an object or an element of an array that the holder may keep to himself. What
// is inside may be marked again.
type Selective struct{ Value any }

// Draft is a token to be issued.
type Draft struct {
	// Header is the header of the JWT; its Type should name the kind of token (RFC 9901 section 9.11).
	Header jws.Header
	// Claims are the payload. Within maps (map[string]any) and lists ([]any), at any depth, values may be
	// [Selective]; not so the claims that a verifier relies on (section 9.7).
	Claims map[string]any
	// Hash is the algorithm of the digests: sha-256, sha-384 or sha-512. Empty means DefaultHash.
	Hash string
	// Decoys is the number of digests of nothing that each object and each list with something selective
	// gets, so that nobody sees how much there is (section 4.2.5).
	Decoys int
	// Holder is the key that the holder proves to have, if there is one ("cnf").
	Holder *jwk.Key
}

// maxDecoys bounds what one object or list gets.
const maxDecoys = 100

// Issue signs the token with a private key and returns it with all its disclosures, for the holder. The
// errors have the codes invalid_input, key_mismatch and unsupported_algorithm.
func (d *Draft) Issue(signer *jwk.Key) (*Token, error) {
	if signer.IsSymmetric() {
		return nil, fault.New(fault.KeyMismatch, "issue SD-JWT: it is signed, not authenticated by a shared secret")
	}
	b := builder{hash: d.Hash, decoys: d.Decoys}
	if b.hash == "" {
		b.hash = DefaultHash
	}
	payload, err := b.build(d)
	if err != nil {
		return nil, fault.New(fault.InvalidInput, "issue SD-JWT: %w", err)
	}
	t := &Token{Disclosures: b.disclosures}
	if t.JWT, err = jws.Sign(signer, d.Header, payload); err != nil {
		return nil, fmt.Errorf("issue SD-JWT: %w", err)
	}
	if len(t.JWT) > jwt.MaxToken || len(t.Disclosures) > MaxDisclosures || len(t.String()) > MaxSize {
		return nil, fault.New(fault.InvalidInput, "issue SD-JWT: it would be too long, or have too many disclosures")
	}
	return t, nil
}

type builder struct {
	hash        string
	decoys      int
	disclosures []Disclosure
}

func (b *builder) build(d *Draft) ([]byte, error) {
	if _, ok := digest(b.hash, ""); !ok {
		return nil, fmt.Errorf("hash %.16q is not supported", b.hash)
	}
	if d.Header.Unencoded {
		return nil, errors.New("a JWT has no unencoded payload") // RFC 7797 section 7
	}
	if b.decoys < 0 || b.decoys > maxDecoys {
		return nil, fmt.Errorf("decoys are between 0 and %d", maxDecoys)
	}
	for _, name := range [...]string{"iss", "aud", "exp", "nbf", "cnf"} { // RFC 9901 section 9.7
		if _, selective := d.Claims[name].(Selective); selective {
			return nil, fmt.Errorf("claim %q cannot be left to the holder's choice", name)
		}
	}
	claims, err := b.object(d.Claims, 0)
	if err != nil {
		return nil, err
	}
	if d.Holder != nil {
		if _, taken := claims["cnf"]; taken {
			return nil, errors.New(`claim "cnf" is there already`)
		}
		text, err := d.Holder.MarshalPublic()
		if err != nil {
			return nil, err
		}
		claims["cnf"] = map[string]any{"jwk": json.RawMessage(text)}
	}
	claims[algorithmName] = b.hash
	payload, err := strictjson.AppendValue(nil, claims)
	if err != nil {
		return nil, err
	}
	// What a reader would refuse, such as reserved names inside values of other types, is not written.
	if _, _, err := process(payload, b.disclosures); err != nil {
		return nil, err
	}
	return payload, nil
}

func (b *builder) value(value any, depth int) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		return b.object(v, depth)
	case []any:
		return b.array(v, depth)
	case Selective:
		return nil, errors.New("a selective value stands in another one")
	default:
		return value, nil
	}
}

func (b *builder) object(members map[string]any, depth int) (map[string]any, error) {
	if depth == maxDepth {
		return nil, errDepth
	}
	out := make(map[string]any, len(members)+1)
	var digests []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if reserved(name) {
			return nil, fmt.Errorf("claim %q is reserved", name)
		}
		hidden, selective := members[name].(Selective)
		if !selective {
			var err error
			if out[name], err = b.value(members[name], depth+1); err != nil {
				return nil, err
			}
			continue
		}
		sum, err := b.disclose(Disclosure{Name: name}, hidden.Value, depth)
		if err != nil {
			return nil, err
		}
		digests = append(digests, sum)
	}
	if len(digests) > 0 {
		for range b.decoys {
			digests = append(digests, b.decoy())
		}
		slices.Sort(digests) // the order of the claims is nobody's business (RFC 9901 section 4.2.4.1)
		out[digestsName] = digests
	}
	return out, nil
}

func (b *builder) array(elements []any, depth int) ([]any, error) {
	if depth == maxDepth {
		return nil, errDepth
	}
	out := make([]any, 0, len(elements))
	hides := false
	for _, element := range elements {
		hidden, selective := element.(Selective)
		if !selective {
			value, err := b.value(element, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, value)
			continue
		}
		sum, err := b.disclose(Disclosure{IsElement: true}, hidden.Value, depth)
		if err != nil {
			return nil, err
		}
		out = append(out, map[string]any{elementName: sum})
		hides = true
	}
	if hides {
		for range b.decoys {
			out = slices.Insert(out, randomIndex(len(out)+1), any(map[string]any{elementName: b.decoy()}))
		}
	}
	return out, nil
}

// disclose makes the disclosure of a value, after those of what is selective inside it, and returns its
// digest.
func (b *builder) disclose(d Disclosure, value any, depth int) (string, error) {
	var err error
	if d.Value, err = b.value(value, depth+1); err != nil {
		return "", err
	}
	d.salt = newSalt()
	if err := d.encode(); err != nil {
		return "", err
	}
	d, err = parseDisclosure(d.encoded) // what a reader gets, or refuses
	if err != nil {
		return "", err
	}
	b.disclosures = append(b.disclosures, d)
	sum, _ := digest(b.hash, d.encoded)
	return sum, nil
}

// decoy returns the digest of a random number.
func (b *builder) decoy() string {
	sum, _ := digest(b.hash, newSalt()+newSalt())
	return sum
}

// randomIndex returns a number below n, which is at most that of the elements of a token.
func randomIndex(n int) int {
	var room [4]byte
	_, _ = rand.Read(room[:]) // never fails: it ends the process instead
	return int(uint32(room[0])|uint32(room[1])<<8|uint32(room[2])<<16|uint32(room[3]&0x7f)<<24) % n
}
