package authority

import (
	"context"
	"errors"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
)

// Errors of a store.
var (
	// ErrNotFound: the tenant has no such row.
	ErrNotFound = errors.New("not found")
	// ErrNameTaken: another one of the tenant has the name.
	ErrNameTaken = errors.New("name taken")
	// ErrStale: the row is no longer as the caller saw it; nothing was changed.
	ErrStale = errors.New("changed meanwhile")
)

// Store is all that the domain asks of a database. Every change is heard by other replicas.
type Store interface {
	// InTx runs fn in one transaction that travels in the context: all of it is stored, or nothing.
	InTx(ctx context.Context, fn func(context.Context) error) error
	KeyStore
	VersionStore
	ProfileStore
	RevocationStore
}

// KeyStore keeps keys.
type KeyStore interface {
	// InsertKey stores a new key; ErrNameTaken.
	InsertKey(ctx context.Context, key Key) error
	// Ring reads a key with its newest versions, by UUID or name; ErrNotFound.
	Ring(ctx context.Context, tenant string, ref naming.Ref) (Ring, error)
	// RingFact is Ring for whoever uses the key: what another replica has changed may show a second later.
	RingFact(ctx context.Context, tenant string, ref naming.Ref) (Ring, error)
	// Keys reads up to limit keys that are not destroyed in order of id, from after the id given.
	Keys(ctx context.Context, tenant string, list KeyList) ([]Key, error)
	// UpdateKey stores what an update may change if the row still has the revision of key; ErrStale otherwise. It returns the key as it is now.
	UpdateKey(ctx context.Context, key Key) (Key, error)
	// KeysElsewhere reads up to limit active keys whose private parts a KMS keeps, in order of id, from after the id given.
	KeysElsewhere(ctx context.Context, tenant, after string, limit int) ([]Key, error)
	// MoveKey changes the state, if the row is in one of the transition's; ErrStale otherwise. A key that is destroyed gives up its name
	// and the material of all versions. It returns the key as it is now.
	MoveKey(ctx context.Context, tenant, id string, t Transition[KeyStatus], now time.Time) (Key, error)
	// Published reads the rings of all keys that are published, up to limit. What another replica has changed may show a second later.
	Published(ctx context.Context, tenant string, limit int) ([]Ring, error)
}

// VersionStore keeps versions.
type VersionStore interface {
	// AddVersion takes the next version number, if the key is active and no version of it is pending (unless immediate); ErrStale otherwise.
	// It returns the number.
	AddVersion(ctx context.Context, key Key, immediate bool, now time.Time) (int64, error)
	// InsertVersion stores a new version; ErrStale if the key has one already that is the same version of its elastic key.
	InsertVersion(ctx context.Context, version Version) error
	// Version reads one by number, with its key; ErrNotFound.
	Version(ctx context.Context, tenant, keyID string, number int64) (Key, Version, error)
	// Versions reads up to limit versions, newest first, below the number given (0: from the newest), the destroyed ones too.
	Versions(ctx context.Context, tenant, keyID string, below int64, limit int) ([]Version, error)
	// NewestElsewhere is the highest of the KMS's versions that versions of the key are, or were before they were destroyed; 0 for none.
	NewestElsewhere(ctx context.Context, tenant, keyID string) (int64, error)
	// SucceedAt says when the versions below number end: they retire at the time, and stay published for the lifetime of what they have signed
	// and margin. Those that have ended are left as they are.
	SucceedAt(ctx context.Context, version Version, margin time.Duration, now time.Time) error
	// Settle writes into the rows of a key (all keys: "") what has become due by now, and returns those versions as they are then.
	Settle(ctx context.Context, tenant, keyID string, now time.Time) ([]Version, error)
	// SetCertificate stores the certificate chain of a version, in PEM, or that it has none ("", where it has one), unless the version is destroyed;
	// ErrStale otherwise. It returns the version as it is now.
	SetCertificate(ctx context.Context, version Version, chain string, now time.Time) (Version, error)
	// MoveVersion changes the state, if the row is in one of the transition's; ErrStale otherwise. A version that is destroyed loses its material,
	// and a pending one that is destroyed leaves its predecessor in use. It returns the version as it is now.
	MoveVersion(ctx context.Context, version Version, t Transition[VersionStatus], now time.Time) (Version, error)
}

// KeyList asks for part of the list of keys; empty filters match everything.
type KeyList struct {
	Name, Algorithm string
	Status          KeyStatus
	After           string
	Limit           int
}
