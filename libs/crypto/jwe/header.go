package jwe

import (
	"crypto/ecdh"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
)

// Header is the protected header of a message.
type Header struct {
	// Algorithm is the "alg"; empty on encryption means the key's.
	Algorithm string
	// Encryption is the "enc"; it may be empty on encryption only if the key's algorithm is one.
	Encryption string
	// KeyID is the "kid"; empty on encryption means the key's.
	KeyID string
	// Type is the "typ".
	Type string
	// ContentType is the "cty".
	ContentType string
	// PartyUInfo and PartyVInfo are "apu" and "apv" of ECDH-ES, not encoded. Other algorithms carry them along unused.
	PartyUInfo, PartyVInfo []byte
	// Compressed is "zip": "DEF": the plaintext is compressed before it is encrypted, so that the length of
	// the message tells something about what is in it (RFC 8725 section 3.6).
	Compressed bool
	// Critical are the members of "crit"; on encryption each must be in Extra.
	Critical []string
	// Extra are further members. Reading them gives string, bool, nil, json.Number, []any or
	// map[string]any.
	Extra map[string]any
}

// parameters are the header members that a key management algorithm needs, as they stand in the
// header's text.
type parameters struct {
	ephemeral []byte // JSON text of "epk"
	iv, tag   []byte // characters of "iv" and "tag"
}

// produced is what a key management algorithm puts into the header of a new message.
type produced struct {
	ephemeral *ecdh.PublicKey
	curve     string
	iv, tag   []byte
}

func (p *produced) append(out []byte) []byte {
	if p.ephemeral != nil {
		out = appendEphemeral(out, p.curve, p.ephemeral)
	}
	if p.iv != nil {
		out = appendEncoded(appendEncoded(out, "iv", p.iv), "tag", p.tag)
	}
	return out
}

// append writes the header as JSON; the order of members is fixed, so that equal headers have equal
// texts.
func (h *Header) append(out []byte, p produced) ([]byte, error) {
	out = append(out, '{')
	for _, member := range [...][2]string{{"alg", h.Algorithm}, {"enc", h.Encryption}, {"kid", h.KeyID}, {"typ", h.Type}, {"cty", h.ContentType}} {
		if member[1] != "" {
			out = strictjson.AppendMember(out, member[0], member[1])
		}
	}
	out = p.append(out)
	if h.PartyUInfo != nil {
		out = appendEncoded(out, "apu", h.PartyUInfo)
	}
	if h.PartyVInfo != nil {
		out = appendEncoded(out, "apv", h.PartyVInfo)
	}
	out, err := h.appendRare(out)
	if err != nil {
		return nil, fault.New(fault.InvalidInput, "encrypt: %w", err)
	}
	if len(h.Extra) > 0 {
		if err := joseheader.CheckExtra(h.Extra); err != nil {
			return nil, fault.New(fault.InvalidInput, "encrypt: %w", err)
		}
		var err error
		if out, err = strictjson.AppendMembers(out, h.Extra); err != nil {
			return nil, fault.New(fault.InvalidInput, "encrypt: %w", err)
		}
	}
	out = append(out, '}')
	if err := joseheader.CheckWritten(out, h.Extra); err != nil {
		return nil, fault.New(fault.InvalidInput, "encrypt: %w", err)
	}
	return out, nil
}

func appendEncoded(out []byte, name string, value []byte) []byte {
	out = strictjson.AppendName(out, name)
	out = base64url.AppendEncode(append(out, '"'), value)
	return append(out, '"')
}

// parseHeader reads the text of a header. Texts equal to a member of likely are taken from there,
// which saves copies.
func parseHeader(text []byte, allow *Allow, likely ...string) (h Header, p parameters, err error) {
	err = strictjson.Object(text, func(name, value []byte) error {
		switch string(name) {
		case "alg":
			return joseheader.ReadString(&h.Algorithm, value, likely)
		case "enc":
			return joseheader.ReadString(&h.Encryption, value, likely)
		case "kid":
			return joseheader.ReadString(&h.KeyID, value, likely)
		case "typ":
			return joseheader.ReadString(&h.Type, value, likely)
		case "cty":
			return joseheader.ReadString(&h.ContentType, value, likely)
		case "apu":
			return readBytes(&h.PartyUInfo, value)
		case "apv":
			return readBytes(&h.PartyVInfo, value)
		case "epk":
			p.ephemeral = value
			return nil
		case "iv":
			p.iv, err = strictjson.Bytes(value)
			return err
		case "tag":
			p.tag, err = strictjson.Bytes(value)
			return err
		case "zip":
			return allow.readZip(&h, value)
		case "crit":
			return allow.readCritical(&h, value)
		}
		if err := joseheader.Refused(name); err != nil && !allow.permits(name) {
			return err
		}
		if h.Extra == nil {
			h.Extra = make(map[string]any)
		}
		h.Extra[string(name)], err = strictjson.Value(value)
		return err
	})
	if err == nil {
		err = allow.check(&h)
	}
	if err != nil {
		return Header{}, parameters{}, fault.New(fault.InvalidJWE, "header: %w", err)
	}
	return h, p, nil
}

func readBytes(to *[]byte, value []byte) error {
	text, err := strictjson.String(value)
	if err != nil {
		return err
	}
	*to, err = base64url.Decode(text)
	return err
}
