package database

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"time"
)

// Bounds of the retries of a transaction that lost against another one.
const (
	maxAttempts  = 10
	firstBackoff = 5 * time.Millisecond
	maxBackoff   = 500 * time.Millisecond
	retryBudget  = 15 * time.Second // no attempt begins later than this; one on SQLite may have waited busyTimeout already
)

// retry repeats run while it fails for a reason that passes, at growing random intervals.
func (db *DB) retry(ctx context.Context, run func() error) error {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		err := run()
		if err == nil || !isRetriable(err) {
			return err
		}
		if attempt == maxAttempts || time.Since(began) > retryBudget {
			return asUnavailable(fmt.Errorf("given up after %d attempts: %w", attempt, err))
		}
		wait, jitterErr := backoff(attempt)
		if jitterErr != nil {
			return jitterErr
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w (after: %w)", context.Cause(ctx), err)
		case <-timer.C:
		}
	}
}

// backoff is a random time up to a bound that doubles with each attempt ("full jitter"): transactions that met once then part.
func backoff(attempt int) (time.Duration, error) {
	bound := min(firstBackoff<<(attempt-1), maxBackoff)
	n, err := rand.Int(rand.Reader, big.NewInt(int64(bound)))
	if err != nil {
		return 0, fmt.Errorf("jitter: %w", err)
	}
	return time.Duration(n.Int64()) + time.Millisecond, nil
}
