package database

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// generation is how many version numbers one generation of a schema has; see [Set].
const generation = 1000

// Set is one schema: migrations that build on each other. The platform has one, each service another, in the same database.
//
// Its .sql files lie in one folder of FS, named by their version ("0001_keys.sql"), in goose's format, forward only: a "-- +goose Up"
// section and no Down. What is released is never edited.
//
// Two releases run side by side during an update, and an update may be taken back, so a program accepts a schema that is ahead of
// it, by one generation. A generation is a thousand version numbers (1 to 999, 1000 to 1999, ...), and each release that brings
// migrations begins a new one. A migration must therefore be safe while a program of the generation before runs: add tables, and
// columns with defaults; remove a thing one generation after its last use. Two or more generations ahead a program refuses to run.
type Set struct {
	// Name makes the name of the table of applied versions, schema_<name>. Lower-case letters, digits, underscores.
	Name string
	FS   fs.FS
	// PerTenant has the set applied in the schema of each tenant that has one, too. Its migrations may use only its own tables.
	PerTenant bool
}

//go:embed migrations/*.sql
var platformMigrations embed.FS

// PlatformMigrations is the schema that every service has: the tables of barrierstore and idempotency.
func PlatformMigrations() Set { return Set{Name: "platform", FS: platformMigrations} }

// Migrate applies what is missing of each set, in the order given, each migration in its own transaction; afterwards, of the sets with
// PerTenant, what is missing in the schema of each tenant that has one. It may be cut off at any point and goes on when called again. Of
// several processes that migrate at once one works and the others wait; with nothing to do it takes no lock and writes nothing.
//
// On PostgreSQL with an owner of the tables ([Config.Owner]) it then gives the application's role its rights and switches row-level
// security on for each table that has a tenant_id, and finds out whether that security holds; see [Config.RowSecurity].
func (db *DB) Migrate(ctx context.Context, sets ...Set) error {
	ctx = WithTenant(ctx, "")
	if err := db.secure(ctx); err != nil { // an earlier run may have been cut off before it came to this
		return fmt.Errorf("secure tables: %w", err)
	}
	pending, err := db.pending(ctx, sets)
	if err != nil {
		return fmt.Errorf("migrate schema %w", err)
	}
	for _, p := range pending {
		if p.ahead > 0 {
			db.log.Warn("the database's schema is newer than this program", "schema", p.set.Name, "tenant_schema", p.schema, "schema_version", p.ahead)
		}
	}
	if slices.ContainsFunc(pending, func(p place) bool { return p.pending > 0 }) {
		if err := db.migrateAll(ctx, sets); err != nil {
			return fmt.Errorf("migrate schema %w", err)
		}
		if err := db.secure(ctx); err != nil {
			return fmt.Errorf("secure tables: %w", err)
		}
	}
	return db.checkRowSecurity(ctx)
}

// Pending counts the migrations that are not applied yet, without writing. The schema may be newer than the program as [Set] allows;
// beyond that the error is [ErrSchemaTooNew].
func (db *DB) Pending(ctx context.Context, sets ...Set) (int, error) {
	places, err := db.pending(WithTenant(ctx, ""), sets)
	if err != nil {
		return 0, fmt.Errorf("look for pending migrations of schema %w", err)
	}
	total := 0
	for _, p := range places {
		total += p.pending
	}
	return total, nil
}

// place is a set where it is, or is to be: in a tenant's schema, or, with none, in the one that all share.
type place struct {
	set    Set
	schema string
	schemaState
}

// String names the place in errors.
func (p place) String() string {
	if p.schema == "" {
		return strconv.Quote(p.set.Name)
	}
	return fmt.Sprintf("%q of %s", p.set.Name, p.schema)
}

// pending compares each set with each schema that it belongs into, those of tenants last. Its errors begin with the place.
func (db *DB) pending(ctx context.Context, sets []Set) ([]place, error) {
	places := shared(sets)
	schemas, err := db.tenantSchemas(ctx)
	if err != nil {
		return nil, fmt.Errorf("of tenants: %w", err)
	}
	for _, schema := range schemas {
		places = append(places, perTenant(schema, sets)...)
	}
	return places, db.compare(ctx, places)
}

// shared are the places of the sets in the schema that all share.
func shared(sets []Set) []place {
	var places []place
	for _, set := range sets {
		places = append(places, place{set: set})
	}
	return places
}

// perTenant are their places in the schema of a tenant.
func perTenant(schema string, sets []Set) []place {
	var places []place
	for _, set := range sets {
		if set.PerTenant {
			places = append(places, place{set: set, schema: schema})
		}
	}
	return places
}

// migrateAll applies what is missing under the lock of who migrates. Under it everything is looked up again.
func (db *DB) migrateAll(ctx context.Context, sets []Set) (err error) {
	unlock, err := db.lockMigrations(ctx)
	if err != nil {
		return fmt.Errorf("of all: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	places, err := db.pending(ctx, sets)
	if err != nil {
		return err
	}
	for _, p := range places {
		if p.pending == 0 {
			continue
		}
		if err := db.apply(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

// lockMigrations waits for whoever else migrates this database.
func (db *DB) lockMigrations(ctx context.Context) (unlock func() error, err error) {
	db.migrating.Lock()
	if db.migrationLock == nil {
		return func() error { db.migrating.Unlock(); return nil }, nil
	}
	release, err := db.migrationLock(ctx)
	if err != nil {
		db.migrating.Unlock()
		return nil, fmt.Errorf("wait for the process that migrates: %w", asUnavailable(err))
	}
	return func() error { defer db.migrating.Unlock(); return release() }, nil
}

// apply brings one place up to date.
func (db *DB) apply(ctx context.Context, p place) (err error) {
	pool, done := db.migrations(p.schema)
	defer func() { err = errors.Join(err, done()) }()

	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithTableName(p.set.table())}
	dialect := goose.DialectSQLite3
	if db.engine == EnginePostgres {
		dialect = goose.DialectPostgres
		// The release before held this lock alone. Tried once a second for five minutes.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, pool, p.files, options...)
	if err != nil {
		return err
	}
	applied, err := provider.Up(ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		return fmt.Errorf("%s: %w", path.Base(partial.Failed.Source.Path), asUnavailable(partial.Err))
	}
	if err != nil {
		return asUnavailable(err)
	}
	for _, m := range applied {
		db.log.Info("migrated", "schema", p.set.Name, "tenant_schema", p.schema, "version", m.Source.Version,
			"file", path.Base(m.Source.Path), "duration", m.Duration)
	}
	return nil
}
