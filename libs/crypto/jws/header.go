package jws

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
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
	// ContentType is the "cty"; "JWT" says that the payload is a JWT by itself (RFC 7519 section 5.2).
	ContentType string
	// Unencoded is "b64": false: the payload is signed as it stands (RFC 7797). Signing lists it in "crit".
	Unencoded bool
	// Critical are the members of "crit" beside "b64"; on signing each must be in Extra.
	Critical []string
	// Key is the "jwk": a public key, and of no other than the signer. Nil means none.
	Key *jwk.Key
	// Chain is the "x5c": DER certificates, the first of which certifies the signer's key.
	Chain [][]byte
	// CertificateHash is the "x5t#S256", by which readers find the signer's certificate: the SHA-256 of its DER
	// in base64url. Empty on signing means that of the first of the key's certificates, where it has some. The
	// older "x5t" is a SHA-1 hash and never written.
	CertificateHash string
	// KeySetURL is the "jku" and ChainURL the "x5u". Nothing here fetches them.
	KeySetURL, ChainURL string
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
	out, err := h.appendRare(out)
	if err != nil {
		return nil, fault.New(fault.InvalidInput, "sign: %w", err)
	}
	if len(h.Extra) > 0 {
		if err := joseheader.CheckExtra(h.Extra); err != nil {
			return nil, fault.New(fault.InvalidInput, "sign: %w", err)
		}
		if _, there := h.Extra[certificateHash]; there {
			return nil, fault.New(fault.InvalidInput, "sign: member %q has a field of its own", certificateHash)
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

// appendRare appends the members that readers accept only where they are asked to.
func (h *Header) appendRare(out []byte) ([]byte, error) {
	if h.Key != nil {
		text, err := h.Key.MarshalPublic()
		if err != nil {
			return nil, err
		}
		out = append(strictjson.AppendName(out, "jwk"), text...)
	}
	if len(h.Chain) > 0 {
		out = joseheader.AppendChain(strictjson.AppendName(out, "x5c"), h.Chain)
	}
	for _, member := range [...][2]string{{certificateHash, h.CertificateHash}, {"jku", h.KeySetURL}, {"x5u", h.ChainURL}} {
		if member[1] != "" {
			out = strictjson.AppendMember(out, member[0], member[1])
		}
	}
	if h.Unencoded {
		out = append(strictjson.AppendName(out, "b64"), "false"...)
	}
	critical := h.critical()
	if len(critical) == 0 {
		return out, nil
	}
	present := func(name string) bool { _, there := h.Extra[name]; return there || name == "b64" && h.Unencoded }
	if err := joseheader.CheckCritical(critical, present, func(string) bool { return true }); err != nil {
		return nil, err
	}
	out = append(strictjson.AppendName(out, "crit"), '[')
	for i, name := range critical {
		if i > 0 {
			out = append(out, ',')
		}
		out = strictjson.AppendString(out, name)
	}
	return append(out, ']'), nil
}

// critical is the whole of "crit".
func (h *Header) critical() []string {
	if !h.Unencoded {
		return h.Critical
	}
	return append([]string{"b64"}, h.Critical...)
}

const certificateHash = "x5t#S256"

func hashOf(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	return base64url.Encode(sum[:])
}

func (h *Header) readCertificateHash(value []byte) (err error) {
	if h.CertificateHash, err = strictjson.String(value); err != nil {
		return err
	}
	if raw, err := base64url.Decode(h.CertificateHash); err != nil || len(raw) != sha256.Size {
		return fmt.Errorf("member %q is no SHA-256 hash", certificateHash)
	}
	return nil
}

// bringsKey returns an error if the header names another key than the one that the caller uses: that
// is then none that it may be verified with (RFC 7515 sections 4.1.3 and 4.1.6).
func (h *Header) bringsKey(key *jwk.Key) error {
	if h.Key == nil && len(h.Chain) == 0 {
		return nil
	}
	if len(h.Chain) > 0 && h.CertificateHash != "" && h.CertificateHash != hashOf(h.Chain[0]) {
		return fmt.Errorf("member %q is not the hash of the first certificate of %q", certificateHash, "x5c")
	}
	if key.IsSymmetric() {
		return fmt.Errorf("members %q and %q do not go with a shared secret", "jwk", "x5c")
	}
	if h.Key != nil && h.Key.ThumbprintSHA256() != key.ThumbprintSHA256() {
		return fmt.Errorf("member %q is another key than the signer's", "jwk")
	}
	if len(h.Chain) == 0 {
		return nil
	}
	public, err := key.Public()
	if err != nil {
		return err
	}
	if _, err := jwk.FromMaterial(public.Material(), jwk.Attributes{Certificates: h.Chain}); err != nil {
		return fmt.Errorf("member %q: %w", "x5c", err)
	}
	return nil
}

// ParseHeader reads the protected header of a message in compact serialization, for finding the key by
// its KeyID. Nothing in it may be trusted before [Verify] has succeeded. [Parse] reads headers that
// have members which are refused here.
func ParseHeader(compact string) (Header, error) {
	parts, err := split(compact)
	if err != nil {
		return Header{}, err
	}
	text, err := base64url.Decode(parts.header)
	if err != nil {
		return Header{}, errHeaderEncoding
	}
	h, err := parseHeader(text, &Allow{})
	if err != nil {
		return Header{}, err
	}
	if h.Algorithm == "" {
		return Header{}, errNoAlgorithm
	}
	return h, nil
}

var errNoAlgorithm = fault.New(fault.InvalidJWS, `header: "alg" is missing`)

func parseHeader(text []byte, allow *Allow, likely ...string) (h Header, err error) {
	var r rare
	err = strictjson.Object(text, func(name, value []byte) error {
		switch string(name) {
		case "alg":
			return joseheader.ReadString(&h.Algorithm, value, likely)
		case "kid":
			return joseheader.ReadString(&h.KeyID, value, likely)
		case "typ":
			return joseheader.ReadString(&h.Type, value, likely)
		case "cty":
			return joseheader.ReadString(&h.ContentType, value, likely)
		case certificateHash:
			return h.readCertificateHash(value)
		}
		if allow.permits(name) {
			return r.member(&h, string(name), value)
		}
		if err := joseheader.Refused(name); err != nil {
			return err
		}
		if h.Extra == nil {
			h.Extra = make(map[string]any)
		}
		var err error
		h.Extra[string(name)], err = strictjson.Value(value)
		return err
	})
	if err == nil {
		err = r.check(&h, allow)
	}
	if err != nil {
		return Header{}, fault.New(fault.InvalidJWS, "header: %w", err)
	}
	return h, nil
}

// rare collects the members that are read only where the caller allows them.
type rare struct {
	hasB64, hasCritical bool
	critical            []string
}

func (r *rare) member(h *Header, name string, value []byte) (err error) {
	switch name {
	case "b64":
		r.hasB64 = true
		switch {
		case bytes.Equal(value, []byte("false")):
			h.Unencoded = true
		case !bytes.Equal(value, []byte("true")):
			err = fmt.Errorf("member %q is not a Boolean", name)
		}
	case "crit":
		r.hasCritical = true
		r.critical, err = strictjson.Strings(value)
	case "jwk":
		if h.Key, err = jwk.Parse(value); err == nil && h.Key.IsPrivate() {
			err = fmt.Errorf("member %q is not a public key", name)
		}
	case "x5c":
		h.Chain, err = joseheader.ParseChain(value)
	case "jku":
		h.KeySetURL, err = strictjson.String(value)
	default:
		h.ChainURL, err = strictjson.String(value)
	}
	return err
}

func (r *rare) check(h *Header, allow *Allow) error {
	if h.Unencoded && !slices.Contains(r.critical, "b64") {
		return errors.New(`member "b64" is not listed in "crit"`) // RFC 7797 section 6
	}
	if !r.hasCritical {
		return nil
	}
	present := func(name string) bool { _, there := h.Extra[name]; return there || name == "b64" && r.hasB64 }
	understood := func(name string) bool { return name == "b64" || slices.Contains(allow.Critical, name) }
	if err := joseheader.CheckCritical(r.critical, present, understood); err != nil {
		return err
	}
	h.Critical = slices.DeleteFunc(r.critical, func(name string) bool { return name == "b64" })
	if len(h.Critical) == 0 {
		h.Critical = nil
	}
	return nil
}
