package accesstoken

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// maxAnswerAge is how old an answer about a token may be, counted from when the question was put.
const maxAnswerAge = time.Second

// Introspector asks the authorization server about a token (RFC 7662).
type Introspector interface {
	// Introspect returns the answer's JSON text. issuer is the token's, "" for an opaque one where there are several. An error means that
	// nobody can tell.
	Introspect(ctx context.Context, issuer, token string) ([]byte, error)
}

// Reasons why an answer refuses a token.
var (
	errInactive = errors.New("not in force, says the authorization server")
	errAnother  = errors.New("the authorization server's answer is about another token")
)

// question is one question about one token, which all requests share that come within a second.
type question struct {
	put  time.Time
	done chan struct{} // closed when the rest is there

	claims claims
	err    error // nobody can tell
}

// serves tells whether the question, put to the server or answered, does for a request that comes now.
func (q *question) serves(now time.Time) bool {
	if age := now.Sub(q.put); age < 0 || age >= maxAnswerAge {
		return false
	}
	select {
	case <-q.done:
		return q.err == nil
	default:
		return true
	}
}

// ask returns what the authorization server says of a token. The error is unavailable, or that of the caller's context.
func (v *Verifier) ask(ctx context.Context, key digest, issuer, token string) (*claims, error) {
	now := v.cfg.Now()
	q := v.questions.get(key)
	var own *question
	if q == nil || !q.serves(now) {
		own = &question{put: now, done: make(chan struct{})}
		q = v.questions.join(key, func(q *question) bool { return q.serves(now) }, own)
	}
	if q == own {
		defer close(own.done)
		// The others wait for it too, so that it does not end with the request that happened to come first.
		text, err := v.cfg.Introspector.Introspect(context.WithoutCancel(ctx), issuer, token)
		if err == nil {
			own.claims, err = readClaims(text)
		}
		own.err = err
	} else {
		select {
		case <-q.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if q.err != nil {
		return nil, unavailable(fmt.Errorf("introspect: %w", q.err))
	}
	return &q.claims, nil
}

// askAbout asks about a JWT: what the answer leaves of it is what its holder may do.
func (v *Verifier) askAbout(ctx context.Context, key digest, token string, k *known) (*server.Principal, error) {
	said, err := v.ask(ctx, key, k.issuer.ID, token)
	if err != nil {
		return nil, err
	}
	same := func(said, token string) bool { return said == "" || said == token }
	switch {
	case !said.active:
		return nil, errInactive
	case !same(said.issuer, k.claims.issuer), !same(said.subject, k.claims.subject), !same(said.client, k.claims.client), !same(said.id, k.claims.id),
		said.binding != k.claims.binding && said.binding != (binding{}),
		said.audience != nil && !slices.Contains(said.audience, v.cfg.Audience):
		return nil, errAnother
	case !said.expires.IsZero() && !v.cfg.Now().Before(said.expires.Add(leeway)):
		return nil, errExpired
	}
	p := k.principal
	if said.scopes != nil {
		p.Scopes = slices.DeleteFunc(slices.Clone(p.Scopes), func(scope string) bool { return !slices.Contains(said.scopes, scope) })
	}
	if !said.expires.IsZero() && said.expires.Before(p.ExpiresAt) {
		p.ExpiresAt = said.expires
	}
	return &p, nil
}

// askOpaque asks about a token that says nothing itself. The tenant follows from the issuer that the answer names, or the only one there is.
func (v *Verifier) askOpaque(ctx context.Context, key digest, token string) (*claims, Issuer, error) {
	only := ""
	if len(v.cfg.Issuers) == 1 {
		only = v.cfg.Issuers[0].ID
	}
	said, err := v.ask(ctx, key, only, token)
	if err != nil {
		return nil, Issuer{}, err
	}
	if !said.active {
		return nil, Issuer{}, errInactive
	}
	c := *said
	if c.issuer == "" {
		c.issuer = only
	}
	issuer, ok := v.issuers[c.issuer]
	if !ok {
		return nil, Issuer{}, errIssuer
	}
	return &c, issuer, v.check(&c, v.cfg.Now())
}
