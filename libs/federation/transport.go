package federation

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/propagation"
)

// guard is the transport of one peer: every attempt asks the breaker, carries the caller's trace and the service's credential, and tells
// breaker and status how it ended.
type guard struct {
	peer *Peer
	base http.RoundTripper
}

var errOpen = errors.New("its circuit breaker is open: it failed several times in a row")

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	round, wait, ok := g.peer.breaker.allow()
	if !ok {
		g.peer.measures.refused(r.Context())
		return nil, &UnavailableError{Peer: g.peer.name, After: wait, Err: errOpen}
	}
	r = r.Clone(r.Context())
	propagation.TraceContext{}.Inject(r.Context(), propagation.HeaderCarrier(r.Header))
	start := g.peer.now()
	answer, err := g.authenticated(r)
	ended := outcomeOf(r.Context(), answer, err)
	g.peer.breaker.settle(round, ended)
	g.peer.ended(ended, answer, err)
	g.peer.measures.called(r.Context(), ended, g.peer.now().Sub(start))
	return answer, err
}

// authenticated sends the request with the credential; when the peer does not take an access token any more, once more with a new one.
func (g *guard) authenticated(r *http.Request) (*http.Response, error) {
	stale, err := g.peer.credential.apply(r)
	if err != nil {
		return nil, err
	}
	answer, err := g.base.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusUnauthorized || stale == nil || (r.Body != nil && r.Body != http.NoBody && r.GetBody == nil) {
		return answer, err
	}
	stale()
	again := r.Clone(r.Context())
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return answer, nil //nolint:nilerr // the first answer stands
		}
	}
	if _, err := g.peer.credential.apply(again); err != nil {
		return answer, nil //nolint:nilerr // the first answer stands
	}
	_ = answer.Body.Close()
	return g.base.RoundTrip(again)
}

// outcomeOf is what an attempt says about the peer. A refusal (4xx) is an answer of a peer that works.
func outcomeOf(ctx context.Context, answer *http.Response, err error) outcome {
	switch {
	case err != nil && errors.Is(context.Cause(ctx), context.Canceled):
		return givenUp
	case err != nil, answer.StatusCode >= http.StatusInternalServerError && answer.StatusCode != http.StatusNotImplemented:
		return failed
	default:
		return succeeded
	}
}

// retryAfter reads Retry-After in either form (RFC 9110 section 10.2.3).
func retryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now)), true
	}
	return 0, false
}
