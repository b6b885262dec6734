package accesstoken

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"
)

// scheme is the authentication scheme that a token came with.
type scheme int

const (
	schemeNone scheme = iota
	schemeBearer
	schemeDPoP
)

func schemeOf(r *http.Request) scheme {
	headers := r.Header["Authorization"]
	if len(headers) != 1 {
		return schemeNone
	}
	name, _, _ := strings.Cut(headers[0], " ")
	switch {
	case strings.EqualFold(name, "Bearer"):
		return schemeBearer
	case strings.EqualFold(name, "DPoP"):
		return schemeDPoP
	}
	return schemeNone
}

// Reasons why a token is refused that is bound, or ought to be.
var (
	errScheme      = errors.New("presented by another scheme than Bearer and DPoP")
	errBound       = errors.New("bound to a key and presented as a bearer token")
	errUnbound     = errors.New("presented with the scheme DPoP and not bound to a key")
	errCertificate = errors.New("bound to a client certificate that the connection does not have")
)

// proven checks that the request comes from the one whom the token is bound to, and tells whether it is bound at all.
func (v *Verifier) proven(ctx context.Context, r *http.Request, s scheme, token string, to binding, now time.Time) (bool, error) {
	switch {
	case s == schemeNone:
		return false, errScheme
	case to.key != "" && s != schemeDPoP: // RFC 9449 section 7.1
		return false, errBound
	case to.key == "" && s == schemeDPoP:
		return false, errUnbound
	case to.certificate != "" && to.certificate != certificateOf(r, now):
		return false, errCertificate
	case to.key != "":
		return true, v.checkProof(ctx, r, token, to.key, now)
	}
	return to.certificate != "", nil
}

// certificateOf is the thumbprint of the certificate whose key the client has proven to hold, if it is valid: it was when the connection began.
// Who issued it does not matter (RFC 8705 section 3); that it is not revoked, the server makes sure of where it verifies chains.
func certificateOf(r *http.Request, now time.Time) string {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return ""
	}
	leaf := r.TLS.PeerCertificates[0]
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return ""
	}
	sum := sha256.Sum256(leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
