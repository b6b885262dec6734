package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Binding gives a role to somebody.
type Binding struct {
	ID string
	// RoleID is the role's id; the name of a built-in role.
	RoleID string
	// SubjectKind is a kind of principals.
	SubjectKind, SubjectID string
	CreatedAt              time.Time
}

// Bind gives a role, by its id or name, to somebody.
func (d *Directory) Bind(ctx context.Context, by *server.Principal, roleRef, subjectKind, subjectID string) (Binding, error) {
	id, err := newID()
	if err != nil {
		return Binding{}, err
	}
	b := Binding{ID: id, SubjectKind: subjectKind, SubjectID: subjectID, CreatedAt: d.cfg.Now()}
	err = d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		role, err := d.FindRole(ctx, by.Tenant, roleRef)
		if err == nil {
			err = d.mayBind(ctx, by, role.ID)
		}
		if err == nil {
			_, err = d.ownScopes(ctx, by.Tenant, subjectKind, subjectID) // it exists
		}
		if err != nil {
			return Event{}, nil, err
		}
		b.RoleID = role.ID
		result, err := d.db.Exec(ctx, `
			INSERT INTO auth_role_bindings (tenant_id, id, role_id, subject_kind, subject_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant_id, subject_kind, subject_id, role_id) DO NOTHING`,
			by.Tenant, b.ID, role.ID, subjectKind, subjectID, database.Micros(b.CreatedAt))
		if err := one(result, err, func() error { return taken("place: the subject has the role, which") }); err != nil {
			return Event{}, nil, fmt.Errorf("bind role: %w", err)
		}
		return Event{Action: "role.bind", By: by, ObjectKind: subjectKind, ObjectID: subjectID, Scopes: role.Scopes}, subjectNote(by.Tenant, subjectKind, subjectID), nil
	})
	return b, err
}

// Unbind takes a role away. The caller must have what comes with it.
func (d *Directory) Unbind(ctx context.Context, by *server.Principal, id string) error {
	return d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		b, err := d.Binding(ctx, by.Tenant, id)
		if err == nil {
			err = d.mayBind(ctx, by, b.RoleID)
		}
		if err != nil {
			return Event{}, nil, err
		}
		result, err := d.db.Exec(ctx, "DELETE FROM auth_role_bindings WHERE tenant_id = $1 AND id = $2", by.Tenant, id)
		if err := one(result, err, notFound); err != nil {
			return Event{}, nil, fmt.Errorf("unbind role: %w", err)
		}
		return Event{Action: "role.unbind", By: by, ObjectKind: b.SubjectKind, ObjectID: b.SubjectID}, subjectNote(by.Tenant, b.SubjectKind, b.SubjectID), nil
	})
}

// subjectNote says that an account has changed.
func subjectNote(tenant, kind, id string) []note {
	return []note{{tenant, map[string]string{server.KindUser: kindUser, server.KindClient: kindClient, server.KindAPIToken: kindToken}[kind], id}}
}

const selectBindings = "SELECT id, role_id, subject_kind, subject_id, created_at FROM auth_role_bindings WHERE tenant_id = $1"

func scanBinding(r database.Scanner) (Binding, error) {
	var b Binding
	var created int64
	err := r.Scan(&b.ID, &b.RoleID, &b.SubjectKind, &b.SubjectID, &created)
	b.CreatedAt = database.Time(created)
	return b, err
}

// Binding returns a binding; not_found.
func (d *Directory) Binding(ctx context.Context, tenant, id string) (Binding, error) {
	b, err := scanBinding(d.db.QueryRow(database.WithTenant(ctx, tenant), selectBindings+" AND id = $2", tenant, id))
	if err != nil {
		return Binding{}, missing(fmt.Errorf("read binding: %w", err))
	}
	return b, nil
}

// Bindings lists bindings, those of a role's id or of a subject if these are given, in the order of their ids after the one given.
func (d *Directory) Bindings(ctx context.Context, tenant, roleID, subjectID, after string, limit int) ([]Binding, error) {
	rows, err := d.db.Query(database.WithTenant(ctx, tenant),
		selectBindings+" AND id > $2 AND ($3 = '' OR role_id = $3) AND ($4 = '' OR subject_id = $4) ORDER BY id LIMIT $5",
		tenant, after, roleID, subjectID, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list bindings: %w", err)
	}
	bindings, err := database.Collect(rows, scanBinding)
	if err != nil {
		return nil, fmt.Errorf("list bindings: %w", err)
	}
	return bindings, nil
}
