//go:build e2e

package cryptoutil_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// product is a service with a program of its own; its files and its commands are named for it.
type product string

const (
	kmsProduct  product = "kms"
	joseProduct product = "jose"
)

// server is the name of the program.
func (p product) server() string { return string(p) + "-server" }

// configuration is the file in a data directory.
func (p product) configuration(dir string) string { return filepath.Join(dir, string(p)+".yaml") }

// initialize makes a data directory for the program.
func (p product) initialize(t testing.TB, args ...string) (dir string, said outcome) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	said = call{path: program(t, p.server()), args: append([]string{"init", "--data", dir}, args...), env: environment(t.TempDir())}.run(t)
	require.Zero(t, said.exit, said.stderr)
	return dir, said
}

// prepared is initialize on an engine, and where the data are.
func (p product) prepared(t testing.TB, engine string, args ...string) (dir string, data database.Config) {
	t.Helper()
	if engine == database.EnginePostgres {
		data = dbtest.Fresh(t, engine)
		dir, _ = p.initialize(t, append(args, "--postgres-url", data.URL, "--postgres-password-file", data.Password.File())...)
		return dir, data
	}
	dir, _ = p.initialize(t, args...)
	return dir, database.Config{Engine: engine, Path: config.Path(filepath.Join(dir, string(p), string(p)+".sqlite"))}
}

// configure adds to the configuration.
func (p product) configure(t testing.TB, dir, more string) {
	t.Helper()
	text := readFile(t, p.configuration(dir))
	require.NoError(t, os.WriteFile(p.configuration(dir), []byte(text+more), 0o600))
}

// serve starts the program on a directory that initialize has made, on free ports, and waits until it serves.
func (p product) serve(t testing.TB, dir string) *installation {
	t.Helper()
	started := started(t, launch(t, call{path: program(t, p.server()), args: []string{
		"start", "--config", p.configuration(dir), "--public-address", "127.0.0.1:0", "--mtls-address", "127.0.0.1:0", "--admin-address", "127.0.0.1:0",
	}, env: environment(t.TempDir())}), dir, "root certificate", serverWords)
	started.product = p
	return started
}

// sayPorts has the context file of an installation name the ports that it has.
func (i *installation) sayPorts(t testing.TB) {
	t.Helper()
	replaceInFile(t, i.context(), regexp.MustCompile(`( url: ).*`), "${1}"+i.public)
	replaceInFile(t, i.context(), regexp.MustCompile(`(admin_url: ).*`), "${1}"+i.admin)
	if mutual := mutualWords.FindStringSubmatch(i.process.stdout.String()); mutual != nil {
		replaceInFile(t, i.context(), regexp.MustCompile(`(mtls_url: ).*`), "${1}"+mutual[1])
	}
}
