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

// Store keeps wrapped keys. Both methods see what any replica committed before
// they were called.
type Store interface {
	// Keys returns all versions of a level and tenant, in any order; none is no error.
	Keys(ctx context.Context, level Level, tenant string) ([]WrappedKey, error)
	// Insert adds a version. When this level and tenant have it already it changes
	// nothing and returns false.
	Insert(ctx context.Context, key WrappedKey) (inserted bool, err error)
}
