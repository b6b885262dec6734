package tenants

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// Create adds an active tenant. With [IsolationSchema] its schema must be there first: outside a transaction Create makes it, in the
// caller's transaction [Registry.Prepare] must have done so before. The errors are [ErrInvalid], [ErrExists], and those of Prepare.
func (r *Registry) Create(ctx context.Context, id, name string, isolation Isolation) (Tenant, error) {
	if !slug.MatchString(id) || len(name) > maxName || (isolation != IsolationRow && isolation != IsolationSchema) {
		return Tenant{}, ErrInvalid
	}
	if isolation == IsolationSchema {
		if err := r.schemaFor(ctx, id); err != nil {
			return Tenant{}, err
		}
	}
	now := database.Time(database.Micros(r.cfg.Now()))
	t := Tenant{ID: id, Name: name, Status: StatusActive, Isolation: isolation, CreatedAt: now, UpdatedAt: now, Version: 1}
	err := r.db.InTx(ctx, func(ctx context.Context) error {
		added, err := r.insert(ctx, t)
		if err != nil {
			return err
		}
		if !added {
			return ErrExists
		}
		return r.note(ctx, id)
	})
	if err != nil {
		return Tenant{}, fmt.Errorf("create tenant %q: %w", id, err)
	}
	return t, nil
}

// schemaFor sees to it that the schema is there.
func (r *Registry) schemaFor(ctx context.Context, id string) error {
	if _, err := r.db.Independent(ctx); err == nil {
		return r.Prepare(ctx, id)
	}
	ready, err := r.db.TenantSchemaReady(ctx, id, r.cfg.Sets...)
	if err != nil {
		return fmt.Errorf("create tenant %q: %w", id, err)
	}
	if !ready {
		return fmt.Errorf("create tenant %q: its schema is not prepared: %w", id, ErrState)
	}
	return nil
}

// Prepare makes and migrates the schema of a tenant that is about to be created with [IsolationSchema]. It may be cut off, and repeated.
// The errors are [ErrExists], [ErrLimit] and [ErrSchemaUnsupported].
func (r *Registry) Prepare(ctx context.Context, id string) error {
	if !slug.MatchString(id) {
		return ErrInvalid
	}
	if !r.db.TenantSchemas() {
		return ErrSchemaUnsupported
	}
	exists, err := r.exists(ctx, id)
	if err != nil {
		return fmt.Errorf("prepare tenant %q: %w", id, err)
	}
	if exists {
		return ErrExists
	}
	if err := r.db.CreateTenantSchema(ctx, id, r.cfg.Sets...); err != nil {
		return schemaError(err)
	}
	return nil
}

// Import adds those of the tenants that are absent, with row isolation, and the default one; it changes none. The map is from id to
// display name, which may be empty. A deleted tenant stays deleted.
func (r *Registry) Import(ctx context.Context, names map[string]string) error {
	all := map[string]string{Default: ""}
	maps.Copy(all, names)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if err := r.importOne(ctx, id, all[id]); err != nil {
			return fmt.Errorf("import tenant %q: %w", id, err)
		}
	}
	return nil
}

func (r *Registry) importOne(ctx context.Context, id, name string) error {
	if !slug.MatchString(id) || len(name) > maxName {
		return ErrInvalid
	}
	exists, err := r.exists(ctx, id) // most often all are there, and nothing is written
	if err != nil {
		return err
	}
	if exists {
		if _, err := r.Get(ctx, id); err != nil {
			r.cfg.Log.Warn("a tenant that was deleted is not imported", "tenant", id, "error", err)
		}
		return nil
	}
	now := database.Time(database.Micros(r.cfg.Now()))
	t := Tenant{ID: id, Name: name, Status: StatusActive, Isolation: IsolationRow, CreatedAt: now, UpdatedAt: now, Version: 1}
	return r.db.InTx(ctx, func(ctx context.Context) error {
		added, err := r.insert(ctx, t)
		if err != nil || !added {
			return err
		}
		return r.note(ctx, id)
	})
}
