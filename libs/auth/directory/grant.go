package directory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

var _ auth.GrantSource = (*Directory)(nil)

// MaxGrants bounds the grants of one subject.
const MaxGrants = 1000

// Grant gives somebody, or a role, scopes for some resources only.
type Grant struct {
	auth.Grant

	ID                     string
	SubjectKind, SubjectID string // a kind of principals or auth.SubjectRole, and an id
	// RetiringKind and RetiringID are who may give the grant up beside its subject; empty for nobody.
	RetiringKind, RetiringID string
	// MakerKind and MakerID are who made it.
	MakerKind, MakerID string
	CreatedAt          time.Time
}

// CreateGrant adds a grant. The caller must have its scopes for every resource.
func (d *Directory) CreateGrant(ctx context.Context, by *server.Principal, g Grant) (Grant, error) {
	return d.createGrant(ctx, by, g, func(g Grant) Event {
		return Event{Action: "grant.create", By: by, ObjectKind: "grant", ObjectID: g.ID, Scopes: g.Scopes}
	})
}

// createGrant adds a grant, and records the event about it.
func (d *Directory) createGrant(ctx context.Context, by *server.Principal, g Grant, event func(Grant) Event) (Grant, error) {
	if err := d.mayGive(by, "/scopes", g.Scopes); err != nil {
		return Grant{}, err
	}
	var err error
	if g.ID, err = newID(); err != nil {
		return Grant{}, err
	}
	g.CreatedAt, g.MakerKind, g.MakerID = d.cfg.Now(), by.Kind, by.ID
	err = d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		if err := d.grantee(ctx, by.Tenant, &g); err != nil {
			return Event{}, nil, err
		}
		// Those that are over do not stand in the way of new ones.
		_, err := d.db.Exec(ctx, "DELETE FROM auth_grants WHERE tenant_id = $1 AND subject_kind = $2 AND subject_id = $3 AND expires_at > 0 AND expires_at <= $4",
			by.Tenant, g.SubjectKind, g.SubjectID, database.Micros(g.CreatedAt))
		if err != nil {
			return Event{}, nil, fmt.Errorf("delete expired grants: %w", err)
		}
		result, err := d.db.Exec(ctx, `
			INSERT INTO auth_grants (tenant_id, id, subject_kind, subject_id, resource_kind, resource, by_prefix, scopes, terms, retiring_kind, retiring_id,
				maker_kind, maker_id, expires_at, created_at)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15
			WHERE (SELECT count(*) FROM auth_grants WHERE tenant_id = $1 AND subject_kind = $3 AND subject_id = $4) < $16`,
			by.Tenant, g.ID, g.SubjectKind, g.SubjectID, g.Kind, g.Resource, g.Prefix, joinScopes(g.Scopes), g.Terms, g.RetiringKind, g.RetiringID,
			g.MakerKind, g.MakerID, database.Micros(g.ExpiresAt), database.Micros(g.CreatedAt), int64(MaxGrants))
		if err := one(result, err, func() error { return problem.New(problem.Conflict, "the subject has as many grants as it can") }); err != nil {
			return Event{}, nil, fmt.Errorf("insert grant: %w", err)
		}
		return event(g), grantNotes(by.Tenant, g), nil
	})
	if err != nil {
		return Grant{}, err
	}
	return g, nil
}

// grantee makes sure that the subject exists, and takes its id where it is named.
func (d *Directory) grantee(ctx context.Context, tenant string, g *Grant) error {
	if g.RetiringKind != "" {
		if _, err := d.ownScopes(ctx, tenant, g.RetiringKind, g.RetiringID); err != nil {
			return err
		}
	}
	if g.SubjectKind != auth.SubjectRole {
		_, err := d.ownScopes(ctx, tenant, g.SubjectKind, g.SubjectID)
		return err
	}
	role, err := d.FindRole(ctx, tenant, g.SubjectID)
	if err == nil && role.BuiltIn {
		err = problem.New(problem.InvalidState, "a built-in role has no grants")
	}
	g.SubjectID = role.ID
	return err
}

func grantNotes(tenant string, g Grant) []note {
	return []note{{tenant, kindGrants, g.SubjectKind + " " + g.SubjectID}}
}

const grantColumns = `id, subject_kind, subject_id, resource_kind, resource, by_prefix, scopes, terms, retiring_kind, retiring_id, maker_kind, maker_id,
	expires_at, created_at`

const selectGrants = `SELECT ` + grantColumns + ` FROM auth_grants WHERE tenant_id = $1`

func scanGrant(r database.Scanner) (Grant, error) {
	var g Grant
	var scopes string
	var expires, created int64
	err := r.Scan(&g.ID, &g.SubjectKind, &g.SubjectID, &g.Kind, &g.Resource, &g.Prefix, &scopes, &g.Terms, &g.RetiringKind, &g.RetiringID,
		&g.MakerKind, &g.MakerID, &expires, &created)
	g.Scopes, g.ExpiresAt, g.CreatedAt = splitScopes(scopes), database.Time(expires), database.Time(created)
	return g, err
}

// Grant returns a grant; not_found.
func (d *Directory) Grant(ctx context.Context, tenant, id string) (Grant, error) {
	g, err := scanGrant(d.db.QueryRow(database.WithTenant(ctx, tenant), selectGrants+" AND id = $2", tenant, id))
	if err != nil {
		return Grant{}, missing(fmt.Errorf("read grant: %w", err))
	}
	return g, nil
}

// ListGrants lists grants, those of a subject or to a resource if these are given, in the order of their ids after the one given.
func (d *Directory) ListGrants(ctx context.Context, tenant, subjectID, resource, after string, limit int) ([]Grant, error) {
	rows, err := d.db.Query(database.WithTenant(ctx, tenant),
		selectGrants+" AND id > $2 AND ($3 = '' OR subject_id = $3) AND ($4 = '' OR resource = $4) ORDER BY id LIMIT $5",
		tenant, after, subjectID, resource, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	grants, err := database.Collect(rows, scanGrant)
	if err != nil {
		return nil, fmt.Errorf("list grants: %w", err)
	}
	return grants, nil
}

// DeleteGrant takes a grant back. The caller must have its scopes.
func (d *Directory) DeleteGrant(ctx context.Context, by *server.Principal, id string) error {
	return d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		g, err := d.Grant(ctx, by.Tenant, id)
		if err == nil {
			err = d.mayGive(by, "", g.Scopes)
		}
		if err != nil {
			return Event{}, nil, err
		}
		result, err := d.db.Exec(ctx, "DELETE FROM auth_grants WHERE tenant_id = $1 AND id = $2", by.Tenant, id)
		if err := one(result, err, notFound); err != nil {
			return Event{}, nil, fmt.Errorf("delete grant: %w", err)
		}
		return Event{Action: "grant.delete", By: by, ObjectKind: "grant", ObjectID: id, Scopes: g.Scopes}, grantNotes(by.Tenant, g), nil
	})
}

// Grants implements auth.GrantSource: those of a principal of this realm, and of the roles that it comes with; a session may have fewer of
// these than its user.
func (d *Directory) Grants(ctx context.Context, p *server.Principal) ([]auth.Grant, error) {
	if p.Realm != RealmName {
		return nil, nil
	}
	account, err := d.Account(ctx, p.Kind, p.Tenant, p.ID)
	if err != nil {
		return nil, ignoreUnknown(err)
	}
	all, err := d.grantsOf(ctx, p.Tenant, p.Kind, p.ID)
	if err != nil {
		return nil, err
	}
	for _, id := range account.Roles {
		role, err := d.Role(ctx, p.Tenant, id)
		if err := ignoreUnknown(err); err != nil {
			return nil, err
		}
		if role == nil || d.roles[id] != nil || !slices.Contains(p.Roles, role.Name) {
			continue
		}
		more, err := d.grantsOf(ctx, p.Tenant, auth.SubjectRole, id)
		if err != nil {
			return nil, err
		}
		if len(more) > 0 {
			all = slices.Concat(all, more) // what the cache returned is not changed
		}
	}
	return all, nil
}

func (d *Directory) grantsOf(ctx context.Context, tenant, kind, id string) ([]auth.Grant, error) {
	grants, err := d.caches.grants.Get(ctx, tenant, kind+" "+id, func(ctx context.Context) ([]auth.Grant, error) {
		rows, err := d.db.Query(database.WithTenant(ctx, tenant),
			selectGrants+" AND subject_kind = $2 AND subject_id = $3 ORDER BY id LIMIT $4", tenant, kind, id, int64(MaxGrants))
		if err != nil {
			return nil, fmt.Errorf("load grants: %w", err)
		}
		found, err := database.Collect(rows, scanGrant)
		if err != nil {
			return nil, fmt.Errorf("load grants: %w", err)
		}
		plain := make([]auth.Grant, len(found))
		for i, g := range found {
			plain[i] = g.Grant
		}
		return plain, nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	return grants, nil
}
