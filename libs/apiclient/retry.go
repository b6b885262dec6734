package apiclient

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	// maxBackoff bounds one pause between attempts.
	maxBackoff = 5 * time.Second
	// defaultMaxWait is the longest Retry-After that is waited for unless the
	// configuration says otherwise.
	defaultMaxWait = 30 * time.Second
)

// retryPolicy decides whether a call is repeated, and when.
type retryPolicy struct {
	retries int
	backoff time.Duration
	maxWait time.Duration
	pause   func(context.Context, time.Duration) error
}

func newRetryPolicy(config Config) retryPolicy {
	p := retryPolicy{retries: config.Retries, backoff: config.Backoff, maxWait: config.MaxWait, pause: pause}
	if p.retries == 0 {
		p.retries = defaultRetries
	}
	if p.backoff == 0 {
		p.backoff = defaultBackoff
	}
	if p.maxWait == 0 {
		p.maxWait = defaultMaxWait
	}
	return p
}

// next returns how long to wait before attempt number done+1, or false when err
// stands. retryAfter is what the service asked for, 0 if nothing.
func (p retryPolicy) next(done int, err error, retryAfter time.Duration) (time.Duration, bool) {
	if done > p.retries || !temporary(err, retryAfter > 0) || retryAfter > p.maxWait {
		return 0, false
	}
	wait := maxBackoff
	if shift := done - 1; shift < 16 {
		wait = min(wait, p.backoff<<shift)
	}
	return max(retryAfter, wait/2+random(wait/2)), true
}

// temporary says whether the same request may succeed later.
func temporary(err error, askedToWait bool) bool {
	var problem *Problem
	if errors.As(err, &problem) {
		switch problem.Status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
			return true
		case http.StatusServiceUnavailable:
			return askedToWait || problem.Code != "sealed" // only an operator unseals
		default:
			return problem.Code == "idempotency_in_progress"
		}
	}
	return errors.Is(err, errNoAnswer) && !tlsRefused(err)
}

// tlsRefused says whether a connection failed because the two sides do not trust or
// understand each other, which time does not mend.
func tlsRefused(err error) bool {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		operation   *net.OpError
	)
	switch {
	case errors.As(err, &certificate), errors.As(err, &record):
		return true
	case errors.As(err, &operation):
		return operation.Op == "remote error" || operation.Op == "local error" // a TLS alert
	default:
		return false
	}
}

// retryAfter reads the header of that name, in seconds or as a date (RFC 9110
// section 10.2.3).
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}

// random returns a duration in [0, limit), so that clients that failed together do
// not come back together.
func random(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	n, err := rand.Int(rand.Reader, big.NewInt(int64(limit)))
	if err != nil {
		return 0
	}
	return time.Duration(n.Int64())
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
