package dbtest

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
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

// server is a PostgreSQL server, as its administrator knows it.
type server struct {
	database.Config
	address *url.URL
}

// url names a database and who connects.
func (s server) url(name, user string) string {
	u := *s.address
	u.Path, u.User = "/"+name, url.User(user)
	return u.String()
}

// user is the administrator.
func (s server) user() string { return s.address.User.Username() }

// postgresServer is the administrator's own database.
func postgresServer(t testing.TB) server {
	t.Helper()
	text := os.Getenv(urlVariable)
	if text == "" {
		testkit.Missing(t, "no PostgreSQL server: "+urlVariable+" is not set (scripts/postgres-test.sh starts one)")
	}
	address, err := url.Parse(text)
	if err != nil {
		t.Fatalf("dbtest: %s: %v", urlVariable, err)
	}
	file, err := filepath.Abs(os.Getenv(passwordVariable))
	if err != nil {
		t.Fatalf("dbtest: %s: %v", passwordVariable, err)
	}
	password, err := config.NewSecret((&url.URL{Scheme: "file", Path: file}).String(), config.Policy{AllowGroupRead: true})
	if err != nil {
		t.Fatalf("dbtest: %s: %v", passwordVariable, err)
	}
	return server{
		// One connection may hold a lock while the other works.
		Config:  database.Config{Engine: database.EnginePostgres, URL: text, Password: password, MaxConnections: 2, RowSecurity: database.RowSecurityOff},
		address: address,
	}
}

// run is a step that executes statements, one after the other.
func run(statements ...string) func(context.Context, *database.DB) error {
	return func(ctx context.Context, db *database.DB) error {
		for _, statement := range statements {
			if _, err := db.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}
}

// administer connects to the server once for all steps; it also works during clean-up, when the test's context has ended.
func administer(t testing.TB, in server, steps ...func(context.Context, *database.DB) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	db, err := database.Open(ctx, in.Config, Options(t))
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	for _, step := range steps {
		if err = step(ctx, db); err != nil {
			break
		}
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
}
