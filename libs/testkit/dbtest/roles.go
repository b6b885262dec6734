package dbtest

import (
	"crypto/rand"
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
		test(t, Open(t, TwoRoles(t), sets...))
	})
}

// TwoRoles is the configuration of a new PostgreSQL database whose tables belong to a role that migrates, and whose rows another role
// reads and writes under row-level security, without which the database does not open. Up to ten tenants may have a schema of their own.
func TwoRoles(t testing.TB) database.Config {
	t.Helper()
	const schemas = 10
	server := postgresServer(t)
	id := strings.ToLower(rand.Text())
	name, owner, role := "test_"+id, "owner_"+id, "app_"+id
	password := rand.Text() // letters and digits
	administer(t, server, "CREATE ROLE "+owner+" LOGIN PASSWORD '"+password+"'; CREATE ROLE "+role+" LOGIN PASSWORD '"+password+"'")
	t.Cleanup(func() { administer(t, server, "DROP ROLE "+owner+", "+role) })
	administer(t, server, "CREATE DATABASE "+name+" OWNER "+owner)
	t.Cleanup(func() { administer(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })

	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	secret, err := config.NewSecret((&url.URL{Scheme: "file", Path: file}).String(), config.Policy{})
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatalf("dbtest: %s: %v", urlVariable, err)
	}
	as := func(user string) string {
		u.Path, u.User = "/"+name, url.User(user)
		return u.String()
	}
	return database.Config{
		Engine: database.EnginePostgres, URL: as(role), Password: secret, MaxConnections: connections,
		Owner: database.Owner{URL: as(owner), Password: secret}, RowSecurity: database.RowSecurityRequire, SchemaTenants: schemas,
	}
}
