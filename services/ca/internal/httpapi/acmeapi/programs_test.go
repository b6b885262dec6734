package acmeapi_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// freePort is a port of this machine that a client will answer challenges on.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return portOf(t, "http://"+l.Addr().String())
}

// program runs a client of somebody else, which trusts the fixture's listener.
func (f *fixture) program(t *testing.T, name string, arguments ...string) {
	t.Helper()
	roots := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.root.Raw}), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, testkit.RequireTool(t, name), arguments...)
	command.Env = append(os.Environ(), "LEGO_CA_CERTIFICATES="+roots, "REQUESTS_CA_BUNDLE="+roots)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s %v:\n%s", name, arguments, output)
}

// leafIn reads the first certificate of a PEM file.
func leafIn(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	require.NotNil(t, block)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return c
}

func TestLego_ObtainsRenewsAndRevokes(t *testing.T) {
	t.Parallel()
	testkit.RequireTool(t, "lego")
	eachWith(t, options{replicas: 2, outside: true}, func(t *testing.T, f *fixture) {
		key, secret, err := f.replicas[0].server.CreateExternalKey(t.Context(), "default", "bound", "lego", time.Hour)
		require.NoError(t, err)
		dir := t.TempDir()
		lego := func(command ...string) {
			f.program(t, "lego", append([]string{
				"--server", f.directory("bound"), "--path", dir, "--email", "admin@example.com", "--accept-tos", "--eab", "--kid", key.ID,
				"--hmac", base64.RawURLEncoding.EncodeToString(secret), "--http", "--http.port", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(f.network.httpPort))),
				"--domains", "lego.example.com",
			}, command...)...)
		}
		file := filepath.Join(dir, "certificates", "lego.example.com.crt")
		lego("--domains", "www.lego.example.com", "run")
		first := leafIn(t, file)
		assert.ElementsMatch(t, []string{"lego.example.com", "www.lego.example.com"}, first.DNSNames)
		lego("--domains", "www.lego.example.com", "renew", "--days", "90", "--no-random-sleep")
		second := leafIn(t, file)
		assert.NotEqual(t, first.SerialNumber, second.SerialNumber)
		lego("revoke")
		assert.True(t, f.authority.of(second).revoked)
		assert.False(t, f.authority.of(first).revoked)
	})
}

func TestCertbot_ObtainsRenewsRevokesAndUnregisters(t *testing.T) {
	t.Parallel()
	testkit.RequireTool(t, "certbot")
	eachWith(t, options{replicas: 2, outside: true}, func(t *testing.T, f *fixture) {
		dir := t.TempDir()
		certbot := func(arguments ...string) {
			f.program(t, "certbot", append(arguments, "--non-interactive", "--server", f.directory("terms"), "--config-dir", filepath.Join(dir, "config"),
				"--work-dir", filepath.Join(dir, "work"), "--logs-dir", filepath.Join(dir, "logs"))...)
		}
		port := strconv.Itoa(int(f.network.httpPort))
		file := filepath.Join(dir, "config", "live", "certbot.example.com", "fullchain.pem")
		certbot("certonly", "--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", port, "--agree-tos", "--email", "admin@example.com", "--no-eff-email",
			"--domain", "certbot.example.com", "--domain", "www.certbot.example.com")
		first := leafIn(t, file)
		assert.ElementsMatch(t, []string{"certbot.example.com", "www.certbot.example.com"}, first.DNSNames)
		certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
		second := leafIn(t, file)
		assert.NotEqual(t, first.SerialNumber, second.SerialNumber)
		certbot("revoke", "--cert-path", file, "--reason", "superseded", "--no-delete-after-revoke")
		assert.True(t, f.authority.of(second).revoked)
		assert.Equal(t, 4, f.authority.of(second).reason)
		certbot("unregister")
	})
}
