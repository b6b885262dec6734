package database_test

import (
	"bytes"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// asAdministrator is cfg with the role that CREATE DATABASE took, a superuser.
func asAdministrator(t *testing.T, cfg database.Config) database.Config {
	t.Helper()
	admin := dbtest.Fresh(t, database.EnginePostgres)
	u, err := url.Parse(cfg.URL)
	require.NoError(t, err)
	a, err := url.Parse(admin.URL)
	require.NoError(t, err)
	a.Path = u.Path
	admin.URL = a.String()
	return admin
}

func TestMigrate_SaysWhenRowSecurityDoesNotHold(t *testing.T) {
	t.Parallel()
	cfg := dbtest.TwoRoles(t)
	sets := sharedAndNotes()
	db := dbtest.Open(t, cfg, sets...)
	problems, err := db.RowSecurityProblems(t.Context())
	require.NoError(t, err)
	require.Empty(t, problems)
	admin := dbtest.Open(t, asAdministrator(t, cfg))
	u, err := url.Parse(cfg.URL)
	require.NoError(t, err)
	role := u.User.Username()

	for _, breach := range []struct{ do, want, undo string }{
		{"ALTER ROLE " + role + " BYPASSRLS", "has BYPASSRLS", "ALTER ROLE " + role + " NOBYPASSRLS"},
		{"ALTER ROLE " + role + " SUPERUSER", "is a superuser", "ALTER ROLE " + role + " NOSUPERUSER"},
		{"ALTER TABLE tags OWNER TO " + role, "public.tags: owned by the role " + role, "ALTER TABLE tags OWNER TO " + strings.Replace(role, "app_", "owner_", 1)},
		{"CREATE POLICY more ON notes USING (true)", "public.notes: with a policy beside", "DROP POLICY more ON notes"},
		{
			"GRANT " + strings.Replace(role, "app_", "owner_", 1) + " TO " + role, "and 9 more: owned by",
			"REVOKE " + strings.Replace(role, "app_", "owner_", 1) + " FROM " + role,
		},
	} {
		_, err := admin.Exec(t.Context(), breach.do)
		require.NoError(t, err)
		err = db.Migrate(t.Context(), sets...)
		require.ErrorIs(t, err, database.ErrRowSecurity, breach.do)
		if !strings.Contains(breach.want, "9 more") {
			require.ErrorContains(t, err, breach.want)
		}

		var log bytes.Buffer
		lenient := cfg
		lenient.RowSecurity = ""
		other, err := database.Open(t.Context(), lenient, database.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		require.NoError(t, other.Migrate(t.Context(), sets...))
		require.NoError(t, other.Close())
		assert.Contains(t, log.String(), "row-level security does not hold this service back")
		_, err = admin.Exec(t.Context(), breach.undo)
		require.NoError(t, err)
		require.NoError(t, db.Migrate(t.Context(), sets...))
	}
	// What the owner can repair is repaired.
	for _, breach := range []string{
		"DROP POLICY cryptoutil_tenant ON notes", "ALTER TABLE notes DISABLE ROW LEVEL SECURITY", "ALTER TABLE notes NO FORCE ROW LEVEL SECURITY",
		"REVOKE UPDATE ON notes FROM " + role, "REVOKE USAGE ON SCHEMA public FROM PUBLIC, " + role,
	} {
		_, err := admin.Exec(t.Context(), breach)
		require.NoError(t, err)
		require.NoError(t, db.Migrate(t.Context(), sets...), breach)
		assert.Equal(t, []string{}, seen(t, t.Context(), db))
	}
}

func TestMigrate_InADatabaseWhosePublicSchemaIsClosed(t *testing.T) {
	t.Parallel()
	cfg := dbtest.TwoRoles(t)
	_, err := dbtest.Open(t, asAdministrator(t, cfg)).Exec(t.Context(), "REVOKE ALL ON SCHEMA public FROM PUBLIC")
	require.NoError(t, err)
	db := dbtest.Open(t, cfg, sharedAndNotes()...)
	require.NoError(t, write(as(t.Context(), "acme"), db, "acme", "one"))
	assert.Empty(t, seen(t, t.Context(), db))
}

func TestMigrate_OneRoleIsWarnedOfOrRefused(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EnginePostgres)
	dbtest.Open(t, cfg, sharedAndNotes()...)
	cfg.RowSecurity = database.RowSecurityRequire
	db, err := database.Open(t.Context(), cfg, dbtest.Options(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.ErrorIs(t, db.Migrate(t.Context(), sharedAndNotes()...), database.ErrRowSecurity)
}

func TestOpen_FindsPoliciesThatAnotherProcessMade(t *testing.T) {
	t.Parallel()
	cfg := dbtest.TwoRoles(t)
	dbtest.Open(t, cfg, sharedAndNotes()...)
	cfg.Owner, cfg.RowSecurity, cfg.SchemaTenants = database.Owner{}, "", 0 // as where the owner's password is given to a job that migrates
	db := dbtest.Open(t, cfg, sharedAndNotes()...)
	require.True(t, db.RowSecurity())
	require.NoError(t, write(as(t.Context(), "acme"), db, "acme", "one"))
	assert.Empty(t, seen(t, t.Context(), db))
	require.Error(t, db.Migrate(t.Context(), database.PlatformMigrations(), notes("CREATE TABLE more (id TEXT);")), "only the owner migrates")
}

func TestValidate_Tenancy(t *testing.T) {
	t.Parallel()
	good := dbtest.TwoRoles(t)
	for want, change := range map[string]func(*database.Config){
		"owner.password: the owner's password is missing": func(c *database.Config) { c.Owner.Password = database.Config{}.Password },
		"owner.url: names the user that url names":        func(c *database.Config) { c.Owner.URL = c.URL },
		"owner.url: the PostgreSQL URL is missing":        func(c *database.Config) { c.Owner.URL = "" },
		"schema_tenants: 1001 is out of range":            func(c *database.Config) { c.SchemaTenants = 1001 },
		"schema_tenants: -1 is out of range":              func(c *database.Config) { c.SchemaTenants = -1 },
		`row_security: unknown value "on"`:                func(c *database.Config) { c.RowSecurity = "on" },
		"owner: is for engine postgres": func(c *database.Config) {
			*c = database.Config{Engine: database.EngineSQLite, Path: "x", Owner: c.Owner}
		},
		"row_security: SQLite has no row-level security": func(c *database.Config) {
			*c = database.Config{Engine: database.EngineSQLite, Path: "x", RowSecurity: "require"}
		},
		"schema_tenants: SQLite has no schemas": func(c *database.Config) {
			*c = database.Config{Engine: database.EngineSQLite, Path: "x", SchemaTenants: 1}
		},
	} {
		bad := good
		change(&bad)
		var texts []string
		for _, problem := range bad.Validate() {
			texts = append(texts, problem.Path+": "+problem.Message)
		}
		assert.Contains(t, texts, want)
	}
	assert.Empty(t, good.Validate())
}

func TestMigrate_LockFileIsClosedToOthers(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EngineSQLite)
	file := cfg.Path.String() + ".migrating"
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for range 2 {
		dbtest.Open(t, cfg, accounts())
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		require.NoError(t, os.Remove(file))
		cfg = dbtest.Fresh(t, database.EngineSQLite)
		file = cfg.Path.String() + ".migrating"
		dbtest.Open(t, cfg, accounts())
	}
}
