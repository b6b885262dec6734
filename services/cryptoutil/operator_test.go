package cryptoutil_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// How long to wait for what a running service does by itself, and how often to look.
const (
	longEnough  = 20 * time.Second
	oftenEnough = 50 * time.Millisecond
)

func TestDev_HasAnOperatorWhoGetsIntoTheAdminListener(t *testing.T) {
	t.Parallel()
	dir := developing(t)
	place, err := cli.LoadContext(filepath.Join(dir, "context.yaml"))
	require.NoError(t, err)
	file := filepath.Join(dir, "credentials", "operator.password")
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	password, err := os.ReadFile(file)
	require.NoError(t, err)
	roots, err := tlsconfig.LoadRoots(place.RootCertificate.String())
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: tlsconfig.ClientConfig(roots), DisableKeepAlives: true}
	enter := func(password string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, place.Services["kms"].AdminURL+"/admin/v1/status", nil)
		require.NoError(t, err)
		r.SetBasicAuth("operator", password)
		answer, err := transport.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode
	}
	assert.Equal(t, http.StatusOK, enter(strings.TrimSpace(string(password))))
	assert.Equal(t, http.StatusUnauthorized, enter("not-the-password-at-all"))
}

func TestUser_IsAddedToTheRealmFileAndRemoved(t *testing.T) {
	t.Parallel()
	dir := developing(t)
	config := filepath.Join(dir, "kms.yaml")
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("correct horse battery staple\n"), 0o600))
	add := []string{"kms", "user", "add", "--config", config, "--id", "ada", "--password-file", password}
	_, err := command(t, add...)
	require.ErrorContains(t, err, "--scopes or --role")
	_, err = command(t, append(add, "--role", "boss")...)
	require.ErrorContains(t, err, `there is no role "boss"; there are admin, system, operator, auditor, user`)
	assert.True(t, isUsage(err))
	_, err = command(t, append(add, "--role", "admin", "--operator")...)
	require.NoError(t, err)
	realm, err := os.ReadFile(filepath.Join(dir, "kms", "realm.yaml"))
	require.NoError(t, err)
	assert.Contains(t, string(realm), "id: ada")
	assert.NotContains(t, string(realm), "correct horse")
	_, err = command(t, append(add, "--role", "admin")...)
	require.ErrorContains(t, err, "exists already")
	_, err = command(t, "kms", "user", "remove", "--config", config, "--id", "ada")
	require.NoError(t, err)
	_, err = command(t, "kms", "user", "remove", "--config", config, "--id", "ada")
	require.ErrorContains(t, err, "user delete")
}

func TestCredentialCertificate_ReplacesTheOneBefore(t *testing.T) {
	t.Parallel()
	a := administer{dir: developing(t)}
	certificate, key := filepath.Join(a.dir, "credentials", "admin.pem"), filepath.Join(a.dir, "credentials", "admin.key")
	before, err := tls.LoadX509KeyPair(certificate, key)
	require.NoError(t, err)
	out, err := command(t, "kms", "credential", "certificate", "--config", filepath.Join(a.dir, "kms.yaml"))
	require.NoError(t, err)
	assert.Contains(t, out, "client_certificate: "+certificate+"\n")
	after, err := tls.LoadX509KeyPair(certificate, key)
	require.NoError(t, err)
	assert.NotEqual(t, before.Certificate[0], after.Certificate[0])
	require.Eventually(t, func() bool { _, err := a.try(t, "role", "list"); return err == nil }, longEnough, oftenEnough, "the service takes the realm over")

	place, err := cli.LoadContext(filepath.Join(a.dir, "context.yaml"))
	require.NoError(t, err)
	roots, err := tlsconfig.LoadRoots(place.RootCertificate.String())
	require.NoError(t, err)
	config := tlsconfig.ClientConfig(roots)
	config.Certificates = []tls.Certificate{before}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, place.Services["kms"].MTLSURL+"/service/api/v1/roles", nil)
	require.NoError(t, err)
	answer, err := (&http.Transport{TLSClientConfig: config, DisableKeepAlives: true}).RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusUnauthorized, answer.StatusCode)
}

func TestDoctor_SaysWhatIsWrongAndTheFix(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	_, err := command(t, "kms", "init", "--data", dir)
	require.NoError(t, err)
	config := filepath.Join(dir, "kms.yaml")
	for _, listener := range []string{"8080", "8089", "9090"} {
		edit(t, config, "127.0.0.1:"+listener, "127.0.0.1:0")
	}
	out, err := command(t, "kms", "doctor", "--config", config)
	require.NoError(t, err, out)
	assert.NotContains(t, out, "failing")
	for _, check := range []string{"configuration", "fips", "data-directory", "realm", "disk-space", "port-public", "port-admin", "certificate-admin.pem", "database"} {
		assert.Regexp(t, `(?m)^`+check+` +ok `, out)
	}

	require.NoError(t, os.Chmod(dir, 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "credentials", "admin.pem"), []byte("nothing"), 0o600))
	edit(t, filepath.Join(dir, "kms", "realm.yaml"), "roles: [admin, system]", "roles: [boss]")
	out, err = command(t, "kms", "doctor", "--config", config)
	require.ErrorIs(t, err, cli.ErrNegative)
	assert.Regexp(t, `data-directory +failing .* chmod go-w `, out)
	assert.Regexp(t, `realm +failing .*there is no role "boss"`, out)
	assert.Regexp(t, `certificate-admin.pem +failing .*credential certificate --config `, out)
}
