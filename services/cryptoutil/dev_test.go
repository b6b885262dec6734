package cryptoutil_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/services/cryptoutil"
)

// develop runs development mode on a directory until it says that it is ready, and returns what it wrote.
func develop(t *testing.T, dir string) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	screen := &screen{last: "keys survive.\n", then: cancel}
	err = cryptoutil.Dev(ctx, dir, true, screen, &screen.log)
	assert.Empty(t, screen.log.String(), "nothing to warn about")
	return screen.text.String(), err
}

// screen does something when it has shown a last line.
type screen struct {
	text, log bytes.Buffer
	last      string
	then      func()
}

func (s *screen) Write(p []byte) (int, error) {
	n, err := s.text.Write(p)
	if strings.HasSuffix(s.text.String(), s.last) {
		s.then()
	}
	return n, err
}

func TestDev_MakesADirectoryAndUsesItAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	out, err := develop(t, dir)
	require.NoError(t, err)
	assert.Contains(t, out, "development mode, data made")
	info, err := os.Stat(filepath.Join(dir, "DEV"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	made := contents(t, dir)
	require.Contains(t, made, "kms.yaml")

	out, err = develop(t, dir)
	require.NoError(t, err)
	assert.Contains(t, out, "development mode, data reused")
	for name, before := range made {
		if name == cli.ContextName || strings.Contains(name, "sqlite") {
			continue // new ports; the database
		}
		assert.Equal(t, before, contents(t, dir)[name], "%s: what was made once stays", name)
	}
}

func TestDev_WritesTheContextOfClientCommands(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	out, err := develop(t, dir)
	require.NoError(t, err)

	file := filepath.Join(dir, cli.ContextName)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	place, err := cli.LoadContext(file)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "tls", "root.pem"), place.RootCertificate.String())
	require.Len(t, place.Services, 3)
	for product, endpoint := range place.Services {
		showsEndpoint(t, dir, out, product, endpoint)
	}
	for _, shown := range []string{place.RootCertificate.String(), file, dir} {
		assert.Contains(t, out, " "+shown+"\n")
	}
}

// showsEndpoint checks the part of the context file, and of what was printed, that is one service's.
func showsEndpoint(t *testing.T, dir, out, product string, endpoint cli.Endpoint) {
	t.Helper()
	assert.Regexp(t, `^https://localhost:\d+$`, endpoint.URL)
	assert.Regexp(t, `^https://127\.0\.0\.1:\d+$`, endpoint.AdminURL)
	assert.Equal(t, "file://"+filepath.Join(dir, "admin.token"), endpoint.AdminToken)
	credential, err := endpoint.ReadCredential()
	require.NoError(t, err)
	assert.Regexp(t, `^cu_at_default_operator_`, credential)

	for _, shown := range []string{endpoint.URL, endpoint.AdminURL, filepath.Join(dir, "credentials", product+".token")} {
		assert.Contains(t, out, " "+shown+"\n")
	}
	assert.NotContains(t, out, credential, "a terminal's scrollback is no place for it")
}

func TestDev_RefusesADirectoryThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "thesis.tex"), []byte("x"), 0o600))
	_, err := develop(t, foreign)
	require.ErrorContains(t, err, "is not empty and was not made by dev; name another directory with --data")
	assert.Equal(t, map[string]string{"thesis.tex": "x"}, contents(t, foreign), "nothing was touched")

	_, err = develop(t, filepath.Join(foreign, "thesis.tex"))
	require.ErrorContains(t, err, "name another one with --data")

	deployed := filepath.Join(t.TempDir(), "data")
	_, err = command(t, "kms", "init", "--data", deployed)
	require.NoError(t, err)
	before := contents(t, deployed)
	_, err = develop(t, deployed)
	require.ErrorContains(t, err, "was not made by dev")
	assert.Equal(t, before, contents(t, deployed), "nothing was touched")
}

func TestDev_AdoptsAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	_, err := develop(t, t.TempDir())
	require.NoError(t, err)
}

func TestDev_StaysOnLoopbackWhateverItsConfigurationSays(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	_, err := develop(t, dir)
	require.NoError(t, err)
	for address, want := range map[string]string{
		"0.0.0.0:0": "dev listens on loopback only", "192.0.2.1:0": "dev listens on loopback only", "'[::]:0'": "dev listens on loopback only",
		"kms.example.net:443": "is not an IP address with a port",
	} {
		edit(t, filepath.Join(dir, "kms.yaml"), "address: 127.0.0.1:8080", "address: "+address)
		err := cryptoutil.Dev(t.Context(), dir, false, io.Discard, io.Discard)
		require.ErrorContains(t, err, want, address)
		require.ErrorContains(t, err, "public.address", address)
		edit(t, filepath.Join(dir, "kms.yaml"), "address: "+address, "address: 127.0.0.1:8080")
	}
}

func TestDev_KeepsToALocalDatabase(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	_, err := develop(t, dir)
	require.NoError(t, err)
	edit(t, filepath.Join(dir, "kms.yaml"), "engine: sqlite\n  path: kms/kms.sqlite",
		"engine: postgres\n  url: postgres://kms@db.example.net/kms\n  password: file://"+filepath.Join(dir, "secrets", "pepper"))
	_, err = develop(t, dir)
	require.ErrorContains(t, err, "database.engine is postgres: dev keeps its data in a SQLite file")
}

func TestDev_ReportsWhatIsWrongWithItsConfiguration(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	_, err := develop(t, dir)
	require.NoError(t, err)
	edit(t, filepath.Join(dir, "kms.yaml"), "log_level:", "log_volume:")
	_, err = develop(t, dir)
	var problems config.Problems
	require.ErrorAs(t, err, &problems)
	assert.Contains(t, problems.Error(), "log_volume")
}

func TestStart_RefusesADirectoryOfDevelopmentMode(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	_, err := develop(t, dir)
	require.NoError(t, err)
	before := contents(t, dir)
	for _, name := range []string{"start", "migrate"} {
		_, err = command(t, "kms", name, "--config", filepath.Join(dir, "kms.yaml"))
		require.ErrorContains(t, err, "was made by dev mode", name)
		require.ErrorContains(t, err, "use another directory", name)
	}
	assert.Equal(t, before, contents(t, dir), "nothing was touched")
}

// contents are the files below a folder, by their path in it.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, fs.WalkDir(os.DirFS(folder), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(folder, path))
		files[path] = string(text)
		return err
	}))
	return files
}

func edit(t *testing.T, file, before, after string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), before)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), before, after, 1)), 0o600))
}
