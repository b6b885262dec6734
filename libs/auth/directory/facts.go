package directory

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Kinds of changes.
const (
	kindUser        = "auth.user"
	kindClient      = "auth.client"
	kindToken       = "auth.api_token" //nolint:gosec // no credential: what a change is about
	kindRole        = "auth.role"
	kindGrants      = "auth.grants"
	kindCertificate = "auth.certificate"
)

// note is a change to tell other replicas.
type note struct{ tenant, kind, id string }

// caches hold facts; a nil account stands for one that does not exist, so that asking for it again costs what asking for another one does.
type caches struct {
	users, clients, tokens *changes.Cache[*auth.Account]
	roles                  *changes.Cache[*auth.Role]
	grants                 *changes.Cache[[]auth.Grant]     // by kind and id of the subject
	certificates           *changes.Cache[[]auth.ClientRef] // of all tenants, by kind and value
}

func newCaches(f *changes.Follower, capacity int) caches {
	return caches{
		users:        changes.NewCache[*auth.Account](f, []string{kindUser}, capacity),
		clients:      changes.NewCache[*auth.Account](f, []string{kindClient}, capacity),
		tokens:       changes.NewCache[*auth.Account](f, []string{kindToken}, capacity),
		roles:        changes.NewCache[*auth.Role](f, []string{kindRole}, capacity),
		grants:       changes.NewCache[[]auth.Grant](f, []string{kindGrants}, capacity),
		certificates: changes.NewCache[[]auth.ClientRef](f, []string{kindCertificate}, capacity),
	}
}

// Name implements auth.Realm.
func (d *Directory) Name() string { return RealmName }

// Account implements auth.Realm.
func (d *Directory) Account(ctx context.Context, kind, tenant, id string) (*auth.Account, error) {
	if !isID(id) { // nothing here has another form
		return nil, auth.ErrUnknown
	}
	var cache *changes.Cache[*auth.Account]
	switch kind {
	case server.KindUser:
		cache = d.caches.users
	case server.KindClient:
		cache = d.caches.clients
	case server.KindAPIToken:
		cache = d.caches.tokens
	default:
		return nil, auth.ErrUnknown
	}
	account, err := cache.Get(ctx, tenant, id, func(ctx context.Context) (*auth.Account, error) {
		return d.loadAccount(database.WithTenant(ctx, tenant), kind, tenant, id)
	})
	if err != nil {
		return nil, unavailable(err)
	}
	if account == nil {
		return nil, auth.ErrUnknown
	}
	return account, nil
}

// loadAccount returns nil for one that does not exist.
func (d *Directory) loadAccount(ctx context.Context, kind, tenant, id string) (*auth.Account, error) {
	var account *auth.Account
	var err error
	switch kind {
	case server.KindUser:
		account, err = d.loadUser(ctx, tenant, id)
	case server.KindClient:
		account, err = d.loadClient(ctx, tenant, id)
	default:
		account, err = d.loadToken(ctx, tenant, id)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // a fact: there is none
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", kind, err)
	}
	account.Realm, account.Tenant, account.Kind, account.ID = RealmName, tenant, kind, id
	account.Roles, err = d.roleIDs(ctx, tenant, kind, id)
	if err != nil {
		return nil, fmt.Errorf("load roles of %s: %w", kind, err)
	}
	return account, nil
}

// Role implements auth.Realm.
func (d *Directory) Role(ctx context.Context, tenant, id string) (*auth.Role, error) {
	if role := d.roles[id]; role != nil {
		return role, nil
	}
	role, err := d.caches.roles.Get(ctx, tenant, id, func(ctx context.Context) (*auth.Role, error) {
		return d.loadRole(database.WithTenant(ctx, tenant), tenant, id)
	})
	if err != nil {
		return nil, unavailable(err)
	}
	if role == nil {
		return nil, auth.ErrUnknown
	}
	return role, nil
}

// Certificate implements auth.Realm. Each tenant has at most one client for a certificate: the one mapped by its most exact name. What a tenant
// maps decides nothing for the others, however exact it is: each administers its own, and would otherwise take their clients over.
func (d *Directory) Certificate(ctx context.Context, certificate *x509.Certificate) ([]auth.ClientRef, error) {
	var all []auth.ClientRef
	for _, name := range auth.CertificateNames(certificate) {
		found, err := d.caches.certificates.Get(ctx, database.AllTenants, name.Kind+" "+name.Value, func(ctx context.Context) ([]auth.ClientRef, error) {
			return d.mappedClients(database.WithTenant(ctx, database.AllTenants), name)
		})
		if err != nil {
			return nil, unavailable(err)
		}
		for _, ref := range found {
			if !slices.ContainsFunc(all, func(known auth.ClientRef) bool { return known.Tenant == ref.Tenant }) {
				all = append(all, ref)
			}
		}
	}
	if len(all) == 0 {
		return nil, auth.ErrUnknown
	}
	return all, nil
}
