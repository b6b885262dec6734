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

// compare fills in the state of each place. Its errors begin with the place.
func (db *DB) compare(ctx context.Context, places []place) error {
	applied, err := db.appliedVersions(ctx, places)
	if err != nil {
		return fmt.Errorf("of all: %w", err)
	}
	for i := range places {
		p := &places[i]
		files, versions, err := p.set.versions()
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		p.files = files
		for _, version := range versions {
			if !slices.Contains(applied[i], version) {
				p.pending++
			}
		}
		newest, known := slices.Max(append(applied[i], 0)), slices.Max(versions)
		if newest > known {
			p.ahead = newest
		}
		if newest/generation > known/generation+1 {
			return fmt.Errorf("%s: %w: it has version %d and this program knows %d: run the newer program", p, ErrSchemaTooNew, newest, known)
		}
	}
	return nil
}

// comparedAtOnce is how many tables of versions one statement reads; SQLite takes up to 500.
const comparedAtOnce = 50

// appliedVersions reads goose's tables, those that exist, for each place.
func (db *DB) appliedVersions(ctx context.Context, places []place) (map[int][]int64, error) {
	exists := `SELECT '', name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'schema\_%' ESCAPE '\'`
	if db.engine == EnginePostgres {
		exists = `SELECT CASE WHEN n.nspname = coalesce(current_schema(), 'public') THEN '' ELSE n.nspname END, c.relname
			FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind = 'r' AND c.relname LIKE 'schema\_%' AND (n.nspname = coalesce(current_schema(), 'public') OR n.nspname LIKE 'tenant\_%')`
	}
	tables := map[[2]string]bool{}
	var schema, table string
	err := db.each(ctx, exists, []any{&schema, &table}, func() { tables[[2]string{schema, table}] = true })
	if err != nil {
		return nil, err
	}
	var selects []string
	for i, p := range places {
		if !setName.MatchString(p.set.Name) || !tables[[2]string{p.schema, p.set.table()}] {
			continue
		}
		name := p.set.table() // checked names, all of them
		if p.schema != "" {
			name = p.schema + "." + name
		}
		selects = append(selects, fmt.Sprintf("SELECT %d, version_id FROM %s WHERE is_applied", i, name))
	}
	applied := map[int][]int64{}
	for some := range slices.Chunk(selects, comparedAtOnce) {
		var i int
		var version int64
		err := db.each(ctx, strings.Join(some, " UNION ALL "), []any{&i, &version}, func() { applied[i] = append(applied[i], version) })
		if err != nil {
			return nil, err
		}
	}
	return applied, nil
}

// each calls fn after each row has been scanned into targets.
func (db *DB) each(ctx context.Context, query string, targets []any, fn func()) (err error) {
	rows, err := db.Query(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		fn()
	}
	return rows.Err()
}

// setName is what the name of a set looks like.
var setName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

func (s Set) table() string { return "schema_" + s.Name }

// versions finds the folder of the files and their versions.
func (s Set) versions() (fs.FS, []int64, error) {
	if !setName.MatchString(s.Name) {
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
