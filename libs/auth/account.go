package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"time"
)

// ErrUnknown is what a realm answers for somebody whom it does not know.
var ErrUnknown = errors.New("the realm does not know it")

// Account is what a realm knows of somebody who may call: facts, from which the [Gate] decides at each request. It does not change; a realm
// that learns something new makes another one, so that two equal pointers mean that nothing has changed.
type Account struct {
	// Realm is the name of the realm that knows the account.
	Realm string
	// Tenant, Kind (server.KindUser, KindClient or KindAPIToken) and ID name it. Name is for people.
	Tenant, Kind, ID, Name string
	// Secrets are the hashes of machine secrets. Each is good until it expires, so that there can be two while one replaces the other.
	Secrets []Secret
	// Password is the hash of a user's password, "" where there is none.
	Password string
	// Scopes are its own; Roles are the ids of roles, whose scopes it has as well.
	Scopes, Roles []string
	// Owner is the id of the user for whom an API token acts. Such a token may do what it says and its owner may do.
	Owner string
	// Disabled accounts are refused, and those whose ExpiresAt, if it is not zero, has come.
	Disabled  bool
	ExpiresAt time.Time
}

// Secret is the hash of a machine secret (registry secrethash.HighEntropyRandom).
type Secret struct {
	Hash string
	// ExpiresAt is when the secret stops working; zero: never.
	ExpiresAt time.Time
}

// Role is a bundle of scopes. Like an Account it does not change.
type Role struct {
	// ID is a UUID, or the name of a built-in role. Name is unique in the tenant.
	ID, Name string
	Scopes   []string
}

// Realm is a way to know callers. Its methods are called from many goroutines at once. An error other than ErrUnknown means that the realm
// cannot tell now; its code, such as state_unavailable, is the caller's answer.
type Realm interface {
	// Name is the realm's name in a principal.
	Name() string
	// Account returns the account of this kind, tenant and id, or ErrUnknown. It may lag by a second.
	Account(ctx context.Context, kind, tenant, id string) (*Account, error)
	// Role returns the role, or ErrUnknown. It may lag by a second.
	Role(ctx context.Context, tenant, id string) (*Role, error)
	// Login returns the user that logs in by this name as it is now, or ErrUnknown. It costs the same either way.
	Login(ctx context.Context, tenant, login string) (*Account, error)
	// Certificate returns the clients that a verified client certificate stands for: none, one, or several in different tenants.
	Certificate(ctx context.Context, certificate *x509.Certificate) ([]ClientRef, error)
}

// ClientRef names a client.
type ClientRef struct{ Tenant, ID string }
