// Package jws signs and verifies: JSON Web Signatures in compact serialization (RFC 7515) with [Sign]
// and [Verify], in JSON serialization with [Draft] and [Message], with payloads inside or beside the
// message and as they stand (RFC 7797), and bare signatures over messages or digests with [SignRaw] and
// [VerifyRaw]. The algorithms are those of RFC 7518 section 3, RFC 8037 and RFC 9864 except what package
// alg refuses.
//
// The algorithm comes from the key or from the caller's expectation, never from the token (RFC 8725
// section 3.1). A signature that does not verify is [ErrVerification], whatever the reason; malformed
// tokens and headers that policy refuses are errors with code invalid_jws.
package jws

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// MaxSize is the length in characters of the longest message that is read.
const MaxSize = 16 << 20

// longestSignature is the length in bytes of what RSA makes with the largest modulus.
const longestSignature = alg.MaxRSABits / 8

// ErrVerification says that a signature or MAC is not valid for this key, and nothing else. Its code
// is verification_failed.
var ErrVerification error = fault.New(fault.VerificationFailed, "verification failed")

var (
	errParts          = fault.New(fault.InvalidJWS, "not a JWS in compact serialization")
	errSize           = fault.New(fault.InvalidJWS, "longer than %d characters", MaxSize)
	errHeaderSize     = fault.New(fault.InvalidJWS, "header is longer than %d characters", joseheader.MaxEncoded)
	errHeaderEncoding = fault.New(fault.InvalidJWS, "header is %w", base64url.ErrEncoding)
	errPayload        = fault.New(fault.InvalidJWS, "payload is %w", base64url.ErrEncoding)
)

// ErrAlgorithm is in the chain of the error about a message whose "alg" is not the one expected.
var ErrAlgorithm = errors.New("unexpected algorithm")

// Expect is what the caller knows about a token from elsewhere than the token.
type Expect struct {
	// Algorithm is the "alg" that is accepted. Empty means the key's; one of them must be set.
	Algorithm string
	// Type is the "typ" that is required, which keeps one kind of token from passing for another
	// (RFC 8725 section 3.11). Empty accepts any and none.
	Type string
	// Allow is what the message may contain beyond the usual.
	Allow Allow
}

// Sign signs payload with a private or symmetric key and returns the compact serialization.
func Sign(key *jwk.Key, h Header, payload []byte) (string, error) {
	return sign(key, h, payload, false)
}

// SignDetached is [Sign] for a payload that travels beside the token: the middle part is empty (RFC
// 7515 appendix F).
func SignDetached(key *jwk.Key, h Header, payload []byte) (string, error) {
	return sign(key, h, payload, true)
}

func sign(key *jwk.Key, h Header, payload []byte, detached bool) (string, error) {
	b := buffers.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
	defer b.release()
	sig, err := prepare(key, &h)
	if err != nil {
		return "", err
	}
	if b.header, err = h.append(b.header[:0]); err != nil {
		return "", err
	}
	if h.Unencoded && !detached && !printable(string(payload)) {
		return "", fault.New(fault.InvalidInput, "sign: an unencoded payload in a compact serialization is printable ASCII without periods")
	}
	size := base64url.EncodedLen(len(b.header)) + base64url.EncodedLen(len(payload)) + base64url.EncodedLen(longestSignature) + 2
	if size > MaxSize {
		return "", fault.New(fault.InvalidInput, "sign: the token would be longer than %d characters", MaxSize)
	}
	out := append(base64url.AppendEncode(slices.Grow(b.text[:0], size), b.header), '.')
	protected := len(out)
	if h.Unencoded {
		out = append(out, payload...)
	} else {
		out = base64url.AppendEncode(out, payload)
	}
	b.text = out
	signature, err := signMessage(key, sig, out, false)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	if detached {
		out = out[:protected]
	}
	b.text = base64url.AppendEncode(append(out, '.'), signature)
	return string(b.text), nil
}

// prepare finds the algorithm, makes sure that the key may sign with it, and completes the header.
func prepare(key *jwk.Key, h *Header) (alg.Signature, error) {
	sig, err := resolve(key, h.Algorithm)
	if err != nil {
		return sig, fmt.Errorf("sign: %w", err)
	}
	if err := maySign(key); err != nil {
		return sig, fmt.Errorf("sign: %w", err)
	}
	if h.Algorithm != oldEd25519 {
		h.Algorithm = sig.Name
	}
	if h.KeyID == "" {
		h.KeyID = key.ID
	}
	if h.CertificateHash == "" && len(key.Certificates) > 0 {
		h.CertificateHash = hashOf(key.Certificates[0])
	}
	if err := h.bringsKey(key); err != nil {
		return sig, fault.New(fault.InvalidInput, "sign: %w", err)
	}
	return sig, nil
}

// Verify checks a token in compact serialization with a public or symmetric key (a private key stands
// for its public part) and returns the payload together with the header, which is authentic then. The
// errors are [ErrVerification], and others with the codes invalid_jws, key_mismatch and
// unsupported_algorithm that depend on the token's form and on the key's attributes alone.
func Verify(key *jwk.Key, compact string, expect Expect) ([]byte, Header, error) {
	sig, err := resolveVerifier(key, &expect)
	if err != nil {
		return nil, Header{}, err
	}
	parts, err := split(compact)
	if err != nil {
		return nil, Header{}, fmt.Errorf("verify: %w", err)
	}
	carried := content{text: parts.payload, compact: true}
	return verify(key, sig, &expect, parts.header, "", &carried, parts.signature)
}

// VerifyDetached is [Verify] for a token whose payload travels beside it. It must carry none itself.
func VerifyDetached(key *jwk.Key, compact string, payload []byte, expect Expect) (Header, error) {
	sig, err := resolveVerifier(key, &expect)
	if err != nil {
		return Header{}, err
	}
	parts, err := split(compact)
	if err != nil {
		return Header{}, fmt.Errorf("verify: %w", err)
	}
	if parts.payload != "" {
		return Header{}, fmt.Errorf("verify: %w", errNotDetached)
	}
	carried := content{detached: true, beside: payload}
	_, h, err := verify(key, sig, &expect, parts.header, "", &carried, parts.signature)
	return h, err
}

var errNotDetached = fault.New(fault.InvalidJWS, "the message carries a payload of its own")

func resolveVerifier(key *jwk.Key, expect *Expect) (alg.Signature, error) {
	sig, err := resolve(key, expect.Algorithm)
	if err != nil {
		return sig, fmt.Errorf("verify: %w", err)
	}
	if err := mayVerify(key); err != nil {
		return sig, fmt.Errorf("verify: %w", err)
	}
	return sig, nil
}

// verify checks one signature. protected and signature are encoded; unprotected is the "alg" of the
// unprotected header, if there is one. The header that it returns holds protected members alone.
func verify(key *jwk.Key, sig alg.Signature, expect *Expect, protected, unprotected string, carried *content, signature string) ([]byte, Header, error) {
	b := buffers.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
	defer b.release()
	var err error
	var h Header
	if b.header, err = base64url.AppendDecode(b.header[:0], protected); err != nil {
		return nil, Header{}, fmt.Errorf("verify: %w", errHeaderEncoding)
	}
	if protected != "" {
		if h, err = parseHeader(b.header, &expect.Allow, sig.Name, key.ID, expect.Type); err != nil {
			return nil, Header{}, fmt.Errorf("verify: %w", err)
		}
	}
	if err := checkHeader(&h, unprotected, key, sig, expect); err != nil {
		return nil, Header{}, fmt.Errorf("verify: %w", err)
	}
	if len(signature) > base64url.EncodedLen(longestSignature) {
		return nil, Header{}, ErrVerification
	}
	if b.signature, err = base64url.AppendDecode(b.signature[:0], signature); err != nil {
		return nil, Header{}, ErrVerification
	}
	b.text = carried.appendSigned(append(append(b.text[:0], protected...), '.'), h.Unencoded)
	if !verifyMessage(key, sig, b.text, b.signature, false) {
		return nil, Header{}, ErrVerification
	}
	payload, err := carried.payload(h.Unencoded)
	if err != nil {
		return nil, Header{}, fmt.Errorf("verify: %w", err)
	}
	return payload, h, nil
}

// checkHeader compares what the token claims with what was resolved without it.
func checkHeader(h *Header, unprotected string, key *jwk.Key, sig alg.Signature, expect *Expect) error {
	algorithm := h.Algorithm
	if algorithm == "" {
		algorithm = unprotected
	}
	if algorithm == "" {
		return errNoAlgorithm
	}
	claimed, err := alg.LookupSignature(algorithm)
	if err != nil {
		return err
	}
	if claimed.Name != sig.Name {
		return fault.New(fault.InvalidJWS, `header: %w: "alg" is %q where %s is expected`, ErrAlgorithm, algorithm, sig.Name)
	}
	if expect.Type != "" && !joseheader.SameType(h.Type, expect.Type) {
		return fault.New(fault.InvalidJWS, `header: "typ" is %.64q where %q is expected`, h.Type, expect.Type)
	}
	if err := h.bringsKey(key); err != nil {
		return fault.New(fault.InvalidJWS, "header: %w", err)
	}
	return nil
}

// oldEd25519 is the name that Ed25519 had before RFC 9864.
const oldEd25519 = "EdDSA"

// resolve finds the algorithm from the key and from what the caller asks for. A key's own "alg" binds.
func resolve(key *jwk.Key, algorithm string) (alg.Signature, error) {
	if algorithm == "" {
		algorithm = key.Algorithm
	}
	if algorithm == "" {
		return alg.Signature{}, fault.New(fault.KeyMismatch, "neither the key nor the caller names the algorithm")
	}
	sig, err := alg.LookupSignature(algorithm)
	if err != nil {
		return alg.Signature{}, err
	}
	if key.Algorithm != "" && key.Algorithm != sig.Name && key.Algorithm != oldEd25519 {
		return alg.Signature{}, fault.New(fault.KeyMismatch, "the key is for %s alone", key.Algorithm)
	}
	return sig, key.FitsSignature(sig)
}

func maySign(key *jwk.Key) error {
	if !key.IsPrivate() && key.Elsewhere() == nil {
		return fault.New(fault.KeyMismatch, "the key has no private part")
	}
	return key.Permits(jwk.OpSign)
}

func mayVerify(key *jwk.Key) error {
	if key.IsPrivate() && !key.IsSymmetric() {
		return key.Permits(jwk.OpVerify, jwk.OpSign)
	}
	return key.Permits(jwk.OpVerify)
}

// parts are the three parts of the compact serialization (RFC 7515 section 7.1), still encoded, and
// the first two together, over which the signature goes.
type parts struct {
	header, payload, signature, signed string
}

func split(compact string) (parts, error) {
	if len(compact) > MaxSize {
		return parts{}, errSize
	}
	header, rest, found := strings.Cut(compact, ".")
	if !found || header == "" {
		return parts{}, errParts
	}
	payload, signature, found := strings.Cut(rest, ".")
	if !found || strings.Contains(signature, ".") {
		return parts{}, errParts
	}
	if len(header) > joseheader.MaxEncoded {
		return parts{}, errHeaderSize
	}
	return parts{header, payload, signature, compact[:len(compact)-len(signature)-1]}, nil
}

// buffer holds what one operation needs and the next can use again. Nothing in it is secret.
type buffer struct {
	header, text, signature []byte
}

//nolint:gochecknoglobals // buffers, of use to every message
var buffers = sync.Pool{New: func() any { return new(buffer) }}

// maxKept is the length in bytes of the longest buffer that is kept for the next use.
const maxKept = 128 << 10

func (b *buffer) release() {
	if cap(b.text) <= maxKept {
		buffers.Put(b)
	}
}
