package database_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func sharedAndNotes(more ...string) []database.Set {
	return []database.Set{database.PlatformMigrations(), notes(more...)}
}

// addTenant does what package tenants does.
func addTenant(ctx context.Context, db *database.DB, tenant, isolation string, sets ...database.Set) error {
	if isolation == "schema" {
		if err := db.CreateTenantSchema(ctx, tenant, sets...); err != nil {
			return err
		}
	}
	_, err := db.Exec(ctx, `INSERT INTO tenants (id, name, status, isolation, created_at, updated_at, delete_after, purge_began_at, version)
		VALUES ($1, '', 'active', $2, 0, 0, 0, 0, 1)`, tenant, isolation)
	return err
}

// mixed has acme and umbrella-1 in schemas of their own and shared in the shared one, on a single connection, each with a note.
func mixed(t *testing.T) *database.DB {
	t.Helper()
	cfg := dbtest.TwoRoles(t)
	cfg.MaxConnections = 1
	db := dbtest.Open(t, cfg, sharedAndNotes()...)
	for tenant, isolation := range map[string]string{"acme": "schema", "umbrella-1": "schema", "shared": "row"} {
		require.NoError(t, addTenant(t.Context(), db, tenant, isolation, sharedAndNotes()...))
		require.NoError(t, write(as(t.Context(), tenant), db, tenant, "one"))
	}
	return db
}

// in counts the notes in a schema, whatever the search path.
func in(t *testing.T, db *database.DB, schema, tenant string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(as(t.Context(), tenant), "SELECT count(*) FROM "+schema+".notes").Scan(&n))
	return n
}

func TestSchema_RowsLieWhereTheTenantHasThem(t *testing.T) {
	t.Parallel()
	db := mixed(t)
	assert.Equal(t, 1, in(t, db, "tenant_acme", database.AllTenants))
	assert.Equal(t, 1, in(t, db, "tenant_umbrella_1", database.AllTenants))
	assert.Equal(t, 1, in(t, db, "public", database.AllTenants))
	for _, tenant := range []string{"acme", "shared", "umbrella-1", "shared", "acme"} { // one connection serves them all
		assert.Equal(t, []string{tenant + "/one"}, seen(t, as(t.Context(), tenant), db))
		assert.Empty(t, seen(t, t.Context(), db), "what the connection served before shows")
	}
	assert.Equal(t, []string{"shared/one"}, seen(t, as(t.Context(), database.AllTenants), db))
	assert.Zero(t, in(t, db, "tenant_acme", "umbrella-1"), "the policy holds in the schemas, too")
	assert.Equal(t, []string{}, seen(t, as(t.Context(), "nobody"), db))
}

func TestSchema_PlatformTablesAreShared(t *testing.T) {
	t.Parallel()
	db := mixed(t)
	for _, tenant := range []string{"acme", "shared"} {
		_, err := db.Exec(as(t.Context(), tenant), `INSERT INTO barrier_keys (tenant_id, level, version, id, parent_id, jwe, created_at)
			VALUES ($1, 'intermediate', 1, $1, '', '', 0)`, tenant)
		require.NoError(t, err)
	}
	var n int
	require.NoError(t, db.QueryRow(as(t.Context(), database.AllTenants), "SELECT count(*) FROM public.barrier_keys").Scan(&n))
	assert.Equal(t, 2, n)
	require.NoError(t, db.QueryRow(as(t.Context(), "acme"), "SELECT count(*) FROM barrier_keys").Scan(&n))
	assert.Equal(t, 1, n)
}

func TestSchema_TenantSwitchesInsideATransaction(t *testing.T) {
	t.Parallel()
	db := mixed(t)
	require.NoError(t, db.InTx(as(t.Context(), "acme"), func(ctx context.Context) error {
		for _, tenant := range []string{"acme", "umbrella-1", "shared", "acme", "shared", "umbrella-1"} {
			assert.Equal(t, []string{tenant + "/one"}, seen(t, as(ctx, tenant), db))
			assert.Empty(t, seen(t, as(ctx, ""), db))
		}
		return write(as(ctx, "shared"), db, "shared", "two")
	}))
	ctx, unit := db.WithUnit(as(t.Context(), "acme"))
	require.NoError(t, write(ctx, db, "acme", "two"))
	err := db.InTx(as(ctx, "shared"), func(ctx context.Context) error {
		require.NoError(t, write(as(ctx, "umbrella-1"), db, "umbrella-1", "undone"))
		return errRefused
	})
	require.ErrorIs(t, err, errRefused)
	assert.Equal(t, []string{"shared/one", "shared/two"}, seen(t, as(ctx, "shared"), db))
	assert.Equal(t, []string{"acme/one", "acme/two"}, seen(t, ctx, db))
	assert.Equal(t, []string{"umbrella-1/one"}, seen(t, as(ctx, "umbrella-1"), db))
	unit.Rollback()
	assert.Equal(t, 1, in(t, db, "tenant_acme", "acme"))
	assert.Equal(t, 2, in(t, db, "public", "shared"))
}

func TestSchema_TemporaryTableTakesNoPlace(t *testing.T) {
	t.Parallel()
	db := mixed(t)
	_, err := db.Exec(t.Context(), "CREATE TEMPORARY TABLE notes (tenant_id TEXT, id TEXT, body TEXT)")
	require.NoError(t, err)
	require.NoError(t, write(as(t.Context(), "acme"), db, "acme", "two"))
	assert.Equal(t, 2, in(t, db, "tenant_acme", "acme"))
}

func TestSchema_ApplicationCanOnlyReadAndWriteRows(t *testing.T) {
	t.Parallel()
	db := mixed(t)
	for _, tenant := range []string{"", "acme", "shared"} {
		for _, statement := range []string{
			"CREATE TABLE extra (id TEXT)", "ALTER TABLE notes ADD COLUMN more TEXT", "DROP TABLE tags", "TRUNCATE notes", "CREATE SCHEMA other",
			"DROP POLICY cryptoutil_tenant ON notes", "ALTER TABLE notes DISABLE ROW LEVEL SECURITY", "SET ROLE postgres",
			"CREATE VIEW tenant_acme.leak AS SELECT 1", "INSERT INTO schema_notes (version_id, is_applied) VALUES (99, true)",
		} {
			_, err := db.Exec(as(t.Context(), tenant), statement)
			require.Error(t, err, statement)
		}
	}
}

func TestSchema_LimitAndAbsence(t *testing.T) {
	t.Parallel()
	cfg := dbtest.TwoRoles(t)
	cfg.SchemaTenants = 2
	db := dbtest.Open(t, cfg, sharedAndNotes()...)
	for _, tenant := range []string{"a-b", "ab", "ab"} {
		require.NoError(t, db.CreateTenantSchema(t.Context(), tenant, sharedAndNotes()...), "again is no harm")
	}
	require.ErrorIs(t, db.CreateTenantSchema(t.Context(), "c", sharedAndNotes()...), database.ErrTenantSchemas)
	require.ErrorContains(t, db.CreateTenantSchema(t.Context(), `x"; DROP`, sharedAndNotes()...), "malformed")
	require.ErrorContains(t, db.DropTenantSchema(t.Context(), `x"; DROP`), "malformed")
	require.NoError(t, db.DropTenantSchema(t.Context(), "ab"))
	require.NoError(t, db.DropTenantSchema(t.Context(), "ab"))
	require.NoError(t, db.CreateTenantSchema(t.Context(), "c", sharedAndNotes()...))
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		require.ErrorIs(t, db.CreateTenantSchema(ctx, "c"), database.ErrInTransaction)
		require.ErrorIs(t, db.DropTenantSchema(ctx, "c"), database.ErrInTransaction)
		return nil
	}))

	off := cfg
	off.SchemaTenants = 0
	db = dbtest.Open(t, off, sharedAndNotes()...)
	assert.True(t, db.TenantSchemas(), "those that are there are used")
	require.ErrorIs(t, db.CreateTenantSchema(t.Context(), "d"), database.ErrTenantSchemas)
	dbtest.Each(t, sharedAndNotes(), func(t *testing.T, db *database.DB) {
		require.ErrorIs(t, db.CreateTenantSchema(t.Context(), "a"), database.ErrTenantSchemas)
		require.NoError(t, db.DropTenantSchema(t.Context(), "a"))
	})
}

func TestSchema_MigratesWithTheRest(t *testing.T) {
	t.Parallel()
	cfg := dbtest.TwoRoles(t)
	db := dbtest.Open(t, cfg, sharedAndNotes()...)
	for _, tenant := range []string{"acme", "umbrella"} {
		require.NoError(t, addTenant(t.Context(), db, tenant, "schema", sharedAndNotes()...))
	}
	newer := sharedAndNotes("ALTER TABLE notes ADD COLUMN color TEXT NOT NULL DEFAULT 'red';", "CREATE TABLE lists (tenant_id TEXT PRIMARY KEY);")
	pending, err := db.Pending(t.Context(), newer...)
	require.NoError(t, err)
	assert.Equal(t, 6, pending, "two in each of three schemas")

	next := dbtest.Open(t, cfg, newer...)
	pending, err = db.Pending(t.Context(), newer...)
	require.NoError(t, err)
	assert.Zero(t, pending)
	require.NoError(t, write(as(t.Context(), "acme"), db, "acme", "one"), "the program of before goes on")
	var color string
	require.NoError(t, next.QueryRow(as(t.Context(), "acme"), "SELECT color FROM notes").Scan(&color))
	assert.Equal(t, "red", color)
	_, err = next.Exec(as(t.Context(), "umbrella"), "INSERT INTO lists (tenant_id) VALUES ('umbrella')")
	require.NoError(t, err)
	_, err = next.Exec(as(t.Context(), "umbrella"), "INSERT INTO lists (tenant_id) VALUES ('acme')")
	require.ErrorContains(t, err, "row-level security", "new tables have the policy, in each schema")
	require.ErrorIs(t, addTenant(t.Context(), db, "late", "schema", sharedAndNotes()...), database.ErrSchemaTooNew)
	require.NoError(t, addTenant(t.Context(), next, "late", "schema", newer...))
	ready, err := db.TenantSchemaReady(t.Context(), "late", newer...)
	require.NoError(t, err)
	assert.True(t, ready)
}
