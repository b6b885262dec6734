// Package sqlstore keeps the JWK Authority's keys and profiles in SQLite or PostgreSQL. Its main type is Store, which implements
// authority.Store.
//
// Every statement is constant text for both engines, names the tenant first, and runs bound to it (database.WithTenant).
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the service's set of schema changes. A tenant that has a schema of its own has these tables there.
func Migrations() (database.Set, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return database.Set{}, fmt.Errorf("open migrations: %w", err)
	}
	return database.Set{Name: "jose", FS: files, PerTenant: true}, nil
}

// Store is an authority.Store on SQL. It is safe for concurrent use.
type Store struct {
	db *database.DB
}

var _ authority.Store = (*Store)(nil)

// New returns a Store on a migrated database.
func New(db *database.DB) *Store { return &Store{db: db} }

// InTx implements authority.Store.
func (s *Store) InTx(ctx context.Context, fn func(context.Context) error) error {
	return s.db.InTx(ctx, fn)
}

// Kinds of changes in the change sequence.
const (
	changeKey     = "jose/key"     // of a key, or of one of its versions
	changeName    = "jose/name"    // of what the name of a key stands for
	changeSet     = "jose/set"     // of anything that the public key set shows
	changeProfile = "jose/profile" // of any profile, by tenant
)

// theSet is the id under which a tenant's public key set stands in the change sequence.
const theSet = "set"

// noteKey tells the other replicas that a key, or one of its versions, has changed.
func (s *Store) noteKey(ctx context.Context, tenant, id string) error {
	if err := changes.Note(ctx, s.db, tenant, changeKey, id); err != nil {
		return err
	}
	return changes.Note(ctx, s.db, tenant, changeSet, theSet)
}

// notFound turns "no row" into the store's own error.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return authority.ErrNotFound
	}
	return err
}

// stale turns "no row was as it should be" into the store's own error.
func stale(what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return authority.ErrStale
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
