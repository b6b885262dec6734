package dbtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// EachTenancy is [Each] with PostgreSQL twice: with one role, and, as "postgres-row-security", as [TwoRoles] sets it up. A store passes when it
// binds every statement to a tenant (database.WithTenant); so must the test's own statements.
func EachTenancy(t *testing.T, sets []database.Set, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	Each(t, sets, test)
	t.Run("postgres-row-security", func(t *testing.T) {
		t.Parallel()
		test(t, Open(t, TwoRoles(t, sets...), sets...))
	})
}

// TwoRoles is the configuration of a new PostgreSQL database whose tables belong to a role that migrates, and whose rows another role
// reads and writes under row-level security, without which the database does not open. Up to ten tenants may have a schema of their own. The
// sets are applied, but nothing is secured yet: that is for [database.DB.Migrate], which [Open] calls.
func TwoRoles(t testing.TB, sets ...database.Set) database.Config {
	t.Helper()
	const schemas = 10
	server := postgresServer(t)
	id := strings.ToLower(rand.Text())
	name, owner, role := "test_"+id, "owner_"+id, "app_"+id
	password := rand.Text() // letters and digits
	administer(t, server,
		run("CREATE ROLE "+owner+" LOGIN PASSWORD '"+password+"'; CREATE ROLE "+role+" LOGIN PASSWORD '"+password+"'"),
		func(ctx context.Context, db *database.DB) error {
			return createDatabase(ctx, t, db, server, name, owner, sets)
		})
	t.Cleanup(func() {
		administer(t, server, run("DROP DATABASE "+name+" WITH (FORCE)", "DROP ROLE "+owner+", "+role))
	})
	if len(sets) > 0 {
		inside := server
		inside.URL = server.url(name, server.user())
		administer(t, inside, run(fmt.Sprintf(handOver, owner)))
	}

	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	secret, err := config.NewSecret((&url.URL{Scheme: "file", Path: file}).String(), config.Policy{})
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	return database.Config{
		Engine: database.EnginePostgres, URL: server.url(name, role), Password: secret, MaxConnections: connections,
		Owner: database.Owner{URL: server.url(name, owner), Password: secret}, RowSecurity: database.RowSecurityRequire, SchemaTenants: schemas,
	}
}

// handOver gives what a template's copy holds to a role. A sequence goes with its table.
const handOver = `DO $$
DECLARE
	relation record;
BEGIN
	FOR relation IN SELECT oid::regclass AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') LOOP
		EXECUTE format('ALTER TABLE %%s OWNER TO %[1]s', relation.name);
	END LOOP;
END $$`
