// Package sqlstore keeps the certification authority's state in SQLite or PostgreSQL. Its main type is Store, which implements the store
// interfaces of the packages of the domain.
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

	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the service's set of schema changes. A tenant that has a schema of its own has these tables there.
func Migrations() (database.Set, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return database.Set{}, fmt.Errorf("open migrations: %w", err)
	}
	return database.Set{Name: "ca", FS: files, PerTenant: true}, nil
}

// Store is the state on SQL. It is safe for concurrent use.
type Store struct {
	db *database.DB
}

var _ hierarchy.Store = (*Store)(nil)

// New returns a Store on a migrated database.
func New(db *database.DB) *Store { return &Store{db: db} }

// InTx implements the store interfaces.
func (s *Store) InTx(ctx context.Context, fn func(context.Context) error) error {
	return s.db.InTx(ctx, fn)
}

// Kinds of changes in the change sequence.
const (
	changeCA   = "ca/authority" // of a CA, or of its certificates
	changeName = "ca/name"      // of what the name of a CA stands for
	changeAll  = "ca/all"       // of any CA, by tenant
)

// theAll is the id under which all CAs of a tenant stand in the change sequence.
const theAll = "all"

// noteCA tells the other replicas that a CA has changed.
func (s *Store) noteCA(ctx context.Context, tenant, id string) error {
	if err := changes.Note(ctx, s.db, tenant, changeCA, id); err != nil {
		return err
	}
	return changes.Note(ctx, s.db, tenant, changeAll, theAll)
}

// missing turns "no row" into one of the domain's errors.
func missing(as, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return as
	}
	return err
}
