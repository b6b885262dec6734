package cli_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

func TestHealth_And_Status(t *testing.T) {
	t.Parallel()
	s := start(t)
	assert.Equal(t, outcome{out: "ok\n"}, s.run(t, "", "health", "--config", s.config))
	got := s.run(t, "", "status", "--config", s.config)
	assert.Zero(t, got.code, got.err)
	lines := strings.Split(got.out, "\n")
	assert.Regexp(t, `^CHECK +STATUS +REQUIRED +MS +DETAIL$`, lines[0])
	assert.Regexp(t, `^barrier +ok +true +\d+\.\d$`, lines[1])
	assert.Regexp(t, `^peer +ok +false +\d+\.\d$`, lines[2])
	assert.Regexp(t, `^thing +ok$`, lines[3])

	s.probe = func() error { return errors.New("no route to \x1b[31mhost") }
	got = s.run(t, "", "status", "--config", s.config, "--output", "json")
	assert.Zero(t, got.code, "degraded is ready")
	var report server.Report
	require.NoError(t, json.Unmarshal([]byte(got.out), &report))
	assert.Equal(t, "degraded", report.Status)
	assert.Contains(t, s.run(t, "", "status", "--config", s.config).out, "no route to \ufffd[31mhost")
	assert.Equal(t, outcome{out: "degraded\npeer: no route to \ufffd[31mhost\n"}, s.run(t, "", "health", "--probe", "healthz", "--config", s.config))

	require.NoError(t, s.barrier.Seal(t.Context()))
	assert.Equal(t, outcome{code: 1, out: "failing\nbarrier: sealed: sealed by an operator\npeer: no route to \ufffd[31mhost\n"}, s.run(t, "", "health", "--config", s.config))
	assert.Equal(t, outcome{out: "ok\n"}, s.run(t, "", "health", "--probe", "livez", "--config", s.config))
	got = s.run(t, "", "status", "--config", s.config)
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.out, "failing")
	assert.Empty(t, got.err)
}

func TestSeal_And_Unseal(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.run(t, "", "seal", "--config", s.config)
	assert.Equal(t, outcome{out: "Sealed  true\nMode    shamir\nReason  sealed by an operator\n"}, got)
	share := filepath.Join(s.dir, "share-1")
	s.write(t, share, " share-one\n")
	got = s.run(t, "", "unseal", "--config", s.config, "--share-file", share)
	assert.Equal(t, 1, got.code, "it waits for more")
	assert.Contains(t, got.out, "Shares  1 of 2\nSet     set-1\n")
	assert.Empty(t, got.err)

	for stdin, want := range map[string]string{
		"damaged": "bad_request: the share 2 is damaged", "": "read share: there is none", "broken": "under request id 0", strings.Repeat("x", 9000): "read share: there is none",
	} {
		got = s.run(t, stdin, "unseal", "--config", s.config)
		assert.Equal(t, 1, got.code)
		assert.Contains(t, got.err, want)
		assert.NotContains(t, got.err, "canary")
	}
	assert.Contains(t, s.run(t, "", "unseal", "--config", s.config, "--share-file", filepath.Join(s.dir, "none")).err, "read share: open")
	assert.Equal(t, 2, s.run(t, "", "unseal", "share-two", "--config", s.config).code, "never as an argument")

	got = s.run(t, "share-two\n", "unseal", "--config", s.config, "--share-file", "-", "--output", "json")
	assert.Zero(t, got.code, got.err)
	assert.Contains(t, got.out, `"sealed": false`)
	assert.Equal(t, []string{"share-one", "share-two"}, s.barrier.shares)
}

func TestUnseal_WithoutShares(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.barrier.mode = unseal.Derive
	require.NoError(t, s.barrier.Seal(t.Context()))
	got := s.run(t, "", "unseal", "--config", s.config, "--share-file", "x")
	assert.Equal(t, 2, got.code)
	assert.Contains(t, got.err, "opens in mode derive and takes no share")
	got = s.run(t, "", "unseal", "--config", s.config)
	assert.Equal(t, outcome{out: "Sealed  false\nMode    derive\n"}, got)
}

func TestShutdown_AndWait(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := s.run(t, "", "shutdown", "--config", s.config, "--wait", "10s")
	assert.Equal(t, outcome{out: "draining\n"}, got)
	require.NoError(t, <-s.ended)
	got = s.run(t, "", "shutdown", "--config", s.config)
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.err, "nothing answers at https://127.0.0.1:")
	assert.Contains(t, got.err, "start the service")

	s = start(t)
	assert.Equal(t, outcome{out: "draining\n"}, s.run(t, "", "shutdown", "--config", s.config))
	require.NoError(t, <-s.ended)
	for _, command := range []string{"seal", "unseal", "status", "health"} {
		assert.Contains(t, s.run(t, "", command, "--config", s.config).err, "nothing answers at", command)
	}
}

// fake is the address of a listener with the service's certificate that answers as it likes.
func (s *service) fake(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	fake := httptest.NewUnstartedServer(answer)
	fake.TLS = s.tls(t)
	fake.StartTLS()
	t.Cleanup(fake.Close)

	return fake.Listener.Addr().String()
}

func TestShutdown_ServiceThatStays(t *testing.T) {
	t.Parallel()
	s := start(t)
	address := s.fake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(`{"status":"draining"}`))
	})
	got := s.run(t, "", "shutdown", "--config", s.config, "--admin-address", address, "--wait", "150ms")
	assert.Equal(t, outcome{code: 1, out: "draining\n", err: "Error: the service is still there; its log says what it waits for\n"}, got)
}

func TestAdmin_AnswersThatDoNotCome(t *testing.T) {
	t.Parallel()
	s := start(t)
	address := s.fake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("{"))
	})
	got := s.run(t, "", "health", "--config", s.config, "--admin-address", address)
	assert.Contains(t, got.err, "unexpected EOF")
	address = s.fake(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	root := cli.Root(s.cli())
	var errs strings.Builder
	root.SetErr(&errs)
	root.SetArgs([]string{"health", "--config", s.config, "--admin-address", address})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	assert.Equal(t, 1, cli.Main(ctx, root))
	assert.Contains(t, errs.String(), "in time")
}

// A certificate from elsewhere is for the service's public names; the admin listener shows it all the same.
func TestAdmin_ExternalCertificates(t *testing.T) {
	t.Parallel()
	s := start(t)
	for name, c := range map[string]struct {
		template x509.Certificate
		want     string
	}{
		"DNS name":   {x509.Certificate{DNSNames: []string{"thing.example"}}, ""},
		"IP address": {x509.Certificate{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}}, ""},
		"no name":    {x509.Certificate{}, "the certificate has no name"},
	} {
		pair, file := selfSigned(t, c.template)
		fake := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"status":"ok"}`)) }))
		fake.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
		fake.StartTLS()
		t.Cleanup(fake.Close)
		context := filepath.Join(t.TempDir(), "context.yaml")
		require.NoError(t, cli.WriteContext(context, cli.Context{
			RootCertificate: config.Path(file), Services: map[string]cli.Endpoint{"thing": {AdminURL: fake.URL}},
		}))
		got := s.run(t, "", "health", "--context", context)
		assert.Equal(t, c.want == "", got.code == 0, "%s: %s", name, got.err)
		assert.Contains(t, got.err, c.want)
	}
}

// selfSigned makes a leaf certificate and the file that holds it.
func selfSigned(t *testing.T, template x509.Certificate) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.BasicConstraintsValid, template.ExtKeyUsage = true, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "chain.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))

	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestAdmin_ByTheContextFile(t *testing.T) {
	s := start(t)
	file := filepath.Join(s.dir, "client", "context.yaml")
	c := cli.Context{RootCertificate: "../tls/root.pem", Services: map[string]cli.Endpoint{
		"thing": {URL: s.PublicURL(), AdminURL: s.AdminURL(), AdminToken: "file://" + filepath.Join(s.dir, "admin.token")},
	}}
	require.NoError(t, cli.WriteContext(file, c))
	assert.Equal(t, outcome{out: "ok\n"}, s.run(t, "", "health", "--context", file))
	assert.Contains(t, s.run(t, "", "seal", "--context", file).out, "Sealed  true")

	t.Setenv("XDG_DATA_HOME", filepath.Join(s.dir, "home"))
	got := s.run(t, "", "health")
	assert.Equal(t, 2, got.code)
	assert.Contains(t, got.err, "name the service's configuration with --config FILE")
	got = s.run(t, "", "health", "--context", filepath.Join(s.dir, "none.yaml"))
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.err, "none.yaml does not exist")
	t.Setenv("CRYPTOUTIL_CONTEXT", file)
	assert.Equal(t, 1, s.run(t, "", "health").code, "the service is sealed")

	for name, change := range map[string]struct {
		endpoint cli.Endpoint
		command  string
		want     string
	}{
		"no admin URL":   {cli.Endpoint{URL: s.PublicURL()}, "health", "services.thing.admin_url"},
		"no token":       {cli.Endpoint{AdminURL: s.AdminURL()}, "seal", "names no admin token"},
		"token inline":   {cli.Endpoint{AdminURL: s.AdminURL(), AdminToken: "canary"}, "seal", "is not a reference to a secret file"},
		"token missing":  {cli.Endpoint{AdminURL: s.AdminURL(), AdminToken: "file:///nowhere/admin.token"}, "seal", "the service writes it when it starts"},
		"token of other": {cli.Endpoint{AdminURL: s.AdminURL(), AdminToken: "file://" + otherToken(t)}, "seal", "the token file is not this service's"},
		"open token":     {cli.Endpoint{AdminURL: s.AdminURL(), AdminToken: "file://" + s.config}, "seal", "holds no token"},
		"bad URL":        {cli.Endpoint{AdminURL: "https://bad host/"}, "health", "invalid character"},
		"plain listener": {cli.Endpoint{AdminURL: plain(t)}, "health", "ask https://"},
	} {
		c.Services["thing"] = change.endpoint
		require.NoError(t, cli.WriteContext(file, c))
		got := s.run(t, "", change.command)
		assert.Equal(t, 1, got.code, name)
		assert.Contains(t, got.err, change.want, name)
		assert.NotContains(t, got.err, "canary")
	}
	c.Services = nil
	require.NoError(t, cli.WriteContext(file, c))
	assert.Contains(t, s.run(t, "", "health").err, `has no service "thing"`)
}

// otherToken is a sound token file of another service.
func otherToken(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "admin.token")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("A", 43)+"\n"), 0o600))

	return file
}

// plain is the URL of a listener without TLS.
func plain(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, _ = conn.Write([]byte("HTTP/1.0 400 no\r\n\r\n"))
			_ = conn.Close()
		}
	}()

	return "https://" + l.Addr().String()
}

func TestAdmin_KnowsItsService(t *testing.T) {
	t.Parallel()
	s, other := start(t), start(t)
	got := s.run(t, "", "health", "--config", s.config, "--admin-address", strings.TrimPrefix(other.AdminURL(), "https://"))
	assert.Equal(t, 1, got.code)
	assert.Contains(t, got.err, "is not this service: its certificate is not from the root it was made with")
	for text, want := range map[string]string{
		"no PEM": "root.pem holds no PEM certificate",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n":                                                                                 "root.pem: x509",
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.root(t)})) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n": "load root certificates",
	} {
		s.write(t, filepath.Join(s.dir, "tls", "root.pem"), text)
		assert.Contains(t, s.run(t, "", "health", "--config", s.config).err, want)
	}
}

func TestAdmin_AnswersThatAreNone(t *testing.T) {
	t.Parallel()
	s := start(t)
	for contentType, want := range map[string]string{
		"text/html": "something that is no report", "application/problem+json": "something that is no problem document",
	} {
		address := s.fake(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write([]byte("<html>"))
		})
		got := s.run(t, "", "health", "--config", s.config, "--admin-address", address)
		assert.Equal(t, 1, got.code)
		assert.Contains(t, got.err, want)
	}
}

// full is an output that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestCommands_SayWhenTheResultCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, args := range [][]string{{"version"}, {"version", "--output", "json"}, {"status", "--config", s.config}, {"seal", "--config", s.config}, {"unseal", "--config", s.config}} {
		root := cli.Root(s.cli())
		var errs strings.Builder
		root.SetArgs(args)
		root.SetIn(strings.NewReader("share"))
		root.SetOut(full{})
		root.SetErr(&errs)
		assert.Equal(t, 1, cli.Main(t.Context(), root))
		assert.Equal(t, "Error: write result: no space left\n", errs.String())
	}
}

func TestAdmin_NeedsAToken(t *testing.T) {
	t.Parallel()
	s := start(t)
	require.NoError(t, os.Remove(filepath.Join(s.dir, "admin.token")))
	for _, command := range []string{"seal", "unseal", "shutdown"} {
		got := s.run(t, "", command, "--config", s.config)
		assert.Equal(t, 1, got.code)
		assert.Contains(t, got.err, "the service writes it when it starts: start it, or correct the data directory")
	}
	assert.Zero(t, s.run(t, "", "health", "--config", s.config).code)
	for _, command := range []string{"status", "shutdown", "seal", "unseal"} {
		assert.Equal(t, 78, s.run(t, "", command, "--config", filepath.Join(s.dir, "none.yaml")).code)
	}
}
