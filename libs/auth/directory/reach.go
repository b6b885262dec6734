package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// maxScopes bounds one list of scopes.
const maxScopes = 64

// mayGive tells whether the caller may hand these scopes to somebody: he has all of them himself, for every resource.
func (d *Directory) mayGive(by *server.Principal, pointer string, scopes []string) error {
	if len(scopes) > maxScopes {
		return invalid(pointer, fmt.Sprintf("must hold at most %d items", maxScopes))
	}
	if slices.ContainsFunc(scopes, func(scope string) bool { return !auth.ValidScope(scope) }) {
		return invalid(pointer, "a scope is written product:action")
	}
	if slices.ContainsFunc(scopes, func(scope string) bool { return !auth.Holds(by.Scopes, scope) }) {
		return exceeds()
	}
	return nil
}

// mayControl tells whether the caller may get hold of an account, as by a new secret, or decide over it: he has everything that it has.
func (d *Directory) mayControl(ctx context.Context, by *server.Principal, kind, id string) error {
	scopes, err := d.reach(ctx, by.Tenant, kind, id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(scopes, func(scope string) bool { return !auth.Holds(by.Scopes, scope) }) {
		return exceeds()
	}
	return nil
}

// reach is every scope that comes with an account: its own, those of its roles, and those of grants to it and to its roles, for whatever
// resource. The account must exist.
func (d *Directory) reach(ctx context.Context, tenant, kind, id string) ([]string, error) {
	own, err := d.ownScopes(ctx, tenant, kind, id)
	if err != nil {
		return nil, err
	}
	roles, err := d.roleIDs(ctx, tenant, kind, id)
	if err != nil {
		return nil, err
	}
	granted, err := d.grantedScopes(ctx, tenant, kind, id)
	if err != nil {
		return nil, err
	}
	scopes := slices.Concat(own, granted)
	for _, role := range roles {
		more, err := d.roleReach(ctx, tenant, role)
		if err != nil {
			return nil, err
		}
		scopes = append(scopes, more...)
	}
	return scopes, nil
}

// roleReach is every scope that comes with a role; none for one that has gone.
func (d *Directory) roleReach(ctx context.Context, tenant, id string) ([]string, error) {
	var scopes []string
	if role := d.roles[id]; role != nil {
		scopes = slices.Clone(role.Scopes)
	} else {
		role, err := d.loadRole(ctx, tenant, id)
		if err != nil {
			return nil, err
		}
		if role != nil {
			scopes = slices.Clone(role.Scopes)
		}
	}
	granted, err := d.grantedScopes(ctx, tenant, auth.SubjectRole, id)
	return append(scopes, granted...), err
}

func (d *Directory) ownScopes(ctx context.Context, tenant, kind, id string) ([]string, error) {
	var text string
	var err error
	switch kind {
	case server.KindUser:
		err = d.db.QueryRow(ctx, "SELECT '' FROM auth_users WHERE tenant_id = $1 AND id = $2", tenant, id).Scan(&text)
	case server.KindClient:
		err = d.db.QueryRow(ctx, "SELECT scopes FROM auth_clients WHERE tenant_id = $1 AND id = $2", tenant, id).Scan(&text)
	case server.KindAPIToken:
		err = d.db.QueryRow(ctx, "SELECT scopes FROM auth_api_tokens WHERE tenant_id = $1 AND id = $2", tenant, id).Scan(&text)
	default:
		return nil, notFound()
	}
	if err != nil {
		return nil, missing(fmt.Errorf("read scopes of %s: %w", kind, err))
	}
	return splitScopes(text), nil
}

// grantedScopes are those of all grants to a subject.
func (d *Directory) grantedScopes(ctx context.Context, tenant, kind, id string) ([]string, error) {
	texts, err := d.column(ctx, "SELECT scopes FROM auth_grants WHERE tenant_id = $1 AND subject_kind = $2 AND subject_id = $3", tenant, kind, id)
	if err != nil {
		return nil, fmt.Errorf("read granted scopes: %w", err)
	}
	var scopes []string
	for _, text := range texts {
		scopes = append(scopes, splitScopes(text)...)
	}
	return scopes, nil
}

// roleIDs are the roles of a subject.
func (d *Directory) roleIDs(ctx context.Context, tenant, kind, id string) ([]string, error) {
	ids, err := d.column(ctx, `
		SELECT role_id FROM auth_role_bindings WHERE tenant_id = $1 AND subject_kind = $2 AND subject_id = $3 ORDER BY role_id`, tenant, kind, id)
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	return ids, nil
}

// column reads a column of texts.
func (d *Directory) column(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := d.db.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return database.Collect(rows, func(r database.Scanner) (string, error) {
		var text string
		err := r.Scan(&text)
		return text, err
	})
}

// one demands that a statement has changed a row; otherwise the error is that of none.
func one(result sql.Result, err error, none func() error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = none()
	}
	return err
}

// end has the sessions of a principal ended.
func (d *Directory) end(ctx context.Context, tenant, kind, id string) error {
	if d.cfg.End == nil {
		return nil
	}
	if err := d.cfg.End(ctx, tenant, kind, id); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// drop removes what hangs on an account that is deleted.
func (d *Directory) drop(ctx context.Context, tenant, kind, id string) error {
	_, bindings := d.db.Exec(ctx, "DELETE FROM auth_role_bindings WHERE tenant_id = $1 AND subject_kind = $2 AND subject_id = $3", tenant, kind, id)
	if bindings != nil {
		return fmt.Errorf("drop roles: %w", bindings)
	}
	_, grants := d.db.Exec(ctx, "DELETE FROM auth_grants WHERE tenant_id = $1 AND subject_kind = $2 AND subject_id = $3", tenant, kind, id)
	if grants != nil {
		return fmt.Errorf("drop grants: %w", grants)
	}
	return errors.Join(d.end(ctx, tenant, kind, id))
}
