package jwt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// Verify checks a signed token, or the inner one of a nested token as [Authority.Open] returned it, and
// returns its claims. [jws.ParseHeader] says which key a token claims. A refusal is an [*Error].
func (a *Authority) Verify(verifier *jwk.Key, token string) (Claims, error) {
	if a.profile.Form == Encrypted {
		return Claims{}, a.require(Signed)
	}
	payload, _, err := a.Payload(verifier, token)
	if err != nil {
		return Claims{}, err
	}
	return a.Check(payload)
}

// Payload checks signature, algorithm and type of a signed token and returns what it carries together with
// its header. It is for payloads that become claims only later, such as an SD-JWT's; [Authority.Check] then
// does the rest.
func (a *Authority) Payload(verifier *jwk.Key, token string) ([]byte, jws.Header, error) {
	if len(token) > MaxToken {
		return nil, jws.Header{}, errTooLong
	}
	algorithm, err := a.signature(verifier)
	if err != nil {
		return nil, jws.Header{}, fmt.Errorf("verify token: %w", err)
	}
	payload, h, err := jws.Verify(verifier, token, jws.Expect{Algorithm: algorithm, Allow: a.allow()})
	if err != nil {
		return nil, jws.Header{}, explain(err)
	}
	if err := a.checkType(h.Type); err != nil {
		return nil, jws.Header{}, err
	}
	if h.ContentType != "" && joseheader.SameType(h.ContentType, "JWT") {
		return nil, jws.Header{}, refuse(WrongType, "the payload is another token")
	}
	return payload, h, nil
}

// allow is what headers of signed tokens may contain.
func (a *Authority) allow() jws.Allow {
	allow := a.profile.Allow
	allow.EmbeddedChain = allow.EmbeddedChain || a.profile.CertificateChain
	return allow
}

// Open decrypts a nested token and returns the signed one inside, for [Authority.Verify]. Nothing in it
// may be trusted before.
func (a *Authority) Open(recipient *jwk.Key, token string) (inner string, err error) {
	if err := a.require(Nested); err != nil {
		return "", err
	}
	plaintext, h, err := a.decrypt(recipient, token)
	if err != nil {
		return "", err
	}
	if !joseheader.SameType(h.ContentType, "JWT") { // RFC 7519 section 5.2
		return "", refuse(WrongType, `what is encrypted is no token: "cty" is not "JWT"`)
	}
	return string(plaintext), nil
}

// VerifyEncrypted decrypts a token and returns its claims. See [Encrypted] for what that proves.
func (a *Authority) VerifyEncrypted(recipient *jwk.Key, token string) (Claims, error) {
	if err := a.require(Encrypted); err != nil {
		return Claims{}, err
	}
	plaintext, h, err := a.decrypt(recipient, token)
	if err != nil {
		return Claims{}, err
	}
	if err := a.checkType(h.Type); err != nil {
		return Claims{}, err
	}
	if h.ContentType != "" && joseheader.SameType(h.ContentType, "JWT") {
		return Claims{}, refuse(WrongType, "what is encrypted is another token")
	}
	return a.Check(plaintext)
}

func (a *Authority) decrypt(recipient *jwk.Key, token string) ([]byte, jwe.Header, error) {
	if len(token) > MaxToken {
		return nil, jwe.Header{}, errTooLong
	}
	algorithm, err := a.keyManagement(recipient)
	if err != nil {
		return nil, jwe.Header{}, fmt.Errorf("verify token: %w", err)
	}
	plaintext, h, err := jwe.Decrypt(recipient, token, jwe.Expect{Algorithm: algorithm, Allow: jwe.Allow{MaxInflated: a.profile.MaxInflated}})
	if err != nil {
		return nil, jwe.Header{}, explain(err)
	}
	if !slices.Contains(a.profile.Encryptions, h.Encryption) {
		return nil, jwe.Header{}, refuse(WrongAlgorithm, `"enc" is not among the profile's`)
	}
	return plaintext, h, nil
}

var errTooLong = refuse(Malformed, "longer than %d characters", MaxToken)

// explain finds the reason for what the lower layers refused. Errors about the key stay what they are.
func explain(err error) error {
	var coded interface{ ErrorCode() string }
	code := ""
	if errors.As(err, &coded) {
		code = coded.ErrorCode()
	}
	switch {
	case errors.Is(err, jws.ErrVerification):
		return &Error{BadSignature, err}
	case errors.Is(err, jwe.ErrDecryption):
		return &Error{DecryptionFailed, err}
	case errors.Is(err, jws.ErrAlgorithm) || errors.Is(err, jwe.ErrAlgorithm) || code == fault.UnsupportedAlgorithm:
		return &Error{WrongAlgorithm, err}
	case code == fault.KeyMismatch:
		return err
	default:
		return &Error{Malformed, err}
	}
}

// checkType keeps one kind of token from passing for another.
func (a *Authority) checkType(typ string) error {
	if a.profile.Type == "" && typ == "" || joseheader.SameType(typ, a.typ()) {
		return nil
	}
	return refuse(WrongType, `"typ" is not %q`, a.typ())
}

// Check applies the profile to the payload of a token whose protection was checked elsewhere, such as an
// SD-JWT's.
func (a *Authority) Check(payload []byte) (Claims, error) {
	c, err := parse(payload)
	if err != nil {
		return Claims{}, &Error{Malformed, err}
	}
	if err := a.checkNames(&c); err != nil {
		return Claims{}, err
	}
	p := &a.profile
	if p.Issuer != "" && c.Issuer != p.Issuer {
		return Claims{}, refuse(WrongIssuer, `"iss" is not the profile's`)
	}
	meant := func(one string) bool { return slices.Contains(p.Audiences, one) }
	if len(p.Audiences) == 0 && c.Audience != nil || len(p.Audiences) > 0 && !slices.ContainsFunc(c.Audience, meant) {
		return Claims{}, refuse(WrongAudience, `"aud" names none of the profile's`)
	}
	if err := a.checkTimes(&c); err != nil {
		return Claims{}, err
	}
	return c, nil
}

// checkNames looks for the claims that must be there and for those that must not.
func (a *Authority) checkNames(c *Claims) *Error {
	p := &a.profile
	for _, name := range p.RequiredClaims {
		if !c.Has(name) {
			return refuse(MissingClaim, "claim %q is missing", name)
		}
	}
	for _, needed := range [...]struct {
		name string
		by   bool
	}{{"iss", p.Issuer != ""}, {"aud", len(p.Audiences) > 0}, {"exp", p.MaxAge == 0}, {"iat", p.MaxAge > 0}} {
		if needed.by && !c.Has(needed.name) {
			return refuse(MissingClaim, "claim %q is missing", needed.name)
		}
	}
	if p.AllowedClaims == nil {
		return nil
	}
	for name := range c.Extra {
		if !slices.Contains(p.AllowedClaims, name) && !slices.Contains(p.RequiredClaims, name) {
			return refuse(UnexpectedClaim, "claim %.64q is not among the profile's", name)
		}
	}
	return nil
}

func (a *Authority) checkTimes(c *Claims) error {
	p, now := &a.profile, a.now()
	switch {
	case c.Has("exp") && !now.Before(c.Expires.Add(p.Skew)):
		return refuse(Expired, `"exp" has passed`)
	case c.Has("nbf") && now.Add(p.Skew).Before(c.NotBefore):
		return refuse(NotYetValid, `"nbf" lies ahead`)
	case c.Has("iat") && now.Add(p.Skew).Before(c.IssuedAt):
		return refuse(NotYetValid, `"iat" lies ahead`)
	case p.MaxAge > 0 && now.Sub(c.IssuedAt) > p.MaxAge+p.Skew:
		return refuse(TooOld, `"iat" is more than %s ago`, p.MaxAge)
	default:
		return nil
	}
}
