package barrierstore

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// Tenants returns up to limit tenants that have keys, in order, from the first one after the given one.
func (s *Store) Tenants(ctx context.Context, after string, limit int) (tenants []string, err error) {
	rows, err := s.db.Query(bind(ctx, ""), `SELECT DISTINCT tenant_id FROM barrier_keys
		WHERE tenant_id > $1 AND level = 'intermediate' ORDER BY tenant_id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list tenants with keys of the barrier: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err says what went wrong
	for rows.Next() {
		var tenant string
		if err := rows.Scan(&tenant); err != nil {
			return nil, fmt.Errorf("list tenants with keys of the barrier: %w", err)
		}
		tenants = append(tenants, tenant)
	}
	return tenants, rows.Err()
}

// The conditions under which keys are removed. $1 is the time by which a newer version must have been there.
const (
	superseded = `EXISTS (SELECT 1 FROM barrier_keys n WHERE n.tenant_id = barrier_keys.tenant_id AND n.level = barrier_keys.level
		AND n.version > barrier_keys.version AND n.created_at <= $1)`
	childless = `NOT EXISTS (SELECT 1 FROM barrier_keys c WHERE c.parent_id = barrier_keys.id)`

	retireContents      = "DELETE FROM barrier_keys WHERE level = 'content' AND " + superseded
	retireIntermediates = "DELETE FROM barrier_keys WHERE level = 'intermediate' AND " + superseded + " AND " + childless
	// The oldest root key is kept: keys are derived from it (barrier.Barrier.DeriveKey). While a rekeying is staged there are none to remove.
	retireRoots = "DELETE FROM barrier_keys WHERE level = 'root' AND " + superseded + " AND " + childless + `
		AND version > (SELECT MIN(o.version) FROM barrier_keys o WHERE o.level = 'root') AND NOT EXISTS (SELECT 1 FROM barrier_rekeys)`
)

// Retired counts removed keys by level.
type Retired struct {
	Roots, Intermediates, Contents int64
}

// Retire removes keys that were superseded by the given time and that wrap no other key: intermediate ones, and root ones but the oldest.
// With contents it removes superseded content keys too, which the caller knows to wrap no value any more: values under
// them would be lost. The time must be long enough ago that no replica wraps under what was superseded then.
func (s *Store) Retire(ctx context.Context, before time.Time, contents bool) (retired Retired, err error) {
	type step struct {
		query string
		count *int64
	}
	var steps []step // from below, so that what loses its last child goes too
	if contents {
		steps = append(steps, step{retireContents, &retired.Contents})
	}
	steps = append(steps, step{retireIntermediates, &retired.Intermediates}, step{retireRoots, &retired.Roots})
	err = s.change(ctx, func(ctx context.Context) error {
		for _, step := range steps {
			result, err := s.db.Exec(ctx, step.query, database.Micros(before))
			if err != nil {
				return err
			}
			if *step.count, err = result.RowsAffected(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Retired{}, fmt.Errorf("retire keys of the barrier: %w", err)
	}
	return retired, nil
}
