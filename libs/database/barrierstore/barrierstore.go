// Package barrierstore keeps the wrapped keys of a service's barrier in its database, in the platform's table barrier_keys. Its
// [Store] is a barrier.Store.
package barrierstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// ErrParentLost is a table that has keys and not the one that wraps them.
var ErrParentLost = errors.New("the key above it is gone: restore the table barrier_keys from a backup")

// Store implements barrier.Store on a database with [database.PlatformMigrations] applied.
type Store struct {
	db *database.DB
}

// New uses db.
func New(db *database.DB) (*Store, error) {
	if db == nil {
		return nil, errors.New("barrier store: the database is missing")
	}
	return &Store{db: db}, nil
}

// Keys returns all versions of a level and tenant, oldest first; root keys belong to tenant "".
func (s *Store) Keys(ctx context.Context, level barrier.Level, tenant string) (keys []barrier.WrappedKey, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read %s keys of the barrier: %w", level, err)
		}
	}()
	rows, err := s.db.Query(ctx, `SELECT id, version, parent_id, jwe, created_at
		FROM barrier_keys WHERE tenant_id = $1 AND level = $2 ORDER BY version`, tenant, string(level))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		key := barrier.WrappedKey{Level: level, Tenant: tenant}
		var createdAt int64
		if err := rows.Scan(&key.ID, &key.Version, &key.ParentID, &key.JWE, &createdAt); err != nil {
			return nil, err
		}
		key.CreatedAt = database.Time(createdAt)
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// Insert adds a version and commits it; false if that version is there already. A first key of a level above keys that are there is refused
// with [ErrParentLost]: another key was in its place, and what it wrapped would never open again. Inside a transaction it is refused
// with [database.ErrInTransaction]: the barrier keeps the key in memory and uses it, so it must not vanish by a rollback.
func (s *Store) Insert(ctx context.Context, key barrier.WrappedKey) (inserted bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("insert %s key of the barrier: %w", key.Level, err)
		}
	}()
	ctx, err = s.db.Independent(ctx)
	if err != nil {
		return false, err
	}
	if err := s.checkChildren(ctx, key); err != nil {
		return false, err
	}
	result, err := s.db.Exec(ctx, `INSERT INTO barrier_keys (tenant_id, level, version, id, parent_id, jwe, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, level, version) DO NOTHING`,
		key.Tenant, string(key.Level), key.Version, key.ID, key.ParentID, key.JWE, database.Micros(key.CreatedAt))
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// checkChildren looks for keys that only a key of this place can have wrapped, where there is none.
func (s *Store) checkChildren(ctx context.Context, key barrier.WrappedKey) error {
	var child string
	err := s.db.QueryRow(ctx, `SELECT id FROM barrier_keys
		WHERE (($1 = 'root' AND level <> 'root') OR ($1 = 'intermediate' AND level = 'content' AND tenant_id = $2))
			AND NOT EXISTS (SELECT 1 FROM barrier_keys WHERE tenant_id = $2 AND level = $1)
		LIMIT 1`, string(key.Level), key.Tenant).Scan(&child)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("key %s is there: %w", child, ErrParentLost)
	}
}
