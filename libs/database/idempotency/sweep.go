package idempotency

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// sweepBatch is how many rows one statement deletes: few enough not to hold up requests on SQLite's one writer.
const sweepBatch = 500

// Sweep deletes the records of all tenants that have expired, in batches, and returns how many. It may run on several replicas at once.
func (r *Runner) Sweep(ctx context.Context) (int64, error) {
	ctx = database.WithTenant(ctx, database.AllTenants)
	now := database.Micros(r.now())
	var total int64
	for {
		result, err := r.db.Exec(ctx, `DELETE FROM idempotency_records WHERE expires_at <= $1 AND (tenant_id, scope_hash) IN
			(SELECT tenant_id, scope_hash FROM idempotency_records WHERE expires_at <= $1 ORDER BY expires_at, tenant_id, scope_hash LIMIT $2)`,
			now, sweepBatch)
		if err != nil {
			return total, fmt.Errorf("sweep idempotency records: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return total, fmt.Errorf("sweep idempotency records: %w", err)
		}
		total += n
		if n < sweepBatch {
			return total, nil
		}
	}
}
