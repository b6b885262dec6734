package auth

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// entries is one state of a realm file. It does not change.
type entries struct {
	tenants      map[string]Tenant
	accounts     map[accountKey]*Account
	logins       map[[2]string]*Account // by tenant and login, in lower case
	roles        map[string]*Role
	certificates map[CertificateName][]ClientRef
	// operators may use the admin listener; by login in lower case those who have a password.
	operators map[*Account]bool
	byName    map[string]*Account
}

type accountKey struct{ kind, tenant, id string }

func (l listing) entries(roles []Role) *entries {
	e := &entries{
		tenants: map[string]Tenant{}, accounts: map[accountKey]*Account{}, logins: map[[2]string]*Account{}, roles: map[string]*Role{},
		certificates: map[CertificateName][]ClientRef{}, operators: map[*Account]bool{}, byName: map[string]*Account{},
	}
	for _, role := range roles {
		e.roles[role.ID] = &role
	}
	for _, tenant := range l.Tenants {
		e.tenants[tenant.ID] = tenant
	}
	for _, entry := range l.Clients {
		e.add(server.KindClient, entry)
		for _, name := range entry.Certificates {
			for _, key := range name.names() {
				e.certificates[key] = append(e.certificates[key], ClientRef{entry.Tenant, entry.ID})
			}
		}
	}
	for _, entry := range l.APITokens {
		e.add(server.KindAPIToken, entry)
	}
	for _, user := range l.Users {
		account := e.add(server.KindUser, user.entry())
		account.Password = user.PasswordHash
		for _, login := range user.logins() {
			e.logins[[2]string{user.Tenant, login}] = account
		}
		if user.Operator {
			e.byName[strings.ToLower(user.ID)] = account
		}
	}
	return e
}

func (e *entries) add(kind string, entry Entry) *Account {
	account := &Account{
		Realm: FileRealmName, Tenant: entry.Tenant, Kind: kind, ID: entry.ID, Name: entry.Name, Scopes: entry.Scopes, Roles: entry.Roles,
		Disabled: entry.Disabled || e.tenants[entry.Tenant].Status == TenantSuspended, ExpiresAt: entry.ExpiresAt,
	}
	if entry.SecretHash != "" {
		account.Secrets = []Secret{{Hash: entry.SecretHash}}
	}
	e.accounts[accountKey{kind, entry.Tenant, entry.ID}] = account
	if entry.Operator {
		e.operators[account] = true
	}
	return account
}

// Name implements Realm.
func (f *FileRealm) Name() string { return FileRealmName }

// Account implements Realm.
func (f *FileRealm) Account(_ context.Context, kind, tenant, id string) (*Account, error) {
	if account := f.current.Load().accounts[accountKey{kind, tenant, id}]; account != nil {
		return account, nil
	}
	return nil, ErrUnknown
}

// Role implements Realm.
func (f *FileRealm) Role(_ context.Context, _, id string) (*Role, error) {
	if role := f.current.Load().roles[id]; role != nil {
		return role, nil
	}
	return nil, ErrUnknown
}

// Login implements Realm.
func (f *FileRealm) Login(_ context.Context, tenant, login string) (*Account, error) {
	if account := f.current.Load().logins[[2]string{tenant, NormalizeLogin(login)}]; account != nil {
		return account, nil
	}
	return nil, ErrUnknown
}

// Certificate implements Realm.
func (f *FileRealm) Certificate(_ context.Context, certificate *x509.Certificate) ([]ClientRef, error) {
	state := f.current.Load()
	if len(state.certificates) == 0 {
		return nil, ErrUnknown
	}
	for _, name := range CertificateNames(certificate) {
		if found := state.certificates[name]; len(found) > 0 {
			return found, nil
		}
	}
	return nil, ErrUnknown
}

func thumbprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
