package acme

import (
	"context"
	"errors"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// Errors of a store.
var (
	// ErrNotFound: the tenant has no such row.
	ErrNotFound = errors.New("not found")
	// ErrStale: the row is no longer as the caller saw it; nothing was changed.
	ErrStale = errors.New("changed meanwhile")
	// ErrKeyTaken: another account of the directory has the key.
	ErrKeyTaken = errors.New("another account has the key")
	// ErrReplaced: another order that is not invalid replaces the certificate.
	ErrReplaced = errors.New("another order replaces the certificate")
	// ErrNonceUsed: the nonce has changed something before.
	ErrNonceUsed = errors.New("the nonce was used before")
)

// Store is what the server asks of a database.
type Store interface {
	// InTx runs fn in one transaction that travels in the context: all of it is stored, or nothing. It may run more than once.
	InTx(ctx context.Context, fn func(context.Context) error) error

	AccountStore
	OrderStore
	AuthorizationStore
	ExternalKeyStore

	// UseNonce records the use of a nonce until it expires by itself; ErrNonceUsed.
	UseNonce(ctx context.Context, tenant string, use []byte, until time.Time) error
	// Sweep deletes up to limit nonces, and as many orders and authorizations that came to nothing, which have expired before the times, and says how many.
	Sweep(ctx context.Context, tenant string, nonces, rest time.Time, limit int) (int, error)
}

// AccountStore keeps accounts.
type AccountStore interface {
	// InsertAccount stores a new account; ErrKeyTaken.
	InsertAccount(ctx context.Context, account Account) error
	// Account reads one; ErrNotFound.
	Account(ctx context.Context, tenant, id string) (Account, error)
	// AccountByKey reads the one with the key's thumbprint, whatever its status; ErrNotFound.
	AccountByKey(ctx context.Context, tenant, directory, thumbprint string) (Account, error)
	// UpdateAccount stores key, contacts and status if the row still has the revision; ErrStale, ErrKeyTaken.
	UpdateAccount(ctx context.Context, account Account) error
	// CancelOrders makes the account's orders invalid on which nobody works yet.
	CancelOrders(ctx context.Context, tenant, account string, now time.Time) error
}

// OrderStore keeps orders.
type OrderStore interface {
	// InsertOrder stores a new order with its authorizations; ErrReplaced.
	InsertOrder(ctx context.Context, order Order) error
	// Order reads one with its authorizations; ErrNotFound.
	Order(ctx context.Context, tenant, id string) (Order, error)
	// OrderBySerial reads the one that a certificate was made for; ErrNotFound.
	OrderBySerial(ctx context.Context, tenant, serial string) (Order, error)
	// OrderReplacing reads the one that replaces a certificate, named as in Order.Replaces, and is not stored as invalid; ErrNotFound.
	OrderReplacing(ctx context.Context, tenant, replaced string) (Order, error)
	// OrdersOf lists the ids of up to limit of an account's orders that are not invalid, in order, after an id.
	OrdersOf(ctx context.Context, tenant, account, after string, now time.Time, limit int) ([]string, error)
	// UpdateOrder stores what changes in an order if the row still has the revision; ErrStale.
	UpdateOrder(ctx context.Context, order Order) error
	// DueOrders lists the ids of up to limit orders that somebody must work on.
	DueOrders(ctx context.Context, tenant string, now time.Time, limit int) ([]string, error)
	// ClaimOrder takes one that is due for the caller alone until a time; ErrStale if it is not due.
	ClaimOrder(ctx context.Context, tenant, id string, now, until time.Time) (Order, error)
}

// AuthorizationStore keeps authorizations with their challenges.
type AuthorizationStore interface {
	// InsertAuthorization stores a new one.
	InsertAuthorization(ctx context.Context, authorization Authorization) error
	// Authorization reads one; ErrNotFound.
	Authorization(ctx context.Context, tenant, id string) (Authorization, error)
	// Proved reads the account's authorization for the identifier that is valid for the longest time, at least until a time; ErrNotFound.
	Proved(ctx context.Context, tenant, account string, identifier validation.Identifier, until time.Time) (Authorization, error)
	// UpdateAuthorization stores what changes in one if the row still has the revision; ErrStale.
	UpdateAuthorization(ctx context.Context, authorization Authorization) error
	// DueAuthorizations lists the ids of up to limit authorizations that somebody must work on.
	DueAuthorizations(ctx context.Context, tenant string, now time.Time, limit int) ([]string, error)
	// ClaimAuthorization takes one that is due for the caller alone until a time; ErrStale if it is not due.
	ClaimAuthorization(ctx context.Context, tenant, id string, now, until time.Time) (Authorization, error)
}

// ExternalKeyStore keeps the keys of external accounts.
type ExternalKeyStore interface {
	// InsertExternalKey stores a new one.
	InsertExternalKey(ctx context.Context, key ExternalKey) error
	// ExternalKey reads one; ErrNotFound.
	ExternalKey(ctx context.Context, tenant, id string) (ExternalKey, error)
	// ExternalKeys reads up to limit, in order of id, after an id.
	ExternalKeys(ctx context.Context, tenant, after string, limit int) ([]ExternalKey, error)
	// BindExternalKey gives a key that is unused to an account; ErrStale if it is used, revoked or expired.
	BindExternalKey(ctx context.Context, tenant, id, account string, now time.Time) error
	// RevokeExternalKey makes one useless; ErrStale if it is revoked already.
	RevokeExternalKey(ctx context.Context, tenant, id string, now time.Time) error
}
