package jws

import (
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

// Header is the protected header of a signed message.
type Header struct {
	// Algorithm is the "alg"; empty on signing means the key's. "EdDSA" on signing writes that older
	// name of Ed25519 for readers that know no other (RFC 9864 section 2.2).
	Algorithm string
	// KeyID is the "kid"; empty on signing means the key's.
	KeyID string
	// Type is the "typ".
	Type string
	// ContentType is the "cty".
	ContentType string
	// Extra are further members. Reading them gives string, bool, nil, json.Number, []any or
	// map[string]any.
	Extra map[string]any
}

// append writes the header as JSON; the order of members is fixed, so that equal headers have equal
// texts.
func (h *Header) append(out []byte) ([]byte, error) {
	out = append(out, '{')
	out = strictjson.AppendMember(out, "alg", h.Algorithm)
	for _, member := range [...][2]string{{"kid", h.KeyID}, {"typ", h.Type}, {"cty", h.ContentType}} {
		if member[1] != "" {
			out = strictjson.AppendMember(out, member[0], member[1])
		}
	}
	if len(h.Extra) > 0 {
		if err := joseheader.CheckExtra(h.Extra); err != nil {
			return nil, fault.New(fault.InvalidInput, "sign: %w", err)
		}
		var err error
		if out, err = strictjson.AppendMembers(out, h.Extra); err != nil {
			return nil, fault.New(fault.InvalidInput, "sign: %w", err)
		}
	}
	out = append(out, '}')
	if err := joseheader.CheckWritten(out, h.Extra); err != nil {
		return nil, fault.New(fault.InvalidInput, "sign: %w", err)
	}
	return out, nil
}

// ParseHeader reads the protected header of a message, for finding the key by its KeyID. Nothing in
// it may be trusted before [Verify] has succeeded.
func ParseHeader(compact string) (Header, error) {
	parts, err := split(compact)
	if err != nil {
		return Header{}, err
	}
	text, err := base64url.Decode(parts.header)
	if err != nil {
		return Header{}, errHeaderEncoding
	}
	return parseHeader(text)
}

func parseHeader(text []byte, likely ...string) (h Header, err error) {
	err = strictjson.Object(text, func(name, value []byte) error {
		if err := joseheader.Refused(name); err != nil {
			return err
		}
		switch string(name) {
		case "alg":
			return joseheader.ReadString(&h.Algorithm, value, likely)
		case "kid":
			return joseheader.ReadString(&h.KeyID, value, likely)
		case "typ":
			return joseheader.ReadString(&h.Type, value, likely)
		case "cty":
			return joseheader.ReadString(&h.ContentType, value, likely)
		}
		if h.Extra == nil {
			h.Extra = make(map[string]any)
		}
		var err error
		h.Extra[string(name)], err = strictjson.Value(value)
		return err
	})
	if err != nil {
		return Header{}, fault.New(fault.InvalidJWS, "header: %w", err)
	}
	if h.Algorithm == "" {
		return Header{}, fault.New(fault.InvalidJWS, `header: "alg" is missing`)
	}
	return h, nil
}

// sameType compares media types as RFC 7515 section 4.1.9 wants: without regard to case, and with
// "application/" understood where there is no slash.
func sameType(a, b string) bool {
	return strings.EqualFold(fullType(a), fullType(b))
}

func fullType(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return "application/" + name
}
