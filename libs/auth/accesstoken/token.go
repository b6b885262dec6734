package accesstoken

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

const (
	// tokenType is the "typ" of access tokens (RFC 9068 section 2.1).
	tokenType = "at+jwt"
	// maxToken is the length of the longest token that is looked at.
	maxToken = 16 << 10
	// maxKept is how long a token that was verified need not be verified again.
	maxKept = time.Minute
)

// Reasons why a token is refused.
var (
	errForm      = errors.New("not an access token")
	errAlgorithm = errors.New("an algorithm that is not accepted")
	errKey       = errors.New("its key is not among those of its issuer")
	errAsk       = errors.New("the authorization server would have to be asked about it, which is not configured")
)

// algorithms are those of signatures that are accepted, of tokens and proofs: asymmetric ones.
func algorithms() []string {
	return []string{"ES256", "ES384", "ES512", "Ed25519", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"}
}

// known is what was found out about a JWT.
type known struct {
	issuer    Issuer
	key       *jwk.Key // by which the signature is right; when the issuer's is another, this is forgotten
	keyID     string
	claims    claims
	principal server.Principal
	ask       bool      // the authorization server decides, with each use
	until     time.Time // when to verify it anew
}

// isJOSE tells whether a token begins as a JOSE header does: {" or { and white space, in base64url.
func isJOSE(token string) bool {
	return (strings.HasPrefix(token, "ey") || strings.HasPrefix(token, "ew")) && strings.Contains(token, ".")
}

// isOpaque tells whether a text can be a token (RFC 6750 section 2.1).
func isOpaque(token string) bool {
	body := strings.TrimRight(token, "=")
	return body != "" && !strings.ContainsFunc(body, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~+/", r)
	})
}

// isAccessToken compares media types, for which neither letter case nor "application/" matters (RFC 7515 section 4.1.9).
func isAccessToken(typ string) bool {
	return strings.EqualFold(typ, tokenType) || strings.EqualFold(typ, "application/"+tokenType)
}

// find returns what is known about a JWT, verified now or within the last minute by a key that is still the issuer's.
func (v *Verifier) find(ctx context.Context, key digest, token string, now time.Time) (*known, error) {
	if k := v.verified.get(key); k != nil && now.Before(k.until) {
		current, err := k.issuer.Keys.Key(ctx, k.keyID)
		if err != nil {
			return nil, keyError(err)
		}
		if current == k.key {
			return k, nil
		}
	}
	k, err := v.verify(ctx, token, now)
	if err != nil {
		return nil, err
	}
	v.verified.put(key, k)
	header, _, _ := strings.Cut(token, ".")
	v.headers.add(header)
	return k, nil
}

// verify reads a JWT and checks all that does not depend on the request.
func (v *Verifier) verify(ctx context.Context, token string, now time.Time) (*known, error) {
	h, err := jws.ParseHeader(token)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errForm, err)
	case !slices.Contains(v.algorithms, h.Algorithm):
		return nil, errAlgorithm
	case h.KeyID == "":
		return nil, errKey
	}
	c, err := unverifiedClaims(token) // they name the issuer, whose key is to confirm all of them
	if err != nil {
		return nil, err
	}
	issuer, ok := v.issuers[c.issuer]
	if !ok {
		return nil, errIssuer
	}
	key, err := issuer.Keys.Key(ctx, h.KeyID)
	if err != nil {
		return nil, keyError(err)
	}
	if key.IsSymmetric() {
		return nil, errKey
	}
	algorithm := key.Algorithm
	if algorithm == "" { // the key fits one family alone, and the accepted ones are listed
		algorithm = h.Algorithm
	}
	if _, _, err := jws.Verify(key, token, jws.Expect{Algorithm: algorithm, Type: tokenType}); err != nil {
		return nil, err
	}
	if err := v.checkToken(&c, now); err != nil {
		return nil, err
	}
	k := &known{issuer: issuer, key: key, keyID: h.KeyID, claims: c, principal: v.principal(&c, issuer), until: now.Add(maxKept)}
	if end := c.expires.Add(leeway); end.Before(k.until) {
		k.until = end
	}
	k.ask = c.expires.Sub(c.issued) > maxLocalLifetime || slices.ContainsFunc(k.principal.Scopes, v.cfg.AdminScope)
	if k.ask && v.cfg.Introspector == nil {
		return nil, errAsk
	}
	return k, nil
}

func unverifiedClaims(token string) (claims, error) {
	_, rest, _ := strings.Cut(token, ".")
	encoded, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return claims{}, fmt.Errorf("%w: %w", errForm, err)
	}
	return readClaims(payload)
}

// keyError tells apart a key that does not exist and one that cannot be had.
func keyError(err error) error {
	away := &federation.UnavailableError{}
	if errors.Is(err, federation.ErrUnknownKey) && !errors.As(err, &away) {
		return fmt.Errorf("%w: %w", errKey, err)
	}
	return unavailable(err)
}
