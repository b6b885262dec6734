package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// policyName is the policy on each table that has a tenant_id. A policy with another text gets another name.
const policyName = "cryptoutil_tenant"

// policy shows a row to its tenant, and to work that spans tenants. A statement that is bound to no tenant sees the rows that belong to none, such
// as the barrier's root key, whose tenant_id is empty. Without WITH CHECK the same holds for what is written.
const policy = `USING (tenant_id = coalesce(current_setting('` + tenantSetting + `', true), '')
	OR current_setting('` + tenantSetting + `', true) = '` + AllTenants + `')`

// exempt are tables with a tenant_id that are read as a whole: every replica follows the changes of all tenants.
func exempt(table string) bool { return table == "changes" }

// securedTable is what the catalogue says of one table.
type securedTable struct {
	schema, name string
	tenanted     bool // it has a tenant_id, is not exempt, and is to be guarded
	guarded      bool // the policy is there and forced
	widened      bool // another policy lets more through
	owned        bool // the application's role owns it, or can become its owner
	ours         bool // the role of the connection owns it
	granted      bool // the application's role may do what it must
}

// selectTables lists the tables of the shared schema and those of tenants for an application's role. Tables of versions are read by it and
// written by the owner. A role without any right on the shared schema has no current one: that is public then.
const selectTables = `
	SELECT n.nspname, c.relname,
		EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped),
		c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_catalog.pg_policy p
			WHERE p.polrelid = c.oid AND p.polname = $2 AND p.polcmd = '*' AND p.polpermissive AND p.polroles = '{0}'),
		EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid AND p.polname <> $2 AND p.polpermissive),
		pg_has_role($1::name, c.relowner, 'MEMBER'),
		pg_has_role(c.relowner, 'USAGE'),
		has_schema_privilege($1::name, n.oid, 'USAGE') AND has_table_privilege($1::name, c.oid, 'SELECT') AND (c.relname LIKE 'schema\_%'
			OR (has_table_privilege($1::name, c.oid, 'INSERT') AND has_table_privilege($1::name, c.oid, 'UPDATE')
				AND has_table_privilege($1::name, c.oid, 'DELETE')))
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p') AND (n.nspname = coalesce(current_schema(), 'public') OR n.nspname LIKE $3)
	ORDER BY n.nspname, c.relname`

// querier is what sql.DB and sql.Tx have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (t *tenancy) tables(ctx context.Context, from querier) (tables []securedTable, err error) {
	rows, err := from.QueryContext(ctx, selectTables, t.role, policyName, schemaPattern)
	if err != nil {
		return nil, asUnavailable(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var table securedTable
		if err := rows.Scan(&table.schema, &table.name, &table.tenanted, &table.guarded, &table.widened, &table.owned, &table.ours, &table.granted); err != nil {
			return nil, err
		}
		table.tenanted = table.tenanted && !exempt(table.name) && t.security != RowSecurityOff
		tables = append(tables, table)
	}
	return tables, asUnavailable(rows.Err())
}

// incomplete says whether the owner has something to do.
func (t securedTable) incomplete() bool {
	return !t.owned && (!t.granted || (t.tenanted && !t.guarded))
}

// secure gives the application's role its rights and the tables their policy, where they are missing.
func (db *DB) secure(ctx context.Context) (err error) {
	t := db.tenancy
	if t == nil || !t.twoRoles {
		return nil
	}
	tables, err := t.tables(ctx, db.writer)
	if err != nil || !slices.ContainsFunc(tables, securedTable.incomplete) {
		return err
	}
	pool, done := db.migrations("")
	defer func() { err = errors.Join(err, done()) }()
	schemas := map[string]bool{}
	for _, table := range tables {
		if !table.incomplete() || schemas[table.schema] {
			continue
		}
		schemas[table.schema] = true
		if err := t.secureSchema(ctx, pool, table.schema); err != nil {
			return fmt.Errorf("schema %s: %w", table.schema, asUnavailable(err))
		}
	}
	return nil
}

// secureLock keeps two processes from securing at once.
const secureLock = int64(0x63727970746f7570)

// secureSchema secures the tables of one schema in one transaction, so that the application's role comes to no table before its policy does.
func (t *tenancy) secureSchema(ctx context.Context, owner *sql.DB, schema string) error {
	tx, err := owner.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", secureLock); err != nil {
		return err
	}
	tables, err := t.tables(ctx, tx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if table.schema != schema || !table.incomplete() || !table.ours {
			continue
		}
		for _, statement := range t.securing(table) {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("table %s: %w", table.name, err)
			}
		}
	}
	return tx.Commit()
}

// securing are the statements that a table lacks.
func (t *tenancy) securing(table securedTable) []string {
	name := pgx.Identifier{table.schema, table.name}.Sanitize()
	role := pgx.Identifier{t.role}.Sanitize()
	var statements []string
	if table.tenanted && !table.guarded {
		statements = append(statements,
			"ALTER TABLE "+name+" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
			"DROP POLICY IF EXISTS "+policyName+" ON "+name,
			"CREATE POLICY "+policyName+" ON "+name+" "+policy)
	}
	if !table.granted {
		rights := "SELECT, INSERT, UPDATE, DELETE"
		if strings.HasPrefix(table.name, "schema_") {
			rights = "SELECT"
		}
		statements = append(statements,
			"GRANT USAGE ON SCHEMA "+pgx.Identifier{table.schema}.Sanitize()+" TO "+role,
			"GRANT "+rights+" ON "+name+" TO "+role)
	}
	return statements
}
