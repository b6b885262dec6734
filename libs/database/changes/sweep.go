package changes

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// Retention is how long a change can be read. A follower that was away for longer hears that everything may have changed.
const Retention = time.Hour

// Sweep deletes the changes that are older than [Retention], in batches, and returns how many. It may run on several replicas at once; once in
// some minutes on one is enough (lease.Leases.Every).
func Sweep(ctx context.Context, db *database.DB, now time.Time) (int64, error) {
	return 0, nil
}
