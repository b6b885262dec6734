package federation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	// maxCallRetries is how often a call is repeated within its timeout.
	maxCallRetries = 2
	// callBackoff is the first pause between two attempts of a call; it doubles.
	callBackoff = 100 * time.Millisecond
	// maxAnswer bounds the body of an answer, in bytes.
	maxAnswer = 16 << 20
)

// ErrAnswerTooLarge is an answer of more than 16 MiB.
var ErrAnswerTooLarge = errors.New("the answer is larger than 16 MiB")

// errRedirect: a peer does not send its callers elsewhere.
var errRedirect = errors.New("the peer redirects, which it has no reason to")

// Do calls the peer. The request's URL is the peer's; [Peer.URL] begins it. The peer's timeout bounds the whole call: retries, of which there
// are at most two and only of requests that may be repeated (RFC 9110 section 9.2.2, or a POST with an Idempotency-Key), and the reading of
// the answer. A peer that cannot be called gives an [UnavailableError]; an answer with any status is an answer.
func (p *Peer) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), p.config.Timeout, fmt.Errorf("no answer within %s", p.config.Timeout))
	answer, err := p.do(r.WithContext(ctx))
	if err != nil {
		err = p.unavailable(r.Context(), ctx, err)
		cancel()
		return nil, err
	}
	answer.Body = &boundedBody{ReadCloser: answer.Body, left: maxAnswer, cancel: cancel}
	return answer, nil
}

func (p *Peer) do(r *http.Request) (*http.Response, error) {
	if !repeatable(r) {
		return p.plain.Do(r) //nolint:gosec // the callers' URLs begin with the peer's
	}
	again, err := retryablehttp.FromRequest(r)
	if err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	return p.retrying.Do(again)
}

// unavailable says why a call has no answer.
func (p *Peer) unavailable(callers, call context.Context, err error) error {
	if callers.Err() != nil {
		return fmt.Errorf("call %s: %w", p.name, context.Cause(callers))
	}
	if call.Err() != nil {
		err = context.Cause(call)
	}
	known := &UnavailableError{}
	if errors.As(err, &known) {
		return known
	}
	return &UnavailableError{Peer: p.name, Err: err}
}

// repeatable tells whether a request may reach the peer twice.
func repeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	default:
		return r.Header.Get("Idempotency-Key") != ""
	}
}

// newClients makes the two ways to call: once, and with retries.
func newClients(transport http.RoundTripper) (plain *http.Client, retrying *retryablehttp.Client) {
	plain = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
	}
	retrying = &retryablehttp.Client{
		HTTPClient:   plain,
		RetryMax:     maxCallRetries,
		CheckRetry:   worthRetry,
		Backoff:      pause,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return plain, retrying
}

// worthRetry tells whether another attempt may end otherwise.
func worthRetry(ctx context.Context, answer *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	unavailable := &UnavailableError{}
	switch {
	case errors.As(err, &unavailable) || errors.Is(err, errRedirect):
		return false, err
	case err != nil:
		return retryablehttp.ErrorPropagatedRetryPolicy(ctx, answer, err)
	}
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true, nil
	default:
		return false, nil
	}
}

// pause is exponential with jitter, or what the peer asks for (Retry-After), which the call's timeout bounds.
func pause(_, _ time.Duration, attempt int, answer *http.Response) time.Duration {
	if answer != nil {
		if asked, ok := retryAfter(answer.Header, time.Now()); ok {
			return asked
		}
	}
	return callBackoff<<attempt/2 + below(callBackoff<<attempt/2)
}

// boundedBody ends the call when it is closed, and reads no more than its bound.
type boundedBody struct {
	io.ReadCloser

	left   int64
	cancel context.CancelFunc
}

func (b *boundedBody) Read(into []byte) (int, error) {
	if b.left <= 0 {
		var one [1]byte
		if n, err := b.ReadCloser.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, ErrAnswerTooLarge
	}
	if int64(len(into)) > b.left {
		into = into[:b.left]
	}
	n, err := b.ReadCloser.Read(into)
	b.left -= int64(n)
	return n, err
}

// Close ends the call.
func (b *boundedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
