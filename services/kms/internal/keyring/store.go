package keyring

import (
	"context"
	"errors"
)

// Errors of a store.
var (
	// ErrNotFound: the tenant has no such row.
	ErrNotFound = errors.New("not found")
	// ErrNameTaken: another elastic key of the tenant has the name.
	ErrNameTaken = errors.New("name taken")
	// ErrStale: the row is no longer as the caller saw it; nothing was changed.
	ErrStale = errors.New("changed meanwhile")
)

// Transactor runs fn in one transaction that travels in the context: all of it is stored, or nothing.
type Transactor interface {
	InTx(ctx context.Context, fn func(context.Context) error) error
}

// ElasticKeyStore keeps elastic keys.
type ElasticKeyStore interface {
	// InsertElasticKey stores a new key; ErrNameTaken if the tenant has one of that name.
	InsertElasticKey(ctx context.Context, key ElasticKey) error
	// ElasticKey reads a key by UUID or name; ErrNotFound.
	ElasticKey(ctx context.Context, tenant string, ref Ref) (ElasticKey, error)
	// ElasticKeys reads up to limit keys in order of id, from after the id given.
	ElasticKeys(ctx context.Context, tenant string, filter Filter, afterID string, limit int) ([]ElasticKey, error)
	// AddVersion takes the next version number and makes it primary, if the key is in the state and has the primary version given (0: any);
	// ErrStale otherwise. It returns the number.
	AddVersion(ctx context.Context, key ElasticKey, ifPrimary int64) (int64, error)
}

// MaterialKeyStore keeps material keys.
type MaterialKeyStore interface {
	// InsertMaterialKey stores a new version.
	InsertMaterialKey(ctx context.Context, key MaterialKey) error
	// MaterialKeys reads up to limit versions of a key, newest first, below the version given (0: from the newest).
	MaterialKeys(ctx context.Context, tenant, elasticID string, below int64, limit int) ([]MaterialKey, error)
	// MaterialKeyByID reads a version by its UUID; ErrNotFound.
	MaterialKeyByID(ctx context.Context, tenant, elasticID, id string) (MaterialKey, error)
	// KeyVersion reads a key and one of its versions (0: the primary one) in one statement; ErrNotFound if either is missing.
	KeyVersion(ctx context.Context, tenant string, ref Ref, version int64) (ElasticKey, MaterialKey, error)
	// ReserveUses adds n to a version's count of uses and returns the new count.
	ReserveUses(ctx context.Context, key MaterialKey, n int64) (int64, error)
}

// Store is all that the domain asks of a database.
type Store interface {
	Transactor
	ElasticKeyStore
	MaterialKeyStore
}

// Filter narrows a list of elastic keys; empty fields match everything.
type Filter struct {
	Name      string
	Algorithm string
	Status    ElasticStatus
}
