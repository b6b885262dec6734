package database

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

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

// Migrate applies what is missing of each set, in the order given, each migration in its own transaction. Of several processes that
// migrate at once one works and the others wait; with nothing to do it takes no lock and writes nothing.
func (db *DB) Migrate(ctx context.Context, sets ...Set) error {
	for _, set := range sets {
		if err := db.migrate(ctx, set); err != nil {
			return fmt.Errorf("migrate schema %q: %w", set.Name, err)
		}
	}
	return nil
}

// Pending counts the migrations that are not applied yet, without writing. The schema may be newer than the program as [Set] allows;
// beyond that the error is [ErrSchemaTooNew].
func (db *DB) Pending(ctx context.Context, sets ...Set) (int, error) {
	total := 0
	for _, set := range sets {
		state, err := db.schemaState(ctx, set)
		if err != nil {
			return 0, fmt.Errorf("look for pending migrations of schema %q: %w", set.Name, err)
		}
		total += state.pending
	}
	return total, nil
}

func (db *DB) migrate(ctx context.Context, set Set) (err error) {
	state, err := db.schemaState(ctx, set)
	if err != nil {
		return err
	}
	if state.ahead > 0 {
		db.log.Warn("the database's schema is newer than this program", "schema", set.Name, "schema_version", state.ahead)
	}
	if state.pending == 0 {
		return nil
	}
	db.migrating.Lock()
	defer db.migrating.Unlock()
	if db.migrationLock != nil {
		unlock, err := db.migrationLock(ctx)
		if err != nil {
			return fmt.Errorf("wait for the process that migrates: %w", err)
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	pool, done := db.migrations()
	defer func() { err = errors.Join(err, done()) }()

	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithTableName(set.table())}
	dialect := goose.DialectSQLite3
	if db.engine == EnginePostgres {
		dialect = goose.DialectPostgres
		// Tried once a second for five minutes.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, pool, state.files, options...)
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
		db.log.Info("migrated", "schema", set.Name, "version", m.Source.Version, "file", path.Base(m.Source.Path), "duration", m.Duration)
	}
	return nil
}

// schemaState compares a set with the versions that the database has.
type schemaState struct {
	files   fs.FS // the folder with the .sql files
	pending int
	ahead   int64 // the newest version in the database if the program does not know it, else 0
}

func (db *DB) schemaState(ctx context.Context, set Set) (schemaState, error) {
	files, versions, err := set.versions()
	if err != nil {
		return schemaState{}, err
	}
	applied, err := db.appliedVersions(ctx, set.table())
	if err != nil {
		return schemaState{}, err
	}
	state := schemaState{files: files}
	for _, version := range versions {
		if !slices.Contains(applied, version) {
			state.pending++
		}
	}
	newest, known := slices.Max(append(applied, 0)), slices.Max(versions)
	if newest > known {
		state.ahead = newest
	}
	if newest/generation > known/generation+1 {
		return schemaState{}, fmt.Errorf("%w: it has version %d and this program knows %d: run the newer program", ErrSchemaTooNew, newest, known)
	}
	return state, nil
}

// appliedVersions reads goose's table, which may not exist yet.
func (db *DB) appliedVersions(ctx context.Context, table string) ([]int64, error) {
	exists := "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1"
	if db.engine == EnginePostgres {
		exists = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename = $1"
	}
	var tables int
	if err := db.QueryRow(ctx, exists, table).Scan(&tables); err != nil || tables == 0 {
		return nil, err
	}
	rows, err := db.Query(ctx, "SELECT version_id FROM "+table+" WHERE is_applied") // a checked name
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var versions []int64
	for rows.Next() {
		var version int64
		if err := rows.Scan(&version); err != nil {
			return nil, err
		}
		versions = append(versions, version)
	}
	return versions, rows.Err()
}

func (s Set) table() string { return "schema_" + s.Name }

// versions finds the folder of the files and their versions.
func (s Set) versions() (fs.FS, []int64, error) {
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`).MatchString(s.Name) {
		return nil, nil, errors.New("the name of the set is not of lower-case letters, digits and underscores")
	}
	if s.FS == nil {
		return nil, nil, errors.New("the set has no files")
	}
	var folders []string
	var versions []int64
	err := fs.WalkDir(s.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".sql" {
			return err
		}
		version, err := goose.NumericComponent(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		text, err := fs.ReadFile(s.FS, name)
		if err != nil {
			return err
		}
		if strings.Contains(string(text), "+goose Down") {
			return fmt.Errorf("%s: migrations go forward only: remove the Down section", name)
		}
		folders = append(folders, path.Dir(name))
		versions = append(versions, version)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	folders = slices.Compact(folders)
	if len(folders) != 1 {
		return nil, nil, fmt.Errorf("the .sql files lie in %d folders, not in one", len(folders))
	}
	files, err := fs.Sub(s.FS, folders[0])
	return files, versions, err
}
