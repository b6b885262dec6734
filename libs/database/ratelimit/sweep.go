package ratelimit

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	// sweepBatch is how many rows one statement deletes: few enough not to hold up requests on SQLite's one writer.
	sweepBatch = 500
	// sweepMargin covers clocks that differ.
	sweepMargin = time.Minute
)

// Sweep deletes the keys whose burst is full again, in batches, and returns how many. It may run on several replicas at once; once in
// some minutes on one is enough (lease.Leases.Every).
func (l *Limiter) Sweep(ctx context.Context) (int64, error) {
	ctx, err := l.db.Independent(ctx)
	if err != nil {
		return 0, fmt.Errorf("sweep rate limits: %w", err)
	}
	ctx = database.WithTenant(ctx, "")
	_, now, err := l.look(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("sweep rate limits: %w", err)
	}
	var total int64
	for {
		result, err := l.db.Exec(ctx, `DELETE FROM rate_limits WHERE tat <= $1 AND key_hash IN
			(SELECT key_hash FROM rate_limits WHERE tat <= $1 ORDER BY tat LIMIT $2)`, now-sweepMargin.Microseconds(), sweepBatch)
		if err != nil {
			return total, fmt.Errorf("sweep rate limits: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return total, fmt.Errorf("sweep rate limits: %w", err)
		}
		total += n
		if n < sweepBatch {
			return total, nil
		}
	}
}
