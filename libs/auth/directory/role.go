package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Role is a bundle of scopes.
type Role struct {
	// ID is a UUID, or the name of a built-in role. Name is unique in the tenant.
	ID, Name, Description string
	Scopes                []string
	// BuiltIn roles are every tenant's and do not change.
	BuiltIn   bool
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// CreateRole adds a role.
func (d *Directory) CreateRole(ctx context.Context, by *server.Principal, role Role) (Role, error) {
	if err := d.mayGive(by, "/scopes", role.Scopes); err != nil {
		return Role{}, err
	}
	if d.roles[role.Name] != nil {
		return Role{}, taken("name")
	}
	var err error
	if role.ID, err = newID(); err != nil {
		return Role{}, err
	}
	now := d.cfg.Now()
	role.Version, role.CreatedAt, role.UpdatedAt = 1, now, now
	err = d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		result, err := d.db.Exec(ctx, `
			INSERT INTO auth_roles (tenant_id, id, name, description, scopes, version, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, 1, $6, $6) ON CONFLICT (tenant_id, name) DO NOTHING`,
			by.Tenant, role.ID, role.Name, role.Description, joinScopes(role.Scopes), database.Micros(now))
		if err := one(result, err, func() error { return taken("name") }); err != nil {
			return Event{}, nil, fmt.Errorf("insert role: %w", err)
		}
		return Event{Action: "role.create", By: by, ObjectKind: "role", ObjectID: role.ID, Scopes: role.Scopes}, []note{{by.Tenant, kindRole, role.ID}}, nil
	})
	if err != nil {
		return Role{}, err
	}
	return role, nil
}

const selectRoles = "SELECT id, name, description, scopes, version, created_at, updated_at FROM auth_roles WHERE tenant_id = $1"

func scanRole(r database.Scanner) (Role, error) {
	var role Role
	var scopes string
	var created, updated int64
	err := r.Scan(&role.ID, &role.Name, &role.Description, &scopes, &role.Version, &created, &updated)
	role.Scopes, role.CreatedAt, role.UpdatedAt = splitScopes(scopes), database.Time(created), database.Time(updated)
	return role, err
}

// FindRole returns a role by its id or name; not_found.
func (d *Directory) FindRole(ctx context.Context, tenant, ref string) (Role, error) {
	if built := d.roles[ref]; built != nil {
		return Role{ID: built.ID, Name: built.Name, Scopes: built.Scopes, BuiltIn: true}, nil
	}
	ctx = database.WithTenant(ctx, tenant)
	query := selectRoles + " AND name = $2"
	if isID(ref) {
		query = selectRoles + " AND id = $2"
	}
	role, err := scanRole(d.db.QueryRow(ctx, query, tenant, ref))
	if err != nil {
		return Role{}, missing(fmt.Errorf("read role: %w", err))
	}
	return role, nil
}

// Roles lists the tenant's roles in the order of their ids after the one given; before the first page stand the built-in ones.
func (d *Directory) Roles(ctx context.Context, tenant, after string, limit int) ([]Role, error) {
	ctx = database.WithTenant(ctx, tenant)
	rows, err := d.db.Query(ctx, selectRoles+" AND id > $2 ORDER BY id LIMIT $3", tenant, after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list roles: %w", err)
	}
	roles, err := database.Collect(rows, scanRole)
	if err != nil {
		return nil, fmt.Errorf("list roles: %w", err)
	}
	return roles, nil
}

// BuiltIn returns the roles that every tenant has, by name.
func (d *Directory) BuiltIn() []Role {
	roles := make([]Role, 0, len(d.roles))
	for _, role := range d.roles {
		roles = append(roles, Role{ID: role.ID, Name: role.Name, Scopes: role.Scopes, BuiltIn: true})
	}
	slices.SortFunc(roles, func(a, b Role) int { return strings.Compare(a.Name, b.Name) })
	return roles
}

// UpdateRole changes a role whose version is the given one. The caller must have the scopes that it had and those that it gets.
func (d *Directory) UpdateRole(ctx context.Context, by *server.Principal, ref string, version int64, edit func(*Role) error) (Role, error) {
	var role Role
	err := d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		was, err := d.ownRole(ctx, by, ref)
		if err != nil {
			return Event{}, nil, err
		}
		role = was
		if err := edit(&role); err != nil {
			return Event{}, nil, err
		}
		if d.roles[role.Name] != nil {
			return Event{}, nil, taken("name")
		}
		if err := d.mayGive(by, "/scopes", role.Scopes); err != nil {
			return Event{}, nil, err
		}
		role.Version, role.UpdatedAt = version+1, d.cfg.Now()
		result, err := d.db.Exec(ctx, `
			UPDATE auth_roles SET name = $4, description = $5, scopes = $6, version = version + 1, updated_at = $7
			WHERE tenant_id = $1 AND id = $2 AND version = $3
				AND NOT EXISTS (SELECT 1 FROM auth_roles o WHERE o.tenant_id = $1 AND o.name = $4 AND o.id <> $2)`,
			by.Tenant, was.ID, version, role.Name, role.Description, joinScopes(role.Scopes), database.Micros(role.UpdatedAt))
		if err := one(result, err, func() error { return staleOrTaken(was.Version, version) }); err != nil {
			return Event{}, nil, fmt.Errorf("update role: %w", conflicting(err))
		}
		return Event{Action: "role.update", By: by, ObjectKind: "role", ObjectID: was.ID, Scopes: role.Scopes}, []note{{by.Tenant, kindRole, was.ID}}, nil
	})
	return role, err
}

// ownRole is a role that the caller may change.
func (d *Directory) ownRole(ctx context.Context, by *server.Principal, ref string) (Role, error) {
	role, err := d.FindRole(ctx, by.Tenant, ref)
	if err != nil {
		return Role{}, err
	}
	if role.BuiltIn {
		return Role{}, problem.New(problem.InvalidState, "a built-in role does not change")
	}
	return role, d.mayBind(ctx, by, role.ID)
}

// mayBind tells whether the caller has everything that comes with a role.
func (d *Directory) mayBind(ctx context.Context, by *server.Principal, role string) error {
	scopes, err := d.roleReach(ctx, by.Tenant, role)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(scopes, func(scope string) bool { return !auth.Holds(by.Scopes, scope) }) {
		return exceeds()
	}
	return nil
}

// DeleteRole removes a role that nobody has.
func (d *Directory) DeleteRole(ctx context.Context, by *server.Principal, ref string) error {
	return d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		role, err := d.ownRole(ctx, by, ref)
		if err != nil {
			return Event{}, nil, err
		}
		result, err := d.db.Exec(ctx, `
			DELETE FROM auth_roles WHERE tenant_id = $1 AND id = $2
				AND NOT EXISTS (SELECT 1 FROM auth_role_bindings b WHERE b.tenant_id = $1 AND b.role_id = $2)`, by.Tenant, role.ID)
		if err := one(result, err, func() error { return problem.New(problem.Conflict, "somebody has the role") }); err != nil {
			return Event{}, nil, fmt.Errorf("delete role: %w", err)
		}
		if _, err := d.db.Exec(ctx, "DELETE FROM auth_grants WHERE tenant_id = $1 AND subject_kind = $2 AND subject_id = $3",
			by.Tenant, auth.SubjectRole, role.ID); err != nil {
			return Event{}, nil, fmt.Errorf("drop grants: %w", err)
		}
		return Event{Action: "role.delete", By: by, ObjectKind: "role", ObjectID: role.ID},
			[]note{{by.Tenant, kindRole, role.ID}, {by.Tenant, kindGrants, auth.SubjectRole + " " + role.ID}}, nil
	})
}

// loadRole returns nil for one that does not exist.
func (d *Directory) loadRole(ctx context.Context, tenant, id string) (*auth.Role, error) {
	role, err := scanRole(d.db.QueryRow(ctx, selectRoles+" AND id = $2", tenant, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // a fact: there is none
	}
	if err != nil {
		return nil, fmt.Errorf("load role: %w", err)
	}
	return &auth.Role{ID: role.ID, Name: role.Name, Scopes: role.Scopes}, nil
}
