package accesstoken

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// ownPrefix begins this installation's own credentials.
const ownPrefix = "cu_"

// errAway is why nothing is taken while the authorization server is away.
var errAway = errors.New("the authorization server is away, and the fallback is " + federation.FallbackReject)

// Recognizes implements auth.Bearer: a JWT that says it is an access token, or where the authorization server can be asked any other text that is
// neither a JWT nor a credential of this installation.
func (v *Verifier) Recognizes(token string) bool {
	if len(token) > maxToken || strings.HasPrefix(token, ownPrefix) {
		return false
	}
	if !isJOSE(token) {
		return v.cfg.Introspector != nil && isOpaque(token)
	}
	if header, _, _ := strings.Cut(token, "."); v.headers.has(header) {
		return true
	}
	h, err := jws.ParseHeader(token)
	return err == nil && isAccessToken(h.Type)
}

// Authenticate implements auth.Bearer. Errors: unauthenticated, which says by its method Challenge what is wrong with the token or the proof
// (RFC 6750 section 3, RFC 9449 section 7.1); dependency_unavailable when the authorization server is needed and away; overloaded and
// rate_limited when no more proofs can be remembered.
func (v *Verifier) Authenticate(ctx context.Context, r *http.Request, token string) (*server.Principal, error) {
	if v.cfg.Fallback == federation.FallbackReject && v.cfg.Away() {
		return nil, unavailable(errAway)
	}
	s := schemeOf(r)
	p, err := v.authenticate(ctx, r, s, token)
	if err != nil {
		return nil, explain(ctx, s, err)
	}
	return p, nil
}

func (v *Verifier) authenticate(ctx context.Context, r *http.Request, s scheme, token string) (*server.Principal, error) {
	if !v.Recognizes(token) {
		return nil, errForm
	}
	now, key := v.cfg.Now(), v.digests.of(token)
	if !isJOSE(token) {
		return v.opaque(ctx, r, s, key, token, now)
	}
	k, err := v.find(ctx, key, token, now)
	if err != nil {
		return nil, err
	}
	confirmed, err := v.proven(ctx, r, s, token, k.claims.binding, now)
	if err != nil {
		return nil, err
	}
	if err := v.withdrawn(&k.claims, k.issuer.Tenant); err != nil {
		return nil, err
	}
	p := &server.Principal{}
	if *p = k.principal; k.ask {
		if p, err = v.askAbout(ctx, key, token, k); err != nil {
			return nil, err
		}
	}
	p.Confirmed = confirmed
	return p, nil
}

// opaque admits by a token that says nothing itself.
func (v *Verifier) opaque(ctx context.Context, r *http.Request, s scheme, key digest, token string, now time.Time) (*server.Principal, error) {
	c, issuer, err := v.askOpaque(ctx, key, token)
	if err != nil {
		return nil, err
	}
	confirmed, err := v.proven(ctx, r, s, token, c.binding, now)
	if err != nil {
		return nil, err
	}
	if err := v.withdrawn(c, issuer.Tenant); err != nil {
		return nil, err
	}
	p := v.principal(c, issuer)
	p.Confirmed = confirmed
	return &p, nil
}

// explain leaves errors that say what the caller is to know, and makes all others the one refusal. An error of a request that is over stays.
func explain(ctx context.Context, s scheme, err error) error {
	var coded problem.Coded
	var refused *refusal
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)), errors.As(err, &refused):
		return err
	case errors.As(err, &coded):
		switch coded.ErrorCode() {
		case problem.DependencyUnavailable, problem.Overloaded, problem.RateLimited, problem.StateUnavailable, problem.Sealed:
			return err
		}
	}
	return refuse(s, err)
}
