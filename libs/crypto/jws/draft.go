package jws

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Serialization is the form of a message (RFC 7515 section 7).
type Serialization string

// The serializations.
const (
	Compact   Serialization = "compact"   // one signature, no unprotected header
	Flattened Serialization = "flattened" // JSON, one signature
	General   Serialization = "general"   // JSON, one to MaxSignatures signatures
)

// Draft is a message to be signed.
type Draft struct {
	// Serialization is the form that the message gets.
	Serialization Serialization
	// Payload is what is signed. In JSON, where a header says Unencoded and nothing is detached, it must
	// be UTF-8.
	Payload []byte
	// Detached leaves the payload out of the message: it travels beside it.
	Detached bool
	// Signers make one signature each. They agree about Unencoded.
	Signers []Signer
}

// Signer makes one of the signatures of a message.
type Signer struct {
	// Key is a private or symmetric key.
	Key *jwk.Key
	// Protected is the header that the signature covers.
	Protected Header
	// Unprotected is the header that it does not; no member may stand in both. Of the members with a
	// meaning here it can have "kid" alone, which then does not stand in the other.
	Unprotected map[string]any
}

// Sign makes the signatures and returns the message. The errors have the codes invalid_input,
// key_mismatch and unsupported_algorithm.
func (d *Draft) Sign() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, fault.New(fault.InvalidInput, "sign: %w", err)
	}
	if d.Serialization == Compact {
		text, err := sign(d.Signers[0].Key, d.Signers[0].Protected, d.Payload, d.Detached)
		return []byte(text), err
	}
	out := []byte{'{'}
	if !d.Detached {
		out = strictjson.AppendName(out, "payload")
		if d.unencoded() {
			out = strictjson.AppendString(out, string(d.Payload))
		} else {
			out = append(base64url.AppendEncode(append(out, '"'), d.Payload), '"')
		}
	}
	var err error
	if d.Serialization == Flattened {
		if out, err = d.appendSignature(out, &d.Signers[0]); err != nil {
			return nil, err
		}
	} else {
		out = append(strictjson.AppendName(out, "signatures"), '[')
		for i := range d.Signers {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = d.appendSignature(append(out, '{'), &d.Signers[i]); err != nil {
				return nil, err
			}
			out = append(out, '}')
		}
		out = append(out, ']')
	}
	if out = append(out, '}'); len(out) > MaxSize {
		return nil, fault.New(fault.InvalidInput, "sign: the message would be longer than %d characters", MaxSize)
	}
	return out, nil
}

func (d *Draft) unencoded() bool { return d.Signers[0].Protected.Unencoded }

func (d *Draft) check() error {
	switch n := len(d.Signers); {
	case d.Serialization != Compact && d.Serialization != Flattened && d.Serialization != General:
		return fmt.Errorf("serialization %.16q is neither compact nor flattened nor general", d.Serialization)
	case n == 0 || n > MaxSignatures:
		return fmt.Errorf("a message has 1 to %d signatures", MaxSignatures)
	case n > 1 && d.Serialization != General:
		return fmt.Errorf("%s serialization has one signature", d.Serialization)
	case base64url.EncodedLen(len(d.Payload)) > MaxSize:
		return fmt.Errorf("the message would be longer than %d characters", MaxSize)
	}
	for i := range d.Signers {
		s := &d.Signers[i]
		if s.Protected.Unencoded != d.unencoded() {
			return errors.New("the signers disagree about the form of the payload")
		}
		if d.Serialization == Compact && len(s.Unprotected) > 0 {
			return errors.New("compact serialization has no unprotected header")
		}
		if err := joseheader.CheckUnprotected(s.Unprotected); err != nil {
			return err
		}
	}
	if d.unencoded() && d.Serialization != Compact && !d.Detached && !utf8.Valid(d.Payload) {
		return errors.New("an unencoded payload within JSON is UTF-8")
	}
	return nil
}

// appendSignature appends the members of one signature to an object under construction.
func (d *Draft) appendSignature(out []byte, s *Signer) ([]byte, error) {
	h := s.Protected
	sig, err := prepare(s.Key, &h)
	if err != nil {
		return nil, err
	}
	if _, there := s.Unprotected["kid"]; there {
		if s.Protected.KeyID != "" {
			return nil, fault.New(fault.InvalidInput, `sign: "kid" stands in both headers`)
		}
		h.KeyID = ""
	}
	b := buffers.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
	defer b.release()
	if b.header, err = h.append(b.header[:0]); err != nil {
		return nil, err
	}
	unprotected, err := appendUnprotected(s.Unprotected)
	if err != nil {
		return nil, fault.New(fault.InvalidInput, "sign: %w", err)
	}
	if err := joseheader.CheckDisjoint(b.header, unprotected); err != nil {
		return nil, fault.New(fault.InvalidInput, "sign: %w", err)
	}
	carried := content{detached: true, beside: d.Payload}
	b.text = base64url.AppendEncode(b.text[:0], b.header)
	protected := len(b.text)
	b.text = carried.appendSigned(append(b.text, '.'), h.Unencoded)
	signature, err := signMessage(s.Key, sig, b.text, false)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	out = append(append(append(strictjson.AppendName(out, "protected"), '"'), b.text[:protected]...), '"')
	if unprotected != nil {
		out = append(strictjson.AppendName(out, "header"), unprotected...)
	}
	out = append(strictjson.AppendName(out, "signature"), '"')
	return append(base64url.AppendEncode(out, signature), '"'), nil
}

// appendUnprotected returns the text of an unprotected header, nil for an empty one, and refuses one
// that a reader would refuse.
func appendUnprotected(members map[string]any) ([]byte, error) {
	if len(members) == 0 {
		return nil, nil
	}
	text, err := strictjson.AppendMembers([]byte{'{'}, members)
	if err != nil {
		return nil, err
	}
	text = append(text, '}')
	_, err = joseheader.ReadUnprotected(text, nil)
	return text, err
}
