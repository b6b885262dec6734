package sdjwt

import (
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/strictjson"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
)

// Expect is what a verifier, or a holder who has just received his token, asks of it.
type Expect struct {
	// Profile checks the JWT that the issuer signed and the claims that result.
	Profile *jwt.Authority
	// Binding is what the holder's proof must be. Nil: none is asked for, and one that is there is not
	// looked at (RFC 9901 section 7.3). That is the verifier's decision and never the token's.
	Binding *Binding
}

// Binding is what a verifier asks of the holder's proof.
type Binding struct {
	// Audience is the verifier's name and Nonce what he gave the holder for this presentation.
	Audience, Nonce string
	// MaxAge is how old the proof may be; it must be set. Skew is how far clocks may disagree.
	MaxAge, Skew time.Duration
	// Now is the clock.
	Now func() time.Time
	// Algorithms are the signature algorithms that are accepted; the holder's key must fit exactly one. Nil
	// means those on elliptic curves.
	Algorithms []string
}

// Verified is a token that fulfils what was expected.
type Verified struct {
	// Header is the header of the issuer's JWT.
	Header jws.Header
	// Payload is the processed payload: what is disclosed stands in its place, what is hidden is gone.
	Payload map[string]any
	// Claims are the same, as the profile reads them.
	Claims jwt.Claims
	// Holder is the key that the holder proved to have; nil without Binding.
	Holder *jwk.Key
}

// Verify checks everything of RFC 9901 sections 7.1 and 7.3: the issuer's signature and profile, every
// disclosure, and the key binding. Errors have the code invalid_sd_jwt, or are those of package jwt.
func (t *Token) Verify(issuer *jwk.Key, expect Expect) (*Verified, error) {
	if expect.Profile == nil {
		return nil, fault.New(fault.InvalidInput, "verify SD-JWT: no profile")
	}
	if issuer.IsSymmetric() {
		return nil, fault.New(fault.KeyMismatch, "verify SD-JWT: it is signed, not authenticated by a shared secret")
	}
	if expect.Binding != nil && t.KeyBinding == "" {
		return nil, fault.New(fault.InvalidSDJWT, "the holder's proof is missing")
	}
	payload, h, err := expect.Profile.Payload(issuer, t.JWT)
	if err != nil {
		return nil, fmt.Errorf("verify SD-JWT: %w", err)
	}
	v := &Verified{Header: h}
	if v.Payload, _, err = process(payload, t.Disclosures); err != nil {
		return nil, fault.New(fault.InvalidSDJWT, "%w", err)
	}
	text, err := strictjson.AppendValue(nil, v.Payload)
	if err != nil {
		return nil, fault.New(fault.InvalidSDJWT, "%w", err)
	}
	if v.Claims, err = expect.Profile.Check(text); err != nil {
		return nil, fmt.Errorf("verify SD-JWT: %w", err)
	}
	if expect.Binding != nil {
		if v.Holder, err = t.verifyBinding(expect.Binding); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// verifyBinding checks the holder's proof of a token whose signature was found good.
func (t *Token) verifyBinding(b *Binding) (*jwk.Key, error) {
	if b.Audience == "" || b.Nonce == "" || b.MaxAge <= 0 {
		return nil, fault.New(fault.InvalidInput, "verify SD-JWT: audience, nonce and age of the holder's proof must be given")
	}
	algorithms := b.Algorithms
	if algorithms == nil {
		algorithms = []string{"ES256", "ES384", "ES512", "Ed25519"}
	}
	profile, err := jwt.New(jwt.Profile{
		Name: "key binding", Algorithms: algorithms, Type: keyBindingType, Audiences: []string{b.Audience},
		MaxAge: b.MaxAge, Skew: b.Skew, RequiredClaims: []string{"nonce", "sd_hash"},
	}, b.Now)
	if err != nil {
		return nil, fmt.Errorf("verify SD-JWT: %w", err)
	}
	signed, err := t.unverified() // what the issuer signed himself: "cnf" is never a disclosure's
	if err != nil {
		return nil, err
	}
	holder, err := holderKey(signed)
	if err != nil {
		return nil, err
	}
	payload, _, err := profile.Payload(holder, t.KeyBinding)
	if err != nil {
		return nil, fault.New(fault.InvalidSDJWT, "the holder's proof: %w", err)
	}
	claims, err := profile.Check(payload)
	if err != nil {
		return nil, fault.New(fault.InvalidSDJWT, "the holder's proof: %w", err)
	}
	hash, err := hashOf(signed)
	if err != nil {
		return nil, fault.New(fault.InvalidSDJWT, "%w", err)
	}
	sum, _ := digest(hash, t.withoutBinding())
	switch {
	case !hasText(payload, "aud"):
		return nil, fault.New(fault.InvalidSDJWT, "the holder's proof has a list of audiences") // RFC 9901 section 4.3
	case claims.Extra["nonce"] != any(b.Nonce):
		return nil, fault.New(fault.InvalidSDJWT, "the holder's proof has another nonce")
	case claims.Extra["sd_hash"] != any(sum):
		return nil, fault.New(fault.InvalidSDJWT, "the holder's proof is for another token or other disclosures")
	default:
		return holder, nil
	}
}

// hasText says whether a member of an object that was read before is a text.
func hasText(object []byte, member string) bool {
	var first byte
	_ = strictjson.Object(object, func(name, value []byte) error {
		if string(name) == member {
			first = value[0]
		}
		return nil
	})
	return first == '"'
}
