package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
)

const (
	// flushInterval is how long a use waits to be written.
	flushInterval = 5 * time.Second
	// sweepInterval is how often expired rows are removed, by one replica.
	sweepInterval = 5 * time.Minute
	// sweepBatch is how many rows one statement removes.
	sweepBatch = 500
	// idleSlack is how much later than its end an idle session is removed: uses may not be written yet.
	idleSlack = useInterval + 2*flushInterval
	// ownersKept is how long the last end of all sessions of a principal is remembered; no authentication takes that long.
	ownersKept = 24 * time.Hour
	// sweepLease is the name of the lease.
	sweepLease = "session/sweep"
	// flushTimeout bounds the last write at the end.
	flushTimeout = 5 * time.Second
)

// Run writes uses and sweeps what has expired until ctx ends; then it writes the last uses.
func (m *Manager) Run(ctx context.Context) error {
	if err := m.enterMode(ctx); err != nil && ctx.Err() == nil {
		m.deps.Log.ErrorContext(ctx, "session mode", "error", err)
	}
	var group sync.WaitGroup
	var swept error
	group.Go(func() { swept = m.deps.Leases.Every(ctx, sweepLease, sweepInterval, m.Sweep) })
	group.Go(func() { m.flushUntil(ctx) })
	group.Wait()
	return swept
}

func (m *Manager) flushUntil(ctx context.Context) {
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			m.flushLast(ctx)
			return
		case <-ticker.C:
		}
		if err := m.Flush(ctx); err != nil && ctx.Err() == nil {
			m.deps.Log.WarnContext(ctx, "uses of sessions are not written", "error", err)
		}
	}
}

func (m *Manager) flushLast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := m.Flush(ctx); err != nil {
		m.deps.Log.WarnContext(ctx, "last uses of sessions are lost", "error", err)
	}
}

// Sweep removes expired sessions, owners without sessions, and keys that no session in force can have been made with, in batches.
func (m *Manager) Sweep(ctx context.Context) error {
	ctx = database.WithTenant(ctx, database.AllTenants)
	now := m.deps.Now()
	removed, err := m.sweep(ctx, `DELETE FROM sessions WHERE (expires_at <= $1 OR idle_expires_at <= $2) AND (tenant_id, id) IN
		(SELECT tenant_id, id FROM sessions WHERE expires_at <= $1 OR idle_expires_at <= $2 LIMIT $3)`,
		database.Micros(now), database.Micros(now.Add(-idleSlack)), sweepBatch)
	if err == nil {
		_, err = m.sweep(ctx, `DELETE FROM session_owners WHERE changed_at <= $1 AND (tenant_id, kind, principal_id) IN
			(SELECT tenant_id, kind, principal_id FROM session_owners WHERE changed_at <= $1 LIMIT $2)`,
			database.Micros(now.Add(-ownersKept)), sweepBatch)
	}
	if err == nil {
		err = m.sweepKeys(ctx, now)
	}
	if err != nil {
		return fmt.Errorf("sweep sessions: %w", err)
	}
	if removed > 0 {
		m.deps.Log.InfoContext(ctx, "swept sessions", "removed", removed)
	}
	return nil
}

// sweep repeats a statement that removes a batch until it finds no more.
func (m *Manager) sweep(ctx context.Context, statement string, args ...any) (total int64, err error) {
	for {
		result, err := m.deps.DB.Exec(ctx, statement, args...)
		if err != nil {
			return total, err
		}
		removed, err := result.RowsAffected()
		if total += removed; err != nil || removed < sweepBatch {
			return total, err
		}
	}
}

// sweepKeys removes keys whose successor is older than any session can be.
func (m *Manager) sweepKeys(ctx context.Context, now time.Time) error {
	return m.deps.DB.InTx(ctx, func(ctx context.Context) error {
		rows, err := m.deps.DB.Query(ctx, `DELETE FROM session_keys WHERE EXISTS (SELECT 1 FROM session_keys AS next WHERE next.tenant_id = session_keys.tenant_id
			AND next.format = session_keys.format AND next.version > session_keys.version AND next.created_at <= $1) RETURNING tenant_id`,
			database.Micros(now.Add(-maxLifetime)))
		if err != nil {
			return err
		}
		defer rows.Close()
		tenants := map[string]bool{}
		for rows.Next() {
			var tenant string
			if err := rows.Scan(&tenant); err != nil {
				return err
			}
			tenants[tenant] = true
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for tenant := range tenants {
			if err := changes.Note(ctx, m.deps.DB, tenant, changeKey, ""); err != nil {
				return err
			}
		}
		return nil
	})
}
