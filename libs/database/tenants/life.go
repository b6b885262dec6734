package tenants

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// One statement per step decides whether it may be taken and takes it. $2 is the version that the caller has seen, $3 the time.
const (
	updateName    = "UPDATE tenants SET version = version + 1, updated_at = $3, name = $4 WHERE id = $1 AND ($2 = 0 OR version = $2) AND status IN ('active', 'suspended') RETURNING " + columns
	updateSuspend = "UPDATE tenants SET version = version + 1, updated_at = $3, status = 'suspended' WHERE id = $1 AND ($2 = 0 OR version = $2) AND status = 'active' RETURNING " + columns
	updateResume  = "UPDATE tenants SET version = version + 1, updated_at = $3, status = 'active' WHERE id = $1 AND ($2 = 0 OR version = $2) AND status = 'suspended' RETURNING " + columns
	updateDelete  = "UPDATE tenants SET version = version + 1, updated_at = $3, status = 'deleting', delete_after = $4 WHERE id = $1 AND ($2 = 0 OR version = $2) AND status IN ('active', 'suspended') RETURNING " + columns
	updateRestore = "UPDATE tenants SET version = version + 1, updated_at = $3, status = 'suspended', delete_after = 0 WHERE id = $1 AND ($2 = 0 OR version = $2) AND status = 'deleting' AND purge_began_at = 0 RETURNING " + columns
)

// Rename changes the display name. In this and what follows, version is the one that the caller has seen, 0 for any; another one in the
// table is [ErrStale]. A tenant that is being deleted is in the wrong state, [ErrState].
func (r *Registry) Rename(ctx context.Context, id, name string, version int64) (Tenant, error) {
	if len(name) > maxName {
		return Tenant{}, ErrInvalid
	}
	return r.step(ctx, "rename", updateName, id, version, name)
}

// Suspend has all requests of the tenant refused, on every replica within a second.
func (r *Registry) Suspend(ctx context.Context, id string, version int64) (Tenant, error) {
	if id == Default {
		return Tenant{}, ErrDefault
	}
	return r.step(ctx, "suspend", updateSuspend, id, version)
}

// Resume ends a suspension.
func (r *Registry) Resume(ctx context.Context, id string, version int64) (Tenant, error) {
	return r.step(ctx, "resume", updateResume, id, version)
}

// Delete has all requests of the tenant refused, and its rows removed when the waiting period is over.
func (r *Registry) Delete(ctx context.Context, id string, version int64) (Tenant, error) {
	if id == Default {
		return Tenant{}, ErrDefault
	}
	return r.step(ctx, "delete", updateDelete, id, version, database.Micros(r.cfg.Now().Add(r.cfg.Wait)))
}

// Restore calls a deleting tenant back, as a suspended one; [ErrState] once its rows are being removed.
func (r *Registry) Restore(ctx context.Context, id string, version int64) (Tenant, error) {
	return r.step(ctx, "restore", updateRestore, id, version)
}

// step runs one of the statements above and notes the change, in the caller's transaction if there is one.
func (r *Registry) step(ctx context.Context, verb, update, id string, version int64, more ...any) (t Tenant, err error) {
	err = r.db.InTx(ctx, func(ctx context.Context) error {
		args := append([]any{id, version, database.Micros(r.cfg.Now())}, more...)
		t, err = scan(r.db.QueryRow(ctx, update, args...))
		if errors.Is(err, sql.ErrNoRows) {
			return r.refusal(ctx, id, version)
		}
		if err != nil {
			return err
		}
		return r.note(ctx, id)
	})
	if err != nil {
		return Tenant{}, fmt.Errorf("%s tenant %q: %w", verb, id, err)
	}
	return t, nil
}

// refusal is why a step was not taken.
func (r *Registry) refusal(ctx context.Context, id string, version int64) error {
	t, err := r.Get(ctx, id)
	switch {
	case err != nil:
		return err
	case version != 0 && t.Version != version:
		return ErrStale
	default:
		return ErrState
	}
}
