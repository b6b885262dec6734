package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	// useInterval is how often the use of one session is written down.
	useInterval = time.Minute
	// maxPending is how many uses wait to be written; more are lost until these are, and such a session seems idle a little longer.
	maxPending = 50_000
)

// uses collects which sessions were used, until they are written together.
type uses struct {
	mu      sync.Mutex
	pending map[string]map[string]struct{} // guarded by mu: ids by tenant
	count   int                            // guarded by mu
}

func newUses() *uses { return &uses{pending: map[string]map[string]struct{}{}} }

// use notes that a session was used, if that was not noted within the last minute.
func (u *uses) use(r *record, now time.Time) {
	last := r.used.Load()
	if now.UnixMicro()-last < useInterval.Microseconds() || !r.used.CompareAndSwap(last, now.UnixMicro()) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count >= maxPending {
		return
	}
	ids := u.pending[r.tenant]
	if ids == nil {
		ids = map[string]struct{}{}
		u.pending[r.tenant] = ids
	}
	if _, there := ids[r.id]; !there {
		ids[r.id] = struct{}{}
		u.count++
	}
}

// take empties the collection.
func (u *uses) take() map[string]map[string]struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.pending
	u.pending, u.count = map[string]map[string]struct{}{}, 0
	return taken
}

// Flush writes the uses that were collected. What cannot be written is dropped: the next use of the session, a minute later, counts again.
func (m *Manager) Flush(ctx context.Context) error {
	now := m.deps.Now()
	for tenant, ids := range m.uses.take() {
		batch := make([]string, 0, useBatch)
		for id := range ids {
			if batch = append(batch, id); len(batch) == useBatch {
				if err := m.writeUses(ctx, tenant, batch, now); err != nil {
					return err
				}
				batch = batch[:0]
			}
		}
		if len(batch) > 0 {
			if err := m.writeUses(ctx, tenant, batch, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// useBatch is how many sessions one statement marks as used.
const useBatch = 16

func (m *Manager) writeUses(ctx context.Context, tenant string, ids []string, now time.Time) error {
	args := make([]any, 2, 2+useBatch)
	args[0], args[1] = tenant, database.Micros(now)
	for i := range useBatch {
		id := ""
		if i < len(ids) {
			id = ids[i]
		}
		args = append(args, id)
	}
	_, err := m.deps.DB.Exec(database.WithTenant(ctx, tenant), `UPDATE sessions SET last_used_at = $2, idle_expires_at = $2 + idle_seconds * 1000000
		WHERE tenant_id = $1 AND last_used_at < $2 AND id IN ($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`, args...)
	if err != nil {
		return fmt.Errorf("write uses of sessions: %w", err)
	}
	return nil
}
