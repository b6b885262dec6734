package tlsconfig_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// person is a template for a client's certificate.
func person(change ...func(*x509.Certificate)) x509.Certificate {
	template := x509.Certificate{
		Subject: pkix.Name{CommonName: "client"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range change {
		c(&template)
	}
	return template
}

// showing makes a client that trusts a server and shows a certificate, whatever the server asks for.
func showing(t *testing.T, m *tlsconfig.Material, chain ...*issued) *tls.Config {
	t.Helper()
	c := client(t, m.RootFile())
	if len(chain) == 0 {
		return c
	}
	shown := &tls.Certificate{PrivateKey: chain[0].key, Leaf: chain[0].certificate}
	for _, link := range chain {
		shown.Certificate = append(shown.Certificate, link.certificate.Raw)
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return shown, nil }
	return c
}

// enter connects and exchanges a byte: in TLS 1.3 a client learns only then whether its certificate was accepted.
func enter(t *testing.T, address string, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	connection, err := dial(t, address, c)
	if err != nil {
		return nil, err
	}
	require.NoError(t, connection.SetDeadline(time.Now().Add(5*time.Second)))
	if _, err := connection.Write([]byte("x")); err != nil {
		return nil, err
	}
	_, err = io.ReadFull(connection, make([]byte, 1))
	return connection, err
}

// authoritiesFile writes a PEM file of authorities.
func authoritiesFile(t *testing.T, authorities ...*issued) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "authorities.pem")
	write(t, file, certificatePEM(authorities...))
	return file
}

func asking(mode string, files ...string) tlsconfig.Config {
	c := tlsconfig.Config{ClientCertificates: tlsconfig.ClientCertificates{Mode: mode}}
	for _, file := range files {
		c.ClientCertificates.Authorities = append(c.ClientCertificates.Authorities, config.Path(file))
	}
	return c
}

func openWith(t *testing.T, c tlsconfig.Config, o tlsconfig.Options) *tlsconfig.Material {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	m, err := tlsconfig.Open(c, o)
	require.NoError(t, err)
	return m
}

func TestServerConfig_AsksClientsAsConfigured(t *testing.T) {
	t.Parallel()
	ca, foreign := newCA(t, "clients"), newCA(t, "clients")
	middle := certify(t, x509.Certificate{Subject: pkix.Name{CommonName: "middle"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil, ca)
	good := certify(t, person(), nil, ca)
	expired := certify(t, person(func(c *x509.Certificate) { c.NotAfter = start().Add(-time.Minute) }), nil, ca)
	early := certify(t, person(func(c *x509.Certificate) { c.NotBefore = start().Add(time.Minute) }), nil, ca)
	forServers := certify(t, person(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), nil, ca)
	file := authoritiesFile(t, ca)
	deep := certify(t, person(), nil, middle)
	shown := map[string][]*issued{
		"none": nil, "good": {good}, "through an intermediate": {deep, middle}, "without its intermediate": {deep}, "foreign": {certify(t, person(), nil, foreign)},
		"expired": {expired}, "not yet valid": {early}, "for servers": {forServers}, "itself": {certify(t, person(), nil, nil)},
		"another key": {{good.certificate, foreign.key}}, "issued by a leaf": {certify(t, person(), nil, good), good},
	}
	admitted := map[string][]string{
		tlsconfig.ClientsOff: {"none"}, tlsconfig.ClientsRequested: {"none", "good", "through an intermediate"}, tlsconfig.ClientsRequired: {"good", "through an intermediate"},
	}
	for mode, names := range admitted {
		c := asking(mode, file)
		if mode == tlsconfig.ClientsOff {
			c = asking(mode)
		}
		m := openWith(t, c, tlsconfig.Options{})
		address := serve(t, m.ServerConfig())
		for name, chain := range shown {
			_, err := enter(t, address, showing(t, m, chain...))
			if mode == tlsconfig.ClientsOff || contains(names, name) {
				assert.NoError(t, err, mode+": "+name) // a server that does not ask gets nothing
			} else {
				assert.Error(t, err, mode+": "+name)
			}
		}
	}
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

func TestServerConfig_HandsOverTheVerifiedChain(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "clients")
	good := certify(t, person(), nil, ca)
	m := openWith(t, asking(tlsconfig.ClientsRequested, authoritiesFile(t, ca)), tlsconfig.Options{})
	seen := make(chan tls.ConnectionState, 1)
	c := m.ServerConfig()
	inner := c.GetConfigForClient
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		each, err := inner(hello)
		verify := each.VerifyConnection
		each.VerifyConnection = func(state tls.ConnectionState) error { seen <- state; return verify(state) }
		return each, err
	}
	address := serve(t, c)
	_, err := enter(t, address, showing(t, m, good))
	require.NoError(t, err)
	state := <-seen
	assert.Equal(t, [][]*x509.Certificate{{good.certificate, ca.certificate}}, state.VerifiedChains)
	require.NoError(t, m.CheckPeer(t.Context(), &state))

	_, err = enter(t, address, showing(t, m))
	require.NoError(t, err)
	none := <-seen
	assert.Empty(t, none.PeerCertificates)
	require.NoError(t, m.CheckPeer(t.Context(), &none))
	require.NoError(t, m.CheckPeer(t.Context(), nil))

	state.VerifiedChains = nil
	require.Error(t, m.CheckPeer(t.Context(), &state), "what was not verified is not accepted")
}

func TestServerConfig_ResumesNoSessionsOfClientsWithCertificates(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "clients")
	m := openWith(t, asking(tlsconfig.ClientsRequired, authoritiesFile(t, ca)), tlsconfig.Options{})
	address := serve(t, m.ServerConfig())
	c := showing(t, m, certify(t, person(), nil, ca))
	c.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	for range 3 {
		connection, err := enter(t, address, c)
		require.NoError(t, err)
		assert.False(t, connection.ConnectionState().DidResume)
		require.NoError(t, connection.Close())
	}
}

func TestOpen_AcceptsItsOwnClientsWithoutOtherAuthorities(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := openWith(t, asking(tlsconfig.ClientsRequired), tlsconfig.Options{Dir: dir, Client: true})
	peer := openWith(t, tlsconfig.Config{}, tlsconfig.Options{Dir: dir, Client: true})
	plain := openWith(t, tlsconfig.Config{}, tlsconfig.Options{Dir: dir})
	stranger := openWith(t, tlsconfig.Config{}, tlsconfig.Options{Client: true})
	address := serve(t, m.ServerConfig())
	roots, err := tlsconfig.OpenAuthorities([]config.Path{config.Path(m.RootFile())}, nil)
	require.NoError(t, err)
	call := func(as *tlsconfig.Material) error {
		c := tlsconfig.Outgoing{Roots: roots, Certificate: as}.Config()
		_, err := enter(t, address, c)
		return err
	}
	require.NoError(t, call(peer))
	require.Error(t, call(plain), "a certificate for servers is none for clients")
	require.Error(t, call(stranger))
	require.Error(t, call(nil))
}

func TestAuthorities_AreTakenOverWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	before, after := newCA(t, "before"), newCA(t, "after")
	first, second := certify(t, person(), nil, before), certify(t, person(), nil, after)
	file := authoritiesFile(t, before)
	var lines log
	m := openWith(t, asking(tlsconfig.ClientsRequired, file), tlsconfig.Options{Poll: time.Millisecond, Log: slog.New(slog.NewTextHandler(&lines, nil))})
	run(t, m.Run)
	address := serve(t, m.ServerConfig())
	_, err := enter(t, address, showing(t, m, second))
	require.Error(t, err)
	kept, err := enter(t, address, showing(t, m, first))
	require.NoError(t, err)
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{first.certificate}, VerifiedChains: [][]*x509.Certificate{{first.certificate, before.certificate}}}
	require.NoError(t, m.CheckPeer(t.Context(), &state))

	write(t, file, []byte("damaged"))
	require.Eventually(t, func() bool { return countOf(lines.String(), "cannot be used; the old ones stay") == 1 }, 20*time.Second, time.Millisecond)
	require.Never(t, func() bool { return countOf(lines.String(), "cannot be used") > 1 }, 30*time.Millisecond, 5*time.Millisecond, "it is said once")
	_, err = enter(t, address, showing(t, m, first))
	require.NoError(t, err)

	write(t, file, certificatePEM(after))
	require.Eventually(t, func() bool { _, err := enter(t, address, showing(t, m, second)); return err == nil }, 20*time.Second, time.Millisecond)
	_, err = enter(t, address, showing(t, m, first))
	require.Error(t, err)
	_, err = kept.Write([]byte("x"))
	require.NoError(t, err, "the connection lives on")
	err = m.CheckPeer(t.Context(), &state)
	require.ErrorContains(t, err, "not accepted any more", "but not what it was opened with")
	var refused *tlsconfig.PeerError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "unauthenticated", refused.ErrorCode())

	write(t, file, certificatePEM(before, after))
	require.NoError(t, m.Reload())
	require.NoError(t, m.CheckPeer(t.Context(), &state))
}

func countOf(text, part string) (n int) {
	for i := 0; i+len(part) <= len(text); i++ {
		if text[i:i+len(part)] == part {
			n++
		}
	}
	return n
}

// run runs something until the test ends.
func run(t *testing.T, f func(context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func TestOpen_RefusesClientSettingsThatDoNotGoTogether(t *testing.T) {
	t.Parallel()
	leaf := certify(t, person(), nil, newCA(t, "clients"))
	external := asking(tlsconfig.ClientsRequired)
	external.Mode, external.Certificate, external.Key = tlsconfig.ModeExternal, "/c", "/k"
	for want, c := range map[string]tlsconfig.Config{
		"client_certificates.authorities":                 external,
		`client_certificates.mode`:                        asking("always"),
		"is empty":                                        asking(tlsconfig.ClientsRequired, ""),
		"no such file":                                    asking(tlsconfig.ClientsRequired, "/nonexistent"),
		"is not an authority":                             asking(tlsconfig.ClientsRequired, authoritiesFile(t, leaf)),
		"holds no PEM certificate":                        asking(tlsconfig.ClientsRequested, os.DevNull),
		"load certificate authorities: /dev/null: holds ": asking(tlsconfig.ClientsRequested, authoritiesFile(t, newCA(t, "ok")), os.DevNull),
	} {
		_, err := tlsconfig.Open(c, tlsconfig.Options{Dir: t.TempDir()})
		require.ErrorContains(t, err, want)
	}
	_, err := tlsconfig.OpenAuthorities(nil, nil)
	require.Error(t, err, "no file must not mean the system's roots")
}
