package database_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// notes is a business schema: a table of tenants' rows, one that depends on it, and one of no tenant.
func notes(more ...string) database.Set {
	files := fstest.MapFS{"0001_notes.sql": {Data: []byte(`-- +goose Up
CREATE TABLE notes (tenant_id TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE tags (tenant_id TEXT NOT NULL, note_id TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (tenant_id, note_id, tag),
	FOREIGN KEY (tenant_id, note_id) REFERENCES notes (tenant_id, id) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE clocks (id TEXT PRIMARY KEY, ticks BIGINT NOT NULL);
`)}}
	for i, text := range more {
		files[string(rune('2'+i))+"_more.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + text)}
	}
	return database.Set{Name: "notes", FS: files, PerTenant: true}
}

func as(ctx context.Context, tenant string) context.Context { return database.WithTenant(ctx, tenant) }

func write(ctx context.Context, db *database.DB, tenant, id string) error {
	_, err := db.Exec(ctx, "INSERT INTO notes (tenant_id, id, body) VALUES ($1, $2, 'text')", tenant, id)
	return err
}

// seen are the ids of all notes that ctx sees, without any condition, each with its tenant.
func seen(t *testing.T, ctx context.Context, db *database.DB) []string { //nolint:revive // t first reads better in tests
	t.Helper()
	rows, err := db.Query(ctx, "SELECT tenant_id, id FROM notes ORDER BY tenant_id, id")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	all := []string{}
	for rows.Next() {
		var tenant, id string
		require.NoError(t, rows.Scan(&tenant, &id))
		all = append(all, tenant+"/"+id)
	}
	require.NoError(t, rows.Err())
	return all
}

func twoRoles(t *testing.T, connections int) *database.DB {
	t.Helper()
	cfg := dbtest.TwoRoles(t)
	cfg.MaxConnections = connections
	db := dbtest.Open(t, cfg, database.PlatformMigrations(), notes())
	for _, tenant := range []string{"acme", "umbrella"} {
		require.NoError(t, write(as(t.Context(), tenant), db, tenant, "one"))
	}
	return db
}

func TestRowSecurity_StatementWithoutTenantSeesAndChangesNothing(t *testing.T) {
	t.Parallel()
	db := twoRoles(t, 1)
	assert.Empty(t, seen(t, t.Context(), db))
	for _, statement := range []string{"UPDATE notes SET body = 'x'", "DELETE FROM notes"} {
		result, err := db.Exec(t.Context(), statement)
		require.NoError(t, err)
		n, err := result.RowsAffected()
		require.NoError(t, err)
		assert.Zero(t, n, statement)
	}
	require.ErrorContains(t, write(t.Context(), db, "acme", "two"), "row-level security")
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		assert.Empty(t, seen(t, ctx, db))
		return nil
	}))
	assert.Equal(t, []string{"acme/one", "umbrella/one"}, seen(t, as(t.Context(), database.AllTenants), db))
}

func TestRowSecurity_OtherTenantsRowsAreInvisible(t *testing.T) {
	t.Parallel()
	db := twoRoles(t, 4)
	ctx := as(t.Context(), "acme")
	assert.Equal(t, []string{"acme/one"}, seen(t, ctx, db))
	result, err := db.Exec(ctx, "UPDATE notes SET body = 'mine'")
	require.NoError(t, err)
	n, err := result.RowsAffected()
	require.NoError(t, err)
	assert.EqualValues(t, 1, n)
	require.ErrorContains(t, write(ctx, db, "umbrella", "two"), "row-level security")
	_, err = db.Exec(ctx, "UPDATE notes SET tenant_id = 'umbrella', id = 'stolen'")
	require.ErrorContains(t, err, "row-level security")
	var body string
	require.NoError(t, db.QueryRow(as(t.Context(), "umbrella"), "SELECT body FROM notes").Scan(&body))
	assert.Equal(t, "text", body)
}

func TestRowSecurity_TenantSwitchesInsideATransaction(t *testing.T) {
	t.Parallel()
	db := twoRoles(t, 1)
	require.NoError(t, db.InTx(as(t.Context(), "acme"), func(ctx context.Context) error {
		require.NoError(t, write(ctx, db, "acme", "two"))
		require.NoError(t, write(as(ctx, "umbrella"), db, "umbrella", "two"))
		assert.Equal(t, []string{"umbrella/one", "umbrella/two"}, seen(t, as(ctx, "umbrella"), db))
		assert.Equal(t, []string{"acme/one", "acme/two"}, seen(t, ctx, db))
		assert.Empty(t, seen(t, as(ctx, ""), db))
		assert.Len(t, seen(t, as(ctx, database.AllTenants), db), 4)
		assert.Equal(t, []string{"acme/one", "acme/two"}, seen(t, ctx, db))
		return nil
	}))
	assert.Empty(t, seen(t, t.Context(), db))
}

func TestRowSecurity_PartsOfAUnitKeepTheirTenants(t *testing.T) {
	t.Parallel()
	db := twoRoles(t, 1)
	ctx, unit := db.WithUnit(as(t.Context(), "acme"))
	require.NoError(t, write(ctx, db, "acme", "two"))
	err := db.InTx(as(ctx, "umbrella"), func(ctx context.Context) error {
		require.NoError(t, write(ctx, db, "umbrella", "two"))
		return write(ctx, db, "acme", "three") // refused: the part is undone, and its tenant with it
	})
	require.ErrorContains(t, err, "row-level security")
	require.NoError(t, write(ctx, db, "acme", "four"))
	assert.Equal(t, []string{"umbrella/one"}, seen(t, as(ctx, "umbrella"), db))
	err = db.InTx(as(ctx, "umbrella"), func(context.Context) error { return errRefused })
	require.ErrorIs(t, err, errRefused)
	assert.Equal(t, []string{"acme/four", "acme/one", "acme/two"}, seen(t, ctx, db))
	require.NoError(t, unit.Commit(as(ctx, "umbrella"), func(ctx context.Context) error { return write(ctx, db, "umbrella", "five") }))
	assert.Empty(t, seen(t, t.Context(), db))
	assert.Len(t, seen(t, as(t.Context(), database.AllTenants), db), 5)
}
