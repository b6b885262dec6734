package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// sweepBatch is how many rows one statement deletes: few enough not to hold up requests on SQLite's one writer.
const sweepBatch = 500

var _ keyring.SweepStore = (*Store)(nil)

// Sweep implements keyring.SweepStore.
func (s *Store) Sweep(ctx context.Context, tenant string, now, old time.Time) error {
	ctx = database.WithTenant(ctx, tenant)
	for _, statement := range []string{
		`UPDATE import_jobs SET wrapped_key = '' WHERE tenant_id = $1 AND wrapped_key <> '' AND expires_at <= $2`,
		`DELETE FROM restore_recipients WHERE tenant_id = $1 AND expires_at <= $2`,
	} {
		if _, err := s.db.Exec(ctx, statement, tenant, database.Micros(now)); err != nil {
			return fmt.Errorf("sweep wrapping keys: %w", err)
		}
	}
	for {
		result, err := s.db.Exec(ctx, `
			DELETE FROM import_jobs WHERE tenant_id = $1 AND id IN
				(SELECT id FROM import_jobs WHERE tenant_id = $1 AND expires_at <= $2 ORDER BY expires_at LIMIT $3)`,
			tenant, database.Micros(old), int64(sweepBatch))
		if err != nil {
			return fmt.Errorf("sweep import jobs: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n < sweepBatch {
			return err
		}
	}
}
