// Package dbtest gives a test its own database on each engine.
//
// SQLite databases are files in the test's folder. PostgreSQL databases are created on the server that CRYPTOUTIL_TEST_POSTGRES names, a URL
// of an administrator without password, and dropped after the test; CRYPTOUTIL_TEST_POSTGRES_PASSWORD_FILE is the file with the password.
// scripts/postgres-test.sh starts such a server and prints both.
//
// Migrations take most of the time that a database costs. So the sets that a test names when it asks for a database are applied once, to a
// template, of which it gets a copy. Templates are shared by all tests on the machine, on PostgreSQL by all on the server, for a day.
package dbtest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// connections is the pool of one test: many tests share a server.
const connections = 8

// Engines are the names that [Fresh] takes.
func Engines() []string { return []string{database.EngineSQLite, database.EnginePostgres} }

// Each runs test on every engine, side by side, each on a new database with the sets applied.
func Each(t *testing.T, sets []database.Set, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	for _, engine := range Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, Open(t, Fresh(t, engine, sets...), sets...))
		})
	}
}

// Open opens a database until the end of the test and applies the sets.
func Open(t testing.TB, cfg database.Config, sets ...database.Set) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), cfg, Options(t))
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("dbtest: %v", err)
		}
	})
	if err := db.Migrate(t.Context(), sets...); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	return db
}

// Options log into the test's output, from warnings on.
func Options(t testing.TB) database.Options {
	t.Helper()
	handler := slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})
	return database.Options{Log: slog.New(handler), Application: "test"}
}

// Fresh is the configuration of a new database that is removed after the test, with the sets applied; without any it is empty. Without a
// PostgreSQL server the test is skipped, or failed, as testkit.Missing says.
func Fresh(t testing.TB, engine string, sets ...database.Set) database.Config {
	t.Helper()
	if engine == database.EngineSQLite {
		file := filepath.Join(t.TempDir(), "test.sqlite")
		if len(sets) > 0 {
			copyTemplate(t, file, sets)
		}
		return database.Config{Engine: database.EngineSQLite, Path: config.Path(file), MaxConnections: connections}
	}
	server, name := postgresServer(t), "test_"+strings.ToLower(rand.Text())
	administer(t, server, func(ctx context.Context, db *database.DB) error {
		return createDatabase(ctx, t, db, server, name, server.user(), sets)
	})
	t.Cleanup(func() { administer(t, server, run("DROP DATABASE "+name+" WITH (FORCE)")) })
	fresh := server.Config
	fresh.URL, fresh.MaxConnections, fresh.RowSecurity = server.url(name, server.user()), connections, database.RowSecurityOff
	return fresh
}
