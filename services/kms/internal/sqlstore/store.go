// Package sqlstore keeps the KMS's keys in SQLite or PostgreSQL. Its main type is Store, which implements keyring.Store.
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

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the KMS's set of schema changes. A tenant that has a schema of its own has these tables there.
func Migrations() (database.Set, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return database.Set{}, fmt.Errorf("open migrations: %w", err)
	}
	return database.Set{Name: "kms", FS: files, PerTenant: true}, nil
}

// Store is a keyring.Store on SQL. It is safe for concurrent use.
type Store struct {
	db      *database.DB
	secrets Secrets
	alarm   func(keyring.IntegrityError)
}

var _ keyring.Store = (*Store)(nil)

// New returns a Store on a migrated database. Its rows are sealed under a key of the secrets; alarm is told of each one that somebody else has
// changed, and must be quick, nil for nobody.
func New(db *database.DB, secrets Secrets, alarm func(keyring.IntegrityError)) *Store {
	return &Store{db: db, secrets: secrets, alarm: alarm}
}

// InTx implements keyring.Transactor.
func (s *Store) InTx(ctx context.Context, fn func(context.Context) error) error {
	return s.db.InTx(ctx, fn)
}

// notFound turns "no row" into the store's own error.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return keyring.ErrNotFound
	}
	return err
}
