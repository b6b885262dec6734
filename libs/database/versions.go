package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

// schemaState compares a set with the versions that the database has.
type schemaState struct {
	files   fs.FS // the folder with the .sql files
	pending int
	ahead   int64 // the newest version in the database if the program does not know it, else 0
}

func (db *DB) schemaState(ctx context.Context, set Set, schema string) (schemaState, error) {
	files, versions, err := set.versions()
	if err != nil {
		return schemaState{}, err
	}
	applied, err := db.appliedVersions(ctx, schema, set.table())
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
func (db *DB) appliedVersions(ctx context.Context, schema, table string) ([]int64, error) {
	exists := "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1 AND $2 = ''"
	if db.engine == EnginePostgres {
		exists = "SELECT count(*) FROM pg_catalog.pg_tables WHERE tablename = $1 AND schemaname = CASE WHEN $2 = '' THEN coalesce(current_schema(), 'public') ELSE $2 END"
	}
	var tables int
	if err := db.QueryRow(ctx, exists, table, schema).Scan(&tables); err != nil || tables == 0 {
		return nil, err
	}
	if schema != "" {
		table = schema + "." + table
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
