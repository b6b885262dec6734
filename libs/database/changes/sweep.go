package changes

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	// Retention is how long a change can be read. A follower that was away for longer hears that everything may have changed.
	Retention = time.Hour
	// keepNewest is how many changes of each lane stay whatever their age, so that a follower finds the one it read last when others come
	// after a quiet hour.
	keepNewest = 100
	// sweepBatch is how many rows one statement deletes: few enough not to hold up requests on SQLite's one writer.
	sweepBatch = 500
)

// Sweep deletes the changes that are older than [Retention], in batches, and returns how many. It may run on several replicas at once;
// once in some minutes on one is enough (lease.Leases.Every).
func Sweep(ctx context.Context, db *database.DB, now time.Time) (int64, error) {
	var total int64
	for lane := range int64(lanes) {
		for {
			// Within a lane numbers rise with time, so the oldest are found by the primary key.
			result, err := db.Exec(ctx, `DELETE FROM changes WHERE lane = $1 AND seq IN (
				SELECT seq FROM (SELECT seq, at FROM changes WHERE lane = $1
					AND seq <= (SELECT value FROM change_lanes WHERE lane = $1) - $2 ORDER BY seq LIMIT $3) AS oldest
				WHERE at <= $4)`, lane, keepNewest, sweepBatch, database.Micros(now.Add(-Retention)))
			if err != nil {
				return total, fmt.Errorf("sweep changes: %w", err)
			}
			n, err := result.RowsAffected()
			if err != nil {
				return total, fmt.Errorf("sweep changes: %w", err)
			}
			total += n
			if n < sweepBatch {
				break
			}
		}
	}
	return total, nil
}
