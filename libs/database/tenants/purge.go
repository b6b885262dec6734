package tenants

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// purgeBatch is how many rows one statement deletes: few enough not to hold up requests on SQLite's one writer.
const purgeBatch = 500

// keyTable holds the keys that everything else of a tenant is encrypted under. It goes first.
const keyTable = "barrier_keys"

const (
	// beginPurge passes the point of no return, once.
	beginPurge = "UPDATE tenants SET purge_began_at = $2, updated_at = $2, version = version + 1 WHERE id = $1 AND status = 'deleting' AND delete_after <= $2 AND purge_began_at = 0"
	// endPurge leaves the id, so that it is not given out again.
	endPurge = "UPDATE tenants SET status = 'deleted', name = '', delete_after = 0, updated_at = $2, version = version + 1 WHERE id = $1 AND status = 'deleting' AND purge_began_at > 0 AND purge_began_at <= $3"
)

// Purge removes the rows of tenants whose waiting period is over: first the keys of their barrier, without which the rest cannot be read, then
// everything else, in batches. A tenant is deleted when nothing was left to remove and no request of it can be at work any more. Run
// Purge every minute or so, under a lease. It may be cut off at any point and goes on when called again; two at once do no harm.
func (r *Registry) Purge(ctx context.Context) error {
	due, err := r.list(ctx, selectDue, database.Micros(r.cfg.Now()))
	if err != nil {
		return err
	}
	var failed []error
	for _, t := range due {
		if err := r.purge(ctx, t); err != nil { // the others go on
			failed = append(failed, fmt.Errorf("remove tenant %q: %w", t.ID, err))
		}
	}
	return errors.Join(failed...)
}

func (r *Registry) purge(ctx context.Context, t Tenant) error {
	if err := r.change(ctx, t.ID, beginPurge, t.ID, database.Micros(r.cfg.Now())); err != nil {
		return err
	}
	if r.cfg.Forget != nil {
		if err := r.cfg.Forget(ctx, t.ID); err != nil {
			return fmt.Errorf("forget what is held open: %w", err)
		}
	}
	tables, err := r.tables(ctx)
	if err != nil {
		return err
	}
	if err := r.shred(ctx, t.ID, tables); err != nil {
		return err
	}
	if t.Isolation == IsolationSchema {
		if err := r.db.DropTenantSchema(ctx, t.ID); err != nil {
			return err
		}
	}
	for {
		removed, err := r.pass(ctx, t.ID, tables)
		if err != nil {
			return err
		}
		if removed == 0 {
			break // a pass found nothing
		}
		r.cfg.Log.Info("rows of a deleted tenant removed", "tenant", t.ID, "rows", removed)
	}
	now := r.cfg.Now()
	return r.change(ctx, t.ID, endPurge, t.ID, database.Micros(now), database.Micros(now.Add(-r.cfg.Settle)))
}

// change runs a statement that changes the tenant's row, if it has not been run, and notes the change.
func (r *Registry) change(ctx context.Context, id, update string, args ...any) error {
	return r.db.InTx(ctx, func(ctx context.Context) error {
		result, err := r.db.Exec(ctx, update, args...)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return r.note(ctx, id)
	})
}

// shred removes the tenant's keys. On SQLite what they were is overwritten in the file.
func (r *Registry) shred(ctx context.Context, tenant string, tables []table) error {
	at := slices.IndexFunc(tables, func(t table) bool { return t.name == keyTable })
	if at < 0 {
		return nil
	}
	if r.db.Engine() == database.EngineSQLite {
		if _, err := r.db.Exec(ctx, "PRAGMA secure_delete = ON"); err != nil {
			return fmt.Errorf("have deleted keys overwritten: %w", err)
		}
	}
	_, err := r.empty(ctx, tenant, tables[at])
	return err
}

// pass removes what it finds in each table, and returns how many rows that were.
func (r *Registry) pass(ctx context.Context, tenant string, tables []table) (total int64, err error) {
	for _, t := range tables {
		n, err := r.empty(ctx, tenant, t)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// empty removes the tenant's rows from one table.
func (r *Registry) empty(ctx context.Context, tenant string, t table) (total int64, err error) {
	if slices.Contains(r.cfg.Keep, t.name) {
		return 0, nil
	}
	ctx = database.WithTenant(ctx, tenant)
	for {
		result, err := r.db.Exec(ctx, t.deletion, tenant, t.batch)
		if err != nil {
			return total, fmt.Errorf("table %s: %w", t.name, err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return total, err
		}
		total += n
		if n < t.batch {
			return total, nil
		}
	}
}
