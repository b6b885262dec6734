package jws

import (
	"bytes"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// MaxSignatures is the number of signatures that one message may have.
const MaxSignatures = 16

// Message is a message in any serialization that was taken apart and of which nothing is verified.
type Message struct {
	// Serialization is the one it was read from.
	Serialization Serialization
	// Signatures are one to MaxSignatures, in the order of the message.
	Signatures []Signature
	// Detached says that the payload travels beside the message: see [Message.Attach].
	Detached bool

	content content
}

// Signature is one signature of a message, not verified.
type Signature struct {
	// Protected is the header that the signature covers.
	Protected Header
	// Unprotected is the header that it does not: anybody may have changed it on the way.
	Unprotected map[string]any

	protected, value string // encoded
}

// KeyID returns the "kid", from whichever header has it.
func (s *Signature) KeyID() string { return s.either(s.Protected.KeyID, "kid") }

// Algorithm returns the "alg", from whichever header has it. It is what the message claims.
func (s *Signature) Algorithm() string { return s.either(s.Protected.Algorithm, "alg") }

func (s *Signature) either(protected, name string) string {
	if protected != "" {
		return protected
	}
	text, _ := s.Unprotected[name].(string)
	return text
}

// Parse takes a message apart: JSON serialization, flattened or general (RFC 7515 section 7.2), if its
// first character is a brace, otherwise compact. Errors have the code invalid_jws. allow is what its
// headers may contain beyond the usual; [Message.Verify] asks once more.
func Parse(text []byte, allow Allow) (*Message, error) {
	if len(text) > MaxSize {
		return nil, errSize
	}
	m := new(Message)
	var err error
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		err = m.parseJSON(text)
	} else {
		err = m.parseCompact(string(text))
	}
	if err != nil {
		return nil, err
	}
	for i := range m.Signatures {
		if err := m.Signatures[i].parse(&allow); err != nil {
			return nil, err
		}
		// RFC 7797 section 3: all signatures go over the same form of the payload.
		if m.Signatures[i].Protected.Unencoded != m.Signatures[0].Protected.Unencoded {
			return nil, fault.New(fault.InvalidJWS, `signatures disagree about "b64"`)
		}
	}
	return m, nil
}

func (m *Message) parseCompact(compact string) error {
	parts, err := split(compact)
	if err != nil {
		return err
	}
	m.Serialization = Compact
	m.Signatures = []Signature{{protected: parts.header, value: parts.signature}}
	m.content = content{text: parts.payload, compact: true}
	if parts.payload == "" { // an empty payload looks the same, and can be attached
		m.content = content{detached: true}
		m.Detached = true
	}
	return nil
}

func (m *Message) parseJSON(text []byte) error {
	var payload, list []byte
	var flat rawSignature
	err := strictjson.Object(text, func(name, value []byte) error {
		switch string(name) {
		case "payload":
			payload = value
		case "signatures":
			list = value
		default:
			flat.member(string(name), value)
		}
		return nil // RFC 7515 section 7.2.1: members it does not know are ignored
	})
	if err != nil {
		return fault.New(fault.InvalidJWS, "%w", err)
	}
	if payload == nil {
		m.Detached, m.content.detached = true, true
	} else if m.content.text, err = strictjson.String(payload); err != nil {
		return fault.New(fault.InvalidJWS, "payload: %w", err)
	}
	if list == nil {
		m.Serialization = Flattened
		return m.add(&flat)
	}
	if flat.protected != nil || flat.header != nil || flat.signature != nil {
		return fault.New(fault.InvalidJWS, "both flattened and general")
	}
	m.Serialization = General
	return m.parseSignatures(list)
}

func (m *Message) parseSignatures(list []byte) error {
	err := strictjson.Array(list, func(element []byte) error {
		if len(m.Signatures) == MaxSignatures {
			return fmt.Errorf("more than %d signatures", MaxSignatures)
		}
		var raw rawSignature
		err := strictjson.Object(element, func(name, value []byte) error {
			raw.member(string(name), value)
			return nil
		})
		if err != nil {
			return err
		}
		return m.add(&raw)
	})
	if err != nil {
		return fault.New(fault.InvalidJWS, "%w", err)
	}
	if len(m.Signatures) == 0 {
		return fault.New(fault.InvalidJWS, "no signature")
	}
	return nil
}

// rawSignature holds the texts of the members of one signature; nil members were absent.
type rawSignature struct {
	protected, header, signature []byte
}

func (r *rawSignature) member(name string, value []byte) {
	switch name {
	case "protected":
		r.protected = value
	case "header":
		r.header = value
	case "signature":
		r.signature = value
	}
}

// add reads the texts of one signature. The headers are there exactly if they are not empty.
func (m *Message) add(raw *rawSignature) error {
	var s Signature
	var err error
	if raw.signature == nil {
		return fault.New(fault.InvalidJWS, `member "signature" is missing`)
	}
	if s.value, err = strictjson.String(raw.signature); err != nil {
		return fault.New(fault.InvalidJWS, "signature: %w", err)
	}
	if raw.protected != nil {
		if s.protected, err = strictjson.String(raw.protected); err != nil {
			return fault.New(fault.InvalidJWS, "protected header: %w", err)
		}
		if s.protected == "" {
			return fault.New(fault.InvalidJWS, "the protected header is empty")
		}
	}
	if raw.header != nil {
		if s.Unprotected, err = joseheader.ReadUnprotected(raw.header, nil); err != nil {
			return fault.New(fault.InvalidJWS, "header: %w", err)
		}
	}
	m.Signatures = append(m.Signatures, s)
	return nil
}

// parse reads the protected header and compares its members with those of the other.
func (s *Signature) parse(allow *Allow) error {
	if len(s.protected) > joseheader.MaxEncoded {
		return errHeaderSize
	}
	if s.protected != "" {
		text, err := base64url.Decode(s.protected)
		if err != nil {
			return errHeaderEncoding
		}
		if s.Protected, err = parseHeader(text, allow); err != nil {
			return err
		}
		err = strictjson.Object(text, func(name, _ []byte) error {
			if _, there := s.Unprotected[string(name)]; there {
				return fmt.Errorf("member %.64q stands in both headers", name)
			}
			return nil
		})
		if err != nil {
			return fault.New(fault.InvalidJWS, "%w", err)
		}
	}
	if s.Algorithm() == "" {
		return errNoAlgorithm
	}
	return nil
}

// Attach gives a detached message its payload. A message that carries one refuses another.
func (m *Message) Attach(payload []byte) error {
	if !m.Detached {
		return errNotDetached
	}
	m.content.beside = payload
	return nil
}

// Verify checks one signature as [Verify] does and returns the payload and the protected header. Which
// signatures of a message must be right is the caller's decision (RFC 7515 section 5.2).
func (m *Message) Verify(index int, key *jwk.Key, expect Expect) ([]byte, Header, error) {
	if index < 0 || index >= len(m.Signatures) {
		return nil, Header{}, fault.New(fault.InvalidInput, "verify: the message has no signature %d", index)
	}
	sig, err := resolveVerifier(key, &expect)
	if err != nil {
		return nil, Header{}, err
	}
	s := &m.Signatures[index]
	unprotected, _ := s.Unprotected["alg"].(string)
	return verify(key, sig, &expect, s.protected, unprotected, &m.content, s.value)
}
