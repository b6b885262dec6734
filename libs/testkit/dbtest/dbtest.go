// Package dbtest gives a test its own database on each engine.
//
// SQLite databases are files in the test's folder. PostgreSQL databases are created on the server that CRYPTOUTIL_TEST_POSTGRES names, a URL
// of an administrator without password, and dropped after the test; CRYPTOUTIL_TEST_POSTGRES_PASSWORD_FILE is the file with the password.
// scripts/postgres-test.sh starts such a server and prints both.
package dbtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// The environment that names the PostgreSQL server.
const (
	urlVariable      = "CRYPTOUTIL_TEST_POSTGRES"
	passwordVariable = "CRYPTOUTIL_TEST_POSTGRES_PASSWORD_FILE"
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
			test(t, Open(t, Fresh(t, engine), sets...))
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

// Fresh is the configuration of a new, empty database that is removed after the test. Without a PostgreSQL server the test is
// skipped, or failed, as testkit.Missing says.
func Fresh(t testing.TB, engine string) database.Config {
	t.Helper()
	if engine == database.EngineSQLite {
		return database.Config{
			Engine:         database.EngineSQLite,
			Path:           config.Path(filepath.Join(t.TempDir(), "test.sqlite")),
			MaxConnections: connections,
		}
	}
	server := postgresServer(t)
	name := "test_" + strings.ToLower(rand.Text())
	administer(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { administer(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatalf("dbtest: %s: %v", urlVariable, err)
	}
	u.Path = "/" + name
	fresh := server
	fresh.URL, fresh.MaxConnections, fresh.RowSecurity = u.String(), connections, database.RowSecurityOff
	return fresh
}

// postgresServer is the administrator's own database.
func postgresServer(t testing.TB) database.Config {
	t.Helper()
	text := os.Getenv(urlVariable)
	if text == "" {
		testkit.Missing(t, "no PostgreSQL server: "+urlVariable+" is not set (scripts/postgres-test.sh starts one)")
	}
	file, err := filepath.Abs(os.Getenv(passwordVariable))
	if err != nil {
		t.Fatalf("dbtest: %s: %v", passwordVariable, err)
	}
	password, err := config.NewSecret((&url.URL{Scheme: "file", Path: file}).String(), config.Policy{AllowGroupRead: true})
	if err != nil {
		t.Fatalf("dbtest: %s: %v", passwordVariable, err)
	}
	return database.Config{Engine: database.EnginePostgres, URL: text, Password: password, MaxConnections: 1}
}

// administer runs one statement on the server; it also works during clean-up, when the test's context has ended.
func administer(t testing.TB, server database.Config, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	db, err := database.Open(ctx, server, Options(t))
	if err == nil {
		_, err = db.Exec(ctx, statement)
		err = joinClose(err, db)
	}
	if err != nil {
		t.Fatalf("dbtest: %s: %v", statement, err)
	}
}

func joinClose(err error, db *database.DB) error {
	if closeErr := db.Close(); closeErr != nil && err == nil {
		return fmt.Errorf("after the statement: %w", closeErr)
	}
	return err
}
