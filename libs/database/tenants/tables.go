package tenants

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// table is one with a tenant_id, in the schema that all tenants share.
type table struct {
	name     string
	deletion string // deletes up to $2 rows of the tenant $1
	batch    int64
}

// changeTable tells other replicas what has changed, deletions included, and is swept by age.
const changeTable = "changes"

// The catalogue: the tables with a tenant_id, and which table's foreign key refers to which.
const (
	sqliteTables     = `SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'tenant_id' ORDER BY m.name`
	sqliteReferences = `SELECT DISTINCT m.name, f."table" FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`

	postgresTables = `SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace
			AND a.attname = 'tenant_id' AND NOT a.attisdropped ORDER BY c.relname`
	postgresReferences = `SELECT DISTINCT c.relname, p.relname FROM pg_catalog.pg_constraint f
		JOIN pg_catalog.pg_class c ON c.oid = f.conrelid JOIN pg_catalog.pg_class p ON p.oid = f.confrelid
		WHERE f.contype = 'f' AND c.relnamespace = current_schema()::regnamespace AND p.relnamespace = c.relnamespace`
)

// reference says that rows of child must go before those of parent.
type reference struct{ child, parent string }

// tables lists the tables that may hold a tenant's rows, those that refer to others before these.
func (r *Registry) tables(ctx context.Context) ([]table, error) {
	ctx = database.WithTenant(ctx, "") // in the shared schema
	list, refer := sqliteTables, sqliteReferences
	format := `DELETE FROM %[1]s WHERE rowid IN (SELECT rowid FROM %[1]s WHERE tenant_id = $1 LIMIT $2)`
	if r.db.Engine() == database.EnginePostgres {
		list, refer = postgresTables, postgresReferences
		format = `DELETE FROM %[1]s WHERE ctid = ANY (ARRAY(SELECT ctid FROM %[1]s WHERE tenant_id = $1 LIMIT $2))`
	}
	names, err := r.catalogue(ctx, list, 1)
	if err != nil {
		return nil, err
	}
	pairs, err := r.catalogue(ctx, refer, 2)
	if err != nil {
		return nil, err
	}
	references := make([]reference, len(pairs))
	for i, pair := range pairs {
		references[i] = reference{child: pair[0], parent: pair[1]}
	}
	var tables []table
	for _, name := range childrenFirst(names, references) {
		if name == changeTable {
			continue
		}
		t := table{name: name, deletion: fmt.Sprintf(format, `"`+name+`"`), batch: purgeBatch}
		if slices.Contains(references, reference{child: name, parent: name}) {
			t.batch = math.MaxInt64 // its rows refer to each other: all at once, as foreign keys are checked at the end of a statement
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// catalogue reads rows of n texts.
func (r *Registry) catalogue(ctx context.Context, query string, n int) (all [][2]string, err error) {
	rows, err := r.db.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var texts [2]string
		if err := rows.Scan([]any{&texts[0], &texts[1]}[:n]...); err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		all = append(all, texts)
	}
	return all, rows.Err()
}

// childrenFirst orders names so that none comes after one that it refers to. Those in a circle come last, in the order given.
func childrenFirst(names [][2]string, references []reference) []string {
	var left, ordered []string
	for _, name := range names {
		left = append(left, name[0])
	}
	for len(left) > 0 {
		at := slices.IndexFunc(left, func(name string) bool {
			return !slices.ContainsFunc(references, func(r reference) bool {
				return r.parent == name && r.child != name && slices.Contains(left, r.child)
			})
		})
		if at < 0 {
			return append(ordered, left...)
		}
		ordered = append(ordered, left[at])
		left = slices.Delete(left, at, at+1)
	}
	return ordered
}
