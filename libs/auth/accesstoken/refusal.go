package accesstoken

import (
	"errors"
	"net/http"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Error codes of the protocols, as they stand in WWW-Authenticate.
const (
	invalidToken = "invalid_token"      // RFC 6750 section 3.1
	invalidProof = "invalid_dpop_proof" // RFC 9449 section 7.1
	useNonce     = "use_dpop_nonce"     // RFC 9449 section 9
)

// refusal is a token, or a proof, that does not let its holder in. The reason is logged; the holder learns the code alone.
type refusal struct {
	code   string
	nonce  string // for useNonce
	proven bool   // the token came with the scheme DPoP
	reason error
}

func (e *refusal) Error() string { return "access token: " + e.code + ": " + e.reason.Error() }

// Unwrap returns the reason.
func (e *refusal) Unwrap() error { return e.reason }

// ErrorCode is the stable code of the API.
func (*refusal) ErrorCode() string { return problem.Unauthenticated }

// ErrorDetail is the text for the client.
func (e *refusal) ErrorDetail() string {
	switch e.code {
	case invalidProof:
		return "the DPoP proof does not belong to this request and token"
	case useNonce:
		return "make the DPoP proof with the nonce in DPoP-Nonce"
	}
	return "the access token is not for this service, not in force or not its sender's"
}

// Challenge says how to authenticate (RFC 6750 section 3, RFC 9449 section 7.1), in place of what the server says by itself.
func (e *refusal) Challenge(h http.Header) {
	const realm = ` realm="cryptoutil"`
	bearer, dpop, fault := "Bearer"+realm, "DPoP"+realm, `, error="`+e.code+`"`
	if e.proven {
		dpop += fault
	} else {
		bearer += fault
	}
	h["Www-Authenticate"] = []string{bearer, dpop + `, algs="` + strings.Join(algorithms(), " ") + `"`}
	if e.nonce != "" {
		h.Set("DPoP-Nonce", e.nonce)
	}
}

// refuse is the answer to a token; scheme tells how it came.
func refuse(s scheme, reason error) error {
	return &refusal{code: invalidToken, proven: s == schemeDPoP, reason: reason}
}

// refuseProof is the answer to a proof.
func refuseProof(reason error) error {
	return &refusal{code: invalidProof, proven: true, reason: reason}
}

// unavailable is the answer while nobody can tell whether a token is in force.
func unavailable(reason error) error {
	answer := problem.New(problem.DependencyUnavailable, "access tokens cannot be verified now: the authorization server is away").Because(reason)
	peer := &federation.UnavailableError{}
	if errors.As(reason, &peer) && peer.After > 0 {
		answer = answer.After(peer.After)
	}
	return answer
}
