package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

func TestContext_ComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a", "b", "context.yaml")
	secret := filepath.Join(dir, "credential")
	require.NoError(t, os.WriteFile(secret, []byte("cu_at_x\n"), 0o600))
	want := cli.Context{RootCertificate: config.Path(filepath.Join(dir, "root.pem")), Services: map[string]cli.Endpoint{
		"kms": {URL: "https://127.0.0.1:8080", AdminURL: "https://127.0.0.1:9090", Credential: "file://" + secret, AdminToken: "file:///data/admin.token"},
		"ca":  {URL: "https://127.0.0.1:8443"},
	}}
	require.NoError(t, cli.WriteContext(file, want))
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	got, err := cli.LoadContext(file)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	require.NoError(t, cli.WriteContext(file, got), "it is replaced")
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	assert.Len(t, entries, 1)

	kms, err := got.Service("kms")
	require.NoError(t, err)
	text, err := kms.ReadCredential()
	require.NoError(t, err)
	assert.Equal(t, "cu_at_x", text)
	_, err = got.Service("jose")
	require.ErrorContains(t, err, "services.jose.url")
	_, err = got.Services["ca"].ReadCredential()
	require.ErrorContains(t, err, "file:///path")
}

func TestContext_IsStrict(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "context.yaml")
	require.NoError(t, os.WriteFile(file, []byte("root_certificat: x\n"), 0o600))
	_, err := cli.LoadContext(file)
	require.ErrorContains(t, err, "root_certificate")
	require.Error(t, cli.WriteContext(filepath.Join(file, "below-a-file"), cli.Context{}))
	require.Error(t, cli.WriteContext(filepath.Dir(file), cli.Context{}), "a folder is no file")
	_, err = os.Stat(filepath.Dir(file))
	require.NoError(t, err)
}

func TestContextFile_WhereItIs(t *testing.T) {
	t.Setenv("CRYPTOUTIL_CONTEXT", "")
	for home, want := range map[string]string{
		"/home/x/data": "/home/x/data/cryptoutil/context.yaml",
		"":             "/home/y/.local/share/cryptoutil/context.yaml",
		"not/absolute": "/home/y/.local/share/cryptoutil/context.yaml",
	} {
		t.Setenv("HOME", "/home/y")
		t.Setenv("XDG_DATA_HOME", home)
		file, err := cli.ContextFile("")
		require.NoError(t, err)
		assert.Equal(t, want, file)
	}
	t.Setenv("CRYPTOUTIL_CONTEXT", "/b")
	file, err := cli.ContextFile("")
	require.NoError(t, err)
	assert.Equal(t, "/b", file)
	file, err = cli.ContextFile("/a")
	require.NoError(t, err)
	assert.Equal(t, "/a", file)
	t.Setenv("CRYPTOUTIL_CONTEXT", "")
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("HOME", "")
	_, err = cli.LoadContext("")
	require.ErrorContains(t, err, "name it with --context")
}
