package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// ResourceGrants are the grants on single resources of one kind, for the domain that has these resources. Who may do what, and what goes to
// the audit trail, is the domain's to decide but for one rule: nobody gives away what he does not have.
type ResourceGrants struct {
	d    *Directory
	kind string
}

// On returns the grants on resources of a kind.
func (d *Directory) On(kind string) *ResourceGrants { return &ResourceGrants{d: d, kind: kind} }

// Create adds a grant on a resource, which is given by its id. The caller must have its scopes for every resource.
func (r *ResourceGrants) Create(ctx context.Context, by *server.Principal, g Grant) (Grant, error) {
	g.Kind, g.Prefix = r.kind, false
	return r.d.createGrant(ctx, by, g, func(Grant) Event { return Event{} })
}

// List lists up to limit grants on a resource in the order of their ids, after the one given.
func (r *ResourceGrants) List(ctx context.Context, tenant, resource, after string, limit int) ([]Grant, error) {
	rows, err := r.d.db.Query(database.WithTenant(ctx, tenant),
		selectGrants+" AND resource_kind = $2 AND resource = $3 AND id > $4 AND NOT by_prefix ORDER BY id LIMIT $5", tenant, r.kind, resource, after, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list grants on a resource: %w", err)
	}
	return database.Collect(rows, scanGrant)
}

// Get returns a grant on a resource; not_found.
func (r *ResourceGrants) Get(ctx context.Context, tenant, resource, id string) (Grant, error) {
	g, err := scanGrant(r.d.db.QueryRow(database.WithTenant(ctx, tenant),
		selectGrants+" AND resource_kind = $2 AND resource = $3 AND id = $4 AND NOT by_prefix", tenant, r.kind, resource, id))
	if err != nil {
		return Grant{}, missing(fmt.Errorf("read grant on a resource: %w", err))
	}
	return g, nil
}

// Delete takes a grant on a resource back and returns it; not_found. It asks for no scopes: whoever may decide about the resource may end
// what others do to it.
func (r *ResourceGrants) Delete(ctx context.Context, tenant, resource, id string) (g Grant, err error) {
	err = r.d.change(ctx, tenant, func(ctx context.Context) (Event, []note, error) {
		g, err = scanGrant(r.d.db.QueryRow(ctx, `
			DELETE FROM auth_grants WHERE tenant_id = $1 AND resource_kind = $2 AND resource = $3 AND id = $4 AND NOT by_prefix
			RETURNING `+grantColumns, tenant, r.kind, resource, id))
		if errors.Is(err, sql.ErrNoRows) {
			return Event{}, nil, notFound()
		}
		if err != nil {
			return Event{}, nil, fmt.Errorf("delete grant on a resource: %w", err)
		}
		return Event{}, grantNotes(tenant, g), nil
	})
	return g, err
}

// Clear takes all grants on a resource back, which has ended.
func (r *ResourceGrants) Clear(ctx context.Context, tenant, resource string) error {
	return r.d.change(ctx, tenant, func(ctx context.Context) (Event, []note, error) {
		rows, err := r.d.db.Query(ctx, `
			DELETE FROM auth_grants WHERE tenant_id = $1 AND resource_kind = $2 AND resource = $3 AND NOT by_prefix
			RETURNING `+grantColumns, tenant, r.kind, resource)
		if err != nil {
			return Event{}, nil, fmt.Errorf("delete grants on a resource: %w", err)
		}
		gone, err := database.Collect(rows, scanGrant)
		if err != nil {
			return Event{}, nil, fmt.Errorf("delete grants on a resource: %w", err)
		}
		var notes []note
		for _, g := range gone {
			notes = append(notes, grantNotes(tenant, g)...)
		}
		return Event{}, notes, nil
	})
}

// MayRetire tells whether the principal may give the grant up: it is the grant's subject, or the one that the grant names for that. The
// holder of a role does not do that for all others. Ids are those of the directory; another realm's may be spelled like them.
func (g Grant) MayRetire(p *server.Principal) bool {
	if p.Realm != RealmName || p.Narrowed {
		return false
	}
	subject := g.SubjectKind != auth.SubjectRole && g.SubjectKind == p.Kind && g.SubjectID == p.ID
	return subject || g.RetiringKind != "" && g.RetiringKind == p.Kind && g.RetiringID == p.ID
}
