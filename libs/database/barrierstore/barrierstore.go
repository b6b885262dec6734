// Package barrierstore keeps the wrapped keys of a service's barrier in its database, in the platform's table barrier_keys, and what belongs
// to unsealing beside them. Its [Store] is a barrier.Store and an unseal.Store.
//
// Every change locks the one row of barrier_hierarchy first. So a root key cannot appear while the unseal key changes, nor a key be retired
// while another is put below it.
package barrierstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

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

// bind binds the context to the tenant of the rows that are read. Root keys belong to none, and changes look at several levels.
func bind(ctx context.Context, tenant string) context.Context {
	if tenant == "" {
		tenant = database.AllTenants
	}
	return database.WithTenant(ctx, tenant)
}

// change runs fn in a transaction of its own that holds the lock of the hierarchy. It refuses to run inside another: a barrier keeps keys
// in memory and uses them, so they must not vanish by a rollback.
func (s *Store) change(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, err := s.db.Independent(ctx)
	if err != nil {
		return err
	}
	return s.db.InTx(bind(ctx, ""), func(ctx context.Context) error {
		if _, err := s.db.Exec(ctx, "UPDATE barrier_hierarchy SET generation = generation + 1 WHERE id = 1"); err != nil {
			return err
		}
		return fn(ctx)
	})
}

// Keys returns all versions of a level and tenant, oldest first; root keys belong to tenant "".
func (s *Store) Keys(ctx context.Context, level barrier.Level, tenant string) (keys []barrier.WrappedKey, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read %s keys of the barrier: %w", level, err)
		}
	}()
	rows, err := s.db.Query(bind(ctx, tenant), `SELECT id, version, parent_id, jwe, created_at
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

// Insert adds keys of one tenant and commits them, all or none; false if the first one's version is there already. A first key of a level
// above keys that are there is refused with [ErrParentLost]: another key was in its place, and what it wrapped would never open again. So are
// keys whose parent is gone (barrier.ErrParentGone), and a root key that would not open with those there (barrier.ErrRekeying). Inside a
// transaction it is refused with [database.ErrInTransaction].
func (s *Store) Insert(ctx context.Context, keys ...barrier.WrappedKey) (inserted bool, err error) {
	first := keys[0]
	err = s.change(ctx, func(ctx context.Context) error {
		inserted = false
		if err := s.checkChildren(ctx, first); err != nil {
			return err
		}
		present, err := s.present(ctx, first)
		if err != nil || present {
			return err
		}
		if err := s.checkParent(ctx, first); err != nil {
			return err
		}
		for _, key := range keys {
			if err := s.insert(ctx, key); err != nil {
				return err
			}
		}
		inserted = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("insert %s key of the barrier: %w", first.Level, err)
	}
	return inserted, nil
}

func (s *Store) present(ctx context.Context, key barrier.WrappedKey) (bool, error) {
	var n int64
	err := s.db.QueryRow(ctx, "SELECT COUNT(*) FROM barrier_keys WHERE tenant_id = $1 AND level = $2 AND version = $3",
		key.Tenant, string(key.Level), key.Version).Scan(&n)
	return n > 0, err
}

func (s *Store) insert(ctx context.Context, key barrier.WrappedKey) error {
	_, err := s.db.Exec(ctx, `INSERT INTO barrier_keys (tenant_id, level, version, id, parent_id, jwe, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		key.Tenant, string(key.Level), key.Version, key.ID, key.ParentID, key.JWE, database.Micros(key.CreatedAt))
	return err
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

// checkParent makes sure that the key will open: its parent is there, or the unseal key is the one of the other root keys.
func (s *Store) checkParent(ctx context.Context, key barrier.WrappedKey) error {
	query, failure := "SELECT COUNT(*) FROM barrier_keys WHERE id = $1 AND level = $2 AND (tenant_id = $3 OR level = 'root')", barrier.ErrParentGone
	args := []any{key.ParentID, string(above(key.Level)), key.Tenant}
	if key.Level == barrier.LevelRoot {
		query, failure = `SELECT CASE WHEN EXISTS (SELECT 1 FROM barrier_keys WHERE level = 'root' AND parent_id <> $1)
			OR EXISTS (SELECT 1 FROM barrier_rekeys) THEN 0 ELSE 1 END`, barrier.ErrRekeying
		args = args[:1]
	}
	var n int64
	if err := s.db.QueryRow(ctx, query, args...).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("parent %s: %w", key.ParentID, failure)
	}
	return nil
}

// above is the level that wraps the keys of a level.
func above(level barrier.Level) barrier.Level {
	if level == barrier.LevelContent {
		return barrier.LevelIntermediate
	}
	return barrier.LevelRoot
}

// Replace gives a key another parent; false if it is not as in old any more. The new parent must be there (barrier.ErrParentGone).
func (s *Store) Replace(ctx context.Context, old, next barrier.WrappedKey) (replaced bool, err error) {
	err = s.change(ctx, func(ctx context.Context) error {
		if err := s.checkParent(ctx, next); err != nil {
			return err
		}
		result, err := s.db.Exec(ctx, `UPDATE barrier_keys SET parent_id = $1, jwe = $2
			WHERE tenant_id = $3 AND level = $4 AND version = $5 AND id = $6 AND parent_id = $7 AND jwe = $8`,
			next.ParentID, next.JWE, old.Tenant, string(old.Level), old.Version, old.ID, old.ParentID, old.JWE)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		replaced = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("replace %s key of the barrier: %w", old.Level, err)
	}
	return replaced, nil
}

// Generation grows with every change of the hierarchy.
func (s *Store) Generation(ctx context.Context) (generation int64, err error) {
	if err = s.db.QueryRow(ctx, "SELECT generation FROM barrier_hierarchy WHERE id = 1").Scan(&generation); err != nil {
		return 0, fmt.Errorf("read generation of the barrier's keys: %w", err)
	}
	return generation, nil
}

// Expire removes what is older from a level of root keys that are stored for a while.
func (s *Store) Expire(ctx context.Context, level barrier.Level, before time.Time) error {
	if level != barrier.LevelSuccession {
		return fmt.Errorf("expire keys of the barrier: level %s is kept", level)
	}
	if _, err := s.db.Exec(bind(ctx, ""), "DELETE FROM barrier_keys WHERE tenant_id = '' AND level = $1 AND created_at <= $2",
		string(level), database.Micros(before)); err != nil {
		return fmt.Errorf("expire keys of the barrier: %w", err)
	}
	return nil
}
