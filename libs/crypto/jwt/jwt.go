// Package jwt issues and verifies JSON Web Tokens (RFC 7519) by profile: a [Profile] fixes what RFC 8725
// wants fixed (algorithms, type, issuer, audience) together with lifetimes and required claims, and an
// [Authority] applies it. Tokens are signed, signed and then encrypted, or encrypted alone.
//
// A token that is refused is an [*Error] with a stable [Reason]. Errors about a key, which say nothing
// about the token, have the code key_mismatch.
package jwt

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// Form says how the tokens of a profile are protected.
type Form string

// The forms.
const (
	Signed Form = "signed"
	// Nested tokens are signed and then encrypted (RFC 7519 section 11.2).
	Nested Form = "nested"
	// Encrypted tokens are encrypted alone. Under a public key that proves nothing about who made them:
	// everybody can. Under a shared secret each of its holders can.
	Encrypted Form = "encrypted"
)

// Profile fixes what a kind of token is. One profile never accepts what another one issues if their Types
// differ.
type Profile struct {
	// Name is for error texts and logs.
	Name string
	// Form is how tokens are protected; empty means Signed.
	Form Form
	// Algorithms are the signature algorithms, for all forms but Encrypted. A key without an "alg" of its
	// own must fit exactly one of them.
	Algorithms []string
	// KeyManagement and Encryptions are the "alg" and "enc" of all forms but Signed. Issuing uses the first
	// of Encryptions.
	KeyManagement, Encryptions []string
	// Type is the "typ" (RFC 8725 section 3.11). Empty means "JWT", and accepts tokens without one.
	Type string
	// Issuer is the "iss". Empty leaves it to the caller of Issue and accepts every one.
	Issuer string
	// Audiences are the "aud" of issued tokens; an accepted token names at least one of them. Empty accepts
	// only tokens without an audience (RFC 7519 section 4.1.3).
	Audiences []string
	// Lifetime is the time from "iat" to "exp" of issued tokens. Zero: the profile only verifies.
	Lifetime time.Duration
	// MaxAge is the greatest time since "iat" of accepted tokens, which must then have it. Zero: "exp" is
	// required instead.
	MaxAge time.Duration
	// Skew is how far clocks may disagree, at most MaxSkew.
	Skew time.Duration
	// RequiredClaims must be in every token.
	RequiredClaims []string
	// AllowedClaims, unless nil, are all that a token may have beside the registered ones and
	// RequiredClaims.
	AllowedClaims []string
	// MaxInflated accepts nested and encrypted tokens that were compressed before they were encrypted ("zip"), if
	// they inflate to at most so many bytes. Zero refuses them; issued ones never are (RFC 8725 section 3.6).
	MaxInflated int
	// LegacyEdDSAName writes "EdDSA" instead of "Ed25519", for readers from before RFC 9864. Both are read.
	LegacyEdDSAName bool
	// CertificateChain writes the certificates of the signer's key, where it has some, into the header ("x5c"),
	// and accepts tokens that carry such. What verifies stays the caller's key, which they must be of.
	CertificateChain bool
	// Allow is what the headers of accepted tokens may contain beyond the usual. The caller has decided by it which
	// key verifies: nothing here trusts what a header brings.
	Allow jws.Allow
}

// MaxSkew bounds the leeway between clocks: "a few minutes" says RFC 7519 section 4.1.4.
const MaxSkew = 10 * time.Minute

// MaxToken is the length in characters of the longest token that is written or read.
const MaxToken = 64 << 10

// Authority issues and verifies the tokens of one profile. It is safe for concurrent use.
type Authority struct {
	profile    Profile
	now        func() time.Time
	signatures []alg.Signature
	management []alg.KeyManagement
}

// New checks a profile. now is the clock. The errors have the codes invalid_input and
// unsupported_algorithm.
func New(profile Profile, now func() time.Time) (*Authority, error) {
	if profile.Form == "" {
		profile.Form = Signed
	}
	a := &Authority{profile: profile, now: now}
	if err := a.check(); err != nil {
		return nil, fault.New(fault.InvalidInput, "token profile %.64q: %w", profile.Name, err)
	}
	for _, name := range profile.Algorithms {
		sig, err := alg.LookupSignature(name)
		if err != nil {
			return nil, fmt.Errorf("token profile %.64q: %w", profile.Name, err)
		}
		a.signatures = append(a.signatures, sig)
	}
	for _, name := range profile.KeyManagement {
		management, err := alg.LookupKeyManagement(name)
		if err != nil {
			return nil, fmt.Errorf("token profile %.64q: %w", profile.Name, err)
		}
		a.management = append(a.management, management)
	}
	for _, name := range profile.Encryptions {
		if _, err := alg.LookupContentEncryption(name); err != nil {
			return nil, fmt.Errorf("token profile %.64q: %w", profile.Name, err)
		}
	}
	return a, nil
}

// Profile returns the profile that the authority applies.
func (a *Authority) Profile() Profile { return a.profile }

func (a *Authority) check() error {
	p := &a.profile
	signs, encrypts := p.Form != Encrypted, p.Form != Signed
	switch {
	case a.now == nil:
		return errors.New("no clock")
	case p.Form != Signed && p.Form != Nested && p.Form != Encrypted:
		return fmt.Errorf("form %.16q is neither signed nor nested nor encrypted", p.Form)
	case signs != (len(p.Algorithms) > 0):
		return fmt.Errorf("%s tokens and signature algorithms do not agree", p.Form)
	case encrypts != (len(p.KeyManagement) > 0) || encrypts != (len(p.Encryptions) > 0):
		return fmt.Errorf("%s tokens and encryption algorithms do not agree", p.Form)
	case p.Lifetime < 0 || p.Lifetime > 0 && p.Lifetime < time.Second || p.MaxAge < 0:
		return errors.New("lifetimes are at least a second")
	case p.Skew < 0 || p.Skew > MaxSkew:
		return fmt.Errorf("clock skew is between 0 and %s", MaxSkew)
	case p.MaxInflated < 0 || p.MaxInflated > MaxToken || p.MaxInflated > 0 && !encrypts:
		return fmt.Errorf("what inflates is encrypted, and has at most %d bytes", MaxToken)
	case slices.Contains(p.Audiences, ""):
		return errors.New("an audience is empty")
	default:
		return nil
	}
}

// signature returns the algorithm of the profile for a key.
func (a *Authority) signature(key *jwk.Key) (name string, err error) {
	for _, sig := range a.signatures {
		if key.Algorithm != "" && key.Algorithm != sig.Name || key.FitsSignature(sig) != nil || sig.Name == name {
			continue
		}
		if name != "" {
			return "", a.errAmbiguous(key)
		}
		name = sig.Name
	}
	if name == "" {
		return "", fault.New(fault.KeyMismatch, "the key fits no signature algorithm of the token profile %.64q", a.profile.Name)
	}
	return name, nil
}

// keyManagement returns the algorithm of the profile for a key; a key for a content encryption is for dir.
func (a *Authority) keyManagement(key *jwk.Key) (name string, err error) {
	for _, management := range a.management {
		bound := key.Algorithm != "" && key.Algorithm != management.Name && (management.Name != "dir" || !alg.IsContentEncryption(key.Algorithm))
		if bound || key.FitsKeyManagement(management) != nil || management.Name == name {
			continue
		}
		if name != "" {
			return "", a.errAmbiguous(key)
		}
		name = management.Name
	}
	if name == "" {
		return "", fault.New(fault.KeyMismatch, "the key fits no key management algorithm of the token profile %.64q", a.profile.Name)
	}
	return name, nil
}

// errAmbiguous is for a key that names no algorithm and fits several. To take the token's word would let
// the token choose (RFC 8725 section 3.1).
func (a *Authority) errAmbiguous(key *jwk.Key) error {
	return fault.New(fault.KeyMismatch, "the %s key names no algorithm and fits several of the token profile %.64q", key.Type(), a.profile.Name)
}

// oldEd25519 is the name that Ed25519 had before RFC 9864.
const oldEd25519 = "EdDSA"
