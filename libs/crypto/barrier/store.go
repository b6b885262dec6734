package barrier

import (
	"context"
	"time"
)

// Level is a level of the key hierarchy.
type Level string

// The levels, from the top. A key wraps those of the next level; content keys wrap values.
const (
	LevelRoot         Level = "root"
	LevelIntermediate Level = "intermediate"
	LevelContent      Level = "content"
)

// Levels of root keys that are stored once more, for a while. Their versions are those of the root keys.
const (
	// LevelSuccession is a root key wrapped by the one before it. It lets replicas that have the former take over the
	// new one without an unseal key, and is kept for [SuccessionTime].
	LevelSuccession Level = "succession"
	// LevelStaged is a root key wrapped by the unseal key of a rekeying that is not committed.
	LevelStaged Level = "staged"
)

// WrappedKey is a key as it is stored: encrypted under its parent.
type WrappedKey struct {
	Level Level
	// Tenant is empty for root keys.
	Tenant string
	// ID is a UUIDv7.
	ID string
	// Version counts from 1 within level and tenant; the highest one is current.
	Version int64
	// ParentID is the id of the key that wraps this one: for a root key the unseal key's.
	ParentID string
	// JWE is the compact serialization (RFC 7516 section 7.1).
	JWE       string
	CreatedAt time.Time
}

// Store keeps wrapped keys. All methods see what any replica committed before they
// were called, and changes happen one after another.
type Store interface {
	// Keys returns all versions of a level and tenant, in any order; none is no error.
	Keys(ctx context.Context, level Level, tenant string) ([]WrappedKey, error)
	// Insert adds keys, all of them or none. When the first one's level and tenant have its version
	// already it changes nothing and returns false. It refuses a key whose parent is not there
	// (ErrParentGone), and a root key that is wrapped by another unseal key than those there or that a rekeying
	// under way does not know (ErrRekeying).
	Insert(ctx context.Context, keys ...WrappedKey) (inserted bool, err error)
	// Replace gives a key another parent: ParentID and JWE of next take the place of those of old. It returns
	// false, and changes nothing, when they are not what is stored.
	Replace(ctx context.Context, old, next WrappedKey) (replaced bool, err error)
	// Generation is a number that grows with every change of root, intermediate and content keys.
	Generation(ctx context.Context) (int64, error)
	// Expire removes what was created before the given time from a level of root keys that are stored for a while.
	Expire(ctx context.Context, level Level, before time.Time) error
}
