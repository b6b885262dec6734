package jwt

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// idSize is the length in bytes of a token's random ID.
const idSize = 16

// Issue signs a token and returns it with its claims. "jti" (128 random bits) and "iat" are set here and
// must not be given. "iss" and "aud" are the profile's unless given; a given audience is a part of the
// profile's. "nbf" and "exp" are now and the end of the lifetime; a given one lies between these. The
// errors have the codes invalid_input and key_mismatch.
func (a *Authority) Issue(signer *jwk.Key, c Claims) (token string, issued Claims, err error) {
	if err := a.require(Signed); err != nil {
		return "", Claims{}, err
	}
	if token, issued, err = a.sign(signer, c); err != nil {
		return "", Claims{}, fmt.Errorf("issue token: %w", err)
	}
	return token, issued, nil
}

// IssueNested signs a token and encrypts it to a recipient, whose key may be public.
func (a *Authority) IssueNested(signer, recipient *jwk.Key, c Claims) (token string, issued Claims, err error) {
	if err := a.require(Nested); err != nil {
		return "", Claims{}, err
	}
	inner, issued, err := a.sign(signer, c)
	if err == nil {
		token, err = a.encrypt(recipient, jwe.Header{ContentType: "JWT"}, []byte(inner))
	}
	if err != nil {
		return "", Claims{}, fmt.Errorf("issue token: %w", err)
	}
	return token, issued, nil
}

// IssueEncrypted encrypts a token to a recipient. See [Encrypted] for what that proves.
func (a *Authority) IssueEncrypted(recipient *jwk.Key, c Claims) (token string, issued Claims, err error) {
	if err := a.require(Encrypted); err != nil {
		return "", Claims{}, err
	}
	payload, err := a.complete(&c)
	if err == nil {
		token, err = a.encrypt(recipient, jwe.Header{Type: a.typ()}, payload)
	}
	if err != nil {
		return "", Claims{}, fmt.Errorf("issue token: %w", err)
	}
	return token, c, nil
}

func (a *Authority) require(form Form) error {
	if a.profile.Form != form {
		return fault.New(fault.InvalidInput, "tokens of the profile %.64q are %s, not %s", a.profile.Name, a.profile.Form, form)
	}
	return nil
}

func (a *Authority) typ() string {
	if a.profile.Type == "" {
		return "JWT"
	}
	return a.profile.Type
}

// Complete returns the claims of a token as [Authority.Issue] signs them, for tokens that are signed in another form, such as an SD-JWT. It is
// for the same claims, and has the same errors about them.
func (a *Authority) Complete(c Claims) (Claims, error) {
	if _, err := a.complete(&c); err != nil {
		return Claims{}, fmt.Errorf("issue token: %w", err)
	}
	return c, nil
}

// AlgorithmName is how the profile's tokens call a signature algorithm in "alg".
func (a *Authority) AlgorithmName(algorithm string) string {
	if a.profile.LegacyEdDSAName && algorithm == "Ed25519" {
		return oldEd25519
	}
	return algorithm
}

func (a *Authority) sign(signer *jwk.Key, c Claims) (string, Claims, error) {
	algorithm, err := a.signature(signer)
	if err != nil {
		return "", Claims{}, err
	}
	payload, err := a.complete(&c)
	if err != nil {
		return "", Claims{}, err
	}
	header := jws.Header{Algorithm: a.AlgorithmName(algorithm), Type: a.typ()}
	if a.profile.CertificateChain {
		header.Chain = signer.Certificates
	}
	token, err := jws.Sign(signer, header, payload)
	if err == nil {
		err = checkLength(token)
	}
	return token, c, err
}

func (a *Authority) encrypt(recipient *jwk.Key, h jwe.Header, plaintext []byte) (string, error) {
	algorithm, err := a.keyManagement(recipient)
	if err != nil {
		return "", err
	}
	h.Algorithm, h.Encryption = algorithm, a.profile.Encryptions[0]
	token, err := jwe.Encrypt(recipient, h, plaintext)
	if err == nil {
		err = checkLength(token)
	}
	return token, err
}

func checkLength(token string) error {
	if len(token) > MaxToken {
		return fault.New(fault.InvalidInput, "the token would be longer than %d characters", MaxToken)
	}
	return nil
}

// complete sets what the caller left out and returns the payload.
func (a *Authority) complete(c *Claims) ([]byte, error) {
	p := &a.profile
	if p.Lifetime == 0 {
		return nil, fault.New(fault.InvalidInput, "the token profile %.64q has no lifetime: it only verifies", p.Name)
	}
	now := a.now().Truncate(time.Second)
	end := now.Add(p.Lifetime.Truncate(time.Second))
	if c.Issuer == "" {
		c.Issuer = p.Issuer
	}
	if c.Audience == nil {
		c.Audience = slices.Clone(p.Audiences)
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = now
	}
	if c.Expires.IsZero() {
		c.Expires = end
	}
	c.NotBefore, c.Expires = c.NotBefore.Truncate(time.Second), c.Expires.Truncate(time.Second)
	switch {
	case c.ID != "" || !c.IssuedAt.IsZero():
		return nil, fault.New(fault.InvalidInput, `"jti" and "iat" are not the caller's`)
	case p.Issuer != "" && c.Issuer != p.Issuer:
		return nil, fault.New(fault.InvalidInput, `"iss" is not the profile's`)
	case len(c.Audience) > maxAudience || slices.ContainsFunc(c.Audience, func(one string) bool { return !slices.Contains(p.Audiences, one) }):
		return nil, fault.New(fault.InvalidInput, `"aud" is not among the profile's`)
	case c.NotBefore.Before(now) || c.Expires.After(end) || !c.NotBefore.Before(c.Expires):
		return nil, fault.New(fault.InvalidInput, `"nbf" and "exp" are not within the profile's lifetime`)
	}
	c.IssuedAt = now
	var id [idSize]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the process instead
	c.ID = base64url.Encode(id[:])
	if err := a.checkNames(c); err != nil {
		return nil, fault.New(fault.InvalidInput, "%w", err.err)
	}
	for name := range c.Extra {
		if registered(name) {
			return nil, fault.New(fault.InvalidInput, "claim %q has a field of its own", name)
		}
	}
	payload, err := c.append(make([]byte, 0, 512))
	if err != nil {
		return nil, fault.New(fault.InvalidInput, "%w", err)
	}
	return payload, nil
}
