package dbtest_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// notes is a set that no other test has.
func notes(name string) database.Set {
	return database.Set{Name: "notes", PerTenant: true, FS: fstest.MapFS{"0001_notes.sql": {Data: []byte("-- +goose Up\n" +
		"CREATE TABLE notes_" + name + " (tenant_id TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (tenant_id, id));\n" +
		"CREATE INDEX notes_" + name + "_by_id ON notes_" + name + " (id);")}}}
}

// catalogue is everything that a database consists of, in words.
func catalogue(t *testing.T, db *database.DB) (lines []string) {
	t.Helper()
	query := `SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master
		UNION ALL SELECT 'encoding ' || encoding FROM pragma_encoding UNION ALL SELECT 'page size ' || page_size FROM pragma_page_size
		UNION ALL SELECT 'journal ' || journal_mode FROM pragma_journal_mode ORDER BY 1`
	if db.Engine() == database.EnginePostgres {
		query = `SELECT concat_ws(' ', n.nspname, c.relkind, c.relname, CASE WHEN pg_get_userbyid(c.relowner) = current_user THEN 'mine' ELSE 'not mine' END,
				c.relrowsecurity, c.relforcerowsecurity, c.relacl IS NULL, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
				pg_get_expr(d.adbin, d.adrelid), pg_get_indexdef(c.oid))
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
			LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
			WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
			UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid > 16383
			UNION ALL SELECT concat_ws(' ', polrelid::regclass, polname, pg_get_expr(polqual, polrelid)) FROM pg_policy
			UNION ALL SELECT 'routine ' || oid::regprocedure FROM pg_proc WHERE oid > 16383
			UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1`
	}
	rows, err := db.Query(t.Context(), query)
	require.NoError(t, err)
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		lines = append(lines, line)
	}
	require.NoError(t, rows.Close())
	require.NotEmpty(t, lines)
	return lines
}

// A template that is not what Migrate makes would have every other test look at something else: the layout needs a new name.
func TestFresh_ACopyIsWhatMigrateMakes(t *testing.T) {
	t.Parallel()
	sets := []database.Set{database.PlatformMigrations(), notes("kept")}
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			migrated := catalogue(t, dbtest.Open(t, dbtest.Fresh(t, engine), sets...))
			assert.Equal(t, migrated, catalogue(t, dbtest.Open(t, dbtest.Fresh(t, engine, sets...))), "without Migrate")
			assert.Equal(t, migrated, catalogue(t, dbtest.Open(t, dbtest.Fresh(t, engine, sets...), sets...)))
		})
	}
	t.Run("two roles", func(t *testing.T) {
		t.Parallel()
		assert.Equal(t,
			catalogue(t, dbtest.Open(t, dbtest.TwoRoles(t), sets...)),
			catalogue(t, dbtest.Open(t, dbtest.TwoRoles(t, sets...), sets...)))
	})
}

func TestFresh_WhoAsksAtOnceForNewSetsGetsThem(t *testing.T) {
	t.Parallel()
	const name = "asked_at_once"
	for range 3 {
		t.Run("test", func(t *testing.T) {
			t.Parallel()
			dbtest.EachTenancy(t, []database.Set{notes(name)}, func(t *testing.T, db *database.DB) {
				ctx := database.WithTenant(t.Context(), "acme")
				_, err := db.Exec(ctx, "INSERT INTO notes_"+name+" (tenant_id, id) VALUES ($1, $2)", "acme", "1")
				require.NoError(t, err, "another test's row is here")
				_, err = db.Exec(ctx, "CREATE TABLE theirs (id TEXT)")
				if err == nil {
					return // the one role may
				}
				var mine bool
				require.NoError(t, db.QueryRow(ctx, "SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class WHERE relname = lower($1)", "notes_"+name).Scan(&mine))
				assert.False(t, mine, "the application's role owns a table")
			})
		})
	}
}
