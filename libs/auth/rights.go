package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// rights are an account with everything that its scopes come from. They do not change.
type rights struct {
	account *Account
	realm   Realm
	roles   []*Role
	owner   *rights // of a token that acts for a user
	// principal is what a caller with this account is, but for how it was authenticated.
	principal *server.Principal
}

// errOwner is a token whose user may not act any more.
var errOwner = errors.New("its owner is not in force")

// resolve finds what an account may do. A role that has gone counts for nothing.
func (g *Gate) resolve(ctx context.Context, account *Account) (*rights, error) {
	realm, err := g.realm(account.Realm)
	if err != nil {
		return nil, err
	}
	r := &rights{account: account, realm: realm}
	scopes := slices.Clone(account.Scopes)
	var names []string
	for _, id := range account.Roles {
		role, err := realm.Role(ctx, account.Tenant, id)
		if err != nil && !errors.Is(err, ErrUnknown) {
			return nil, err
		}
		r.roles = append(r.roles, role)
		if role != nil {
			scopes, names = append(scopes, role.Scopes...), append(names, role.Name)
		}
	}
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	expires := account.ExpiresAt
	if account.Owner != "" {
		owner, err := realm.Account(ctx, server.KindUser, account.Tenant, account.Owner)
		if errors.Is(err, ErrUnknown) {
			return nil, errOwner
		}
		if err != nil {
			return nil, err
		}
		if r.owner, err = g.resolve(ctx, owner); err != nil {
			return nil, err
		}
		scopes = slices.DeleteFunc(scopes, func(scope string) bool { return !holds(r.owner.principal.Scopes, scope) })
		expires = earlier(expires, r.owner.principal.ExpiresAt)
	}
	r.principal = &server.Principal{
		Tenant: account.Tenant, Realm: account.Realm, Kind: account.Kind, ID: account.ID, Name: account.Name,
		Scopes: scopes, Roles: names, ExpiresAt: expires,
	}
	return r, nil
}

// unchanged tells whether everything that the rights come from is still the same.
func (g *Gate) unchanged(ctx context.Context, r *rights) (bool, error) {
	for i, id := range r.account.Roles {
		role, err := r.realm.Role(ctx, r.account.Tenant, id)
		if err != nil && !errors.Is(err, ErrUnknown) {
			return false, err
		}
		if role != r.roles[i] {
			return false, nil
		}
	}
	if r.owner == nil {
		return true, nil
	}
	owner, err := r.realm.Account(ctx, server.KindUser, r.account.Tenant, r.account.Owner)
	if errors.Is(err, ErrUnknown) {
		return false, nil
	}
	if err != nil || owner != r.owner.account {
		return false, err
	}
	return g.unchanged(ctx, r.owner)
}

// inForce decides about the account itself.
func (r *rights) inForce(now time.Time) error {
	switch {
	case r.account.Disabled:
		return errDisabled
	case !r.account.ExpiresAt.IsZero() && !now.Before(r.account.ExpiresAt):
		return errExpired
	case r.owner != nil && r.owner.inForce(now) != nil:
		return errOwner
	}
	return nil
}

func (g *Gate) realm(name string) (Realm, error) {
	for _, realm := range g.cfg.Realms {
		if realm.Name() == name {
			return realm, nil
		}
	}
	return nil, fmt.Errorf("no realm is named %q", name)
}

// Principal returns the account as it is in force now. The caller adds how and when it was authenticated. The code is unauthenticated when the
// account has gone, is disabled or has expired.
func (g *Gate) Principal(ctx context.Context, tenant, realm, kind, id string) (*server.Principal, error) {
	r, err := g.inForce(ctx, tenant, realm, kind, id)
	if err != nil {
		return nil, err
	}
	return r.principal, nil
}

// inForce finds an account and what it may do, and refuses one that may not come in.
func (g *Gate) inForce(ctx context.Context, tenant, realm, kind, id string) (*rights, error) {
	if g.cfg.Fresh != nil {
		if err := g.cfg.Fresh(); err != nil {
			return nil, err
		}
	}
	knows, err := g.realm(realm)
	if err != nil {
		return nil, refuse(err)
	}
	account, err := knows.Account(ctx, kind, tenant, id)
	if errors.Is(err, ErrUnknown) || err == nil && g.shutOut(account) {
		return nil, refuse(errUnknown)
	}
	if err != nil {
		return nil, err
	}
	r, err := g.resolve(ctx, account)
	if errors.Is(err, errOwner) {
		return nil, refuse(err)
	}
	if err != nil {
		return nil, err
	}
	if err := r.inForce(g.cfg.Now()); err != nil {
		return nil, refuse(err)
	}
	return r, nil
}

// shutOut tells whether the account may enter through the admin listener only.
func (g *Gate) shutOut(account *Account) bool {
	return g.cfg.UsersByAdminOnly && account.Kind == server.KindUser && account.Realm == FileRealmName
}
