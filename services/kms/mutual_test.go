package kms_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// mutual has a service listen for clients of an authority. The names of clients in the realm are those of their certificates.
func mutual(t testing.TB, cfg *kms.Config, p *clientPKI, clients map[string]string) {
	t.Helper()
	cfg.MTLS.Address = "127.0.0.1:0"
	cfg.TLS.ClientCertificates = tlsconfig.ClientCertificates{Mode: tlsconfig.ClientsRequested, Authorities: []config.Path{config.Path(p.file)}}
	cfg.Revocation.AllowAddresses = []string{"127.0.0.1"}
	text, err := os.ReadFile(cfg.Realm.File.String())
	require.NoError(t, err)
	entries := "clients:\n"
	for name, certificate := range clients {
		entries += "  - id: " + name + "\n    tenant: default\n    scopes: ['kms:read']\n    certificates: [{" + certificate + "}]\n"
	}
	changed := strings.Replace(string(text), "clients: []\n", entries, 1)
	require.NotEqual(t, string(text), changed)
	require.NoError(t, os.WriteFile(cfg.Realm.File.String(), []byte(changed), 0o600))
}

// program is a client that calls a service by its certificate.
type program struct {
	s    *service
	http *http.Client
}

func (s *service) program(t testing.TB, certificate ...tls.Certificate) program {
	t.Helper()
	security := tlsconfig.ClientConfig(s.roots())
	security.Certificates = certificate
	transport := &http.Transport{TLSClientConfig: security, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return program{s, &http.Client{Transport: transport}}
}

// self asks who the caller is, and tells whether an open connection was used.
func (p program) self(t testing.TB) (got answer, reused bool, err error) {
	t.Helper()
	request := p.s.request(t, "", http.MethodGet, "self", nil)
	target, err := url.Parse(p.s.MTLSURL())
	require.NoError(t, err)
	request.URL.Host, request.Host = target.Host, target.Host
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
	}))
	own := *p.s
	own.http = p.http
	got, err = own.exchange(request)
	return got, reused, err
}

// admitted checks that the caller enters.
func (p program) admitted(t testing.TB) answer {
	t.Helper()
	got, _, err := p.self(t)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	return got
}

func TestMutualTLS_CertificatesOfTheRealmFileStandForTheirClients(t *testing.T) {
	t.Parallel()
	each := map[string]tls.Certificate{}
	p := newClientPKI(t)
	for _, name := range []string{"by-dns", "by-uri", "by-thumbprint", "by-subject", "stranger"} {
		each[name] = p.client(t, name, p.byOCSP, func(c *x509.Certificate) {
			c.URIs = []*url.URL{{Scheme: "spiffe", Host: "example.net", Path: "/" + name}}
		})
	}
	digest := sha256.Sum256(each["by-thumbprint"].Certificate[0])
	cfg, files := prepare(t, database.EngineSQLite)
	mutual(t, &cfg, p, map[string]string{
		"by-dns": "dns: by-dns", "by-uri": "uri: 'spiffe://example.net/by-uri'", "by-subject": "subject: 'CN=by-subject'",
		"by-thumbprint": "thumbprint: " + base64.RawURLEncoding.EncodeToString(digest[:]),
	})
	s := run(t, cfg, files)
	for name, certificate := range each {
		got, _, err := s.program(t, certificate).self(t)
		require.NoError(t, err, name)
		if name == "stranger" {
			assert.Equal(t, http.StatusUnauthorized, got.status, "%s", got.body)
			continue
		}
		require.Equal(t, http.StatusOK, got.status, "%s: %s", name, got.body)
		who := got.object(t)
		assert.Equal(t, []any{"default", "file", "client", name, true}, []any{who["tenant"], who["realm"], who["kind"], who["id"], who["confirmed"]}, "%s", got.body)
	}

	// Nobody else gets as far as a request.
	other := newClientPKI(t)
	expired := p.client(t, "by-dns", p.byOCSP, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) })
	forServers := p.client(t, "by-dns", p.byOCSP, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	for name, shown := range map[string][]tls.Certificate{
		"none": nil, "another authority's": {other.client(t, "by-dns", other.byOCSP)}, "expired": {expired}, "a server's": {forServers},
		"nobody can tell its status": {p.client(t, "by-dns")},
	} {
		_, _, err := s.program(t, shown...).self(t)
		require.Error(t, err, name)
	}
}

// A certificate that is revoked is refused as soon as the answer before has run out, also on a connection that was open all the time.
func TestMutualTLS_ARevocationEndsOpenConnections(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{revocation.ModeStrict, revocation.ModePermissive} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newClientPKI(t)
			cfg, files := prepare(t, database.EngineSQLite)
			mutual(t, &cfg, p, map[string]string{"by-ocsp": "dns: by-ocsp", "by-list": "dns: by-list", "other": "dns: other"})
			cfg.Revocation.Mode = mode
			s := run(t, cfg, files)
			other := s.program(t, p.client(t, "other", p.byOCSP, p.byList))
			for name, asks := range map[string]func(*x509.Certificate){"by-ocsp": p.byOCSP, "by-list": p.byList} {
				certificate := p.client(t, name, asks)
				caller := s.program(t, certificate)
				caller.admitted(t)
				p.revoke(certificate)
				begun := time.Now()
				var got answer
				require.Eventually(t, func() bool {
					answered, reused, err := caller.self(t)
					got = answered
					return assert.NoError(t, err) && assert.True(t, reused, "the connection is the open one") && got.status != http.StatusOK
				}, 2*answersLive, 20*time.Millisecond, "%s is never refused", name)
				t.Logf("%s: refused %s after the revocation; answers live for %s", name, time.Since(begun).Round(time.Millisecond), answersLive)
				assert.Less(t, time.Since(begun), answersLive+time.Second, name)
				assert.Equal(t, http.StatusUnauthorized, got.status, "%s", got.body)
				assert.Equal(t, "unauthenticated", got.member(t, "code"))
				_, _, err := s.program(t, certificate).self(t)
				require.Error(t, err, "a new connection of %s", name)
				other.admitted(t)
			}
		})
	}
}

// With nobody to tell the status, strict refuses and permissive admits and says so in the log.
func TestMutualTLS_WithoutResponders(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{revocation.ModeStrict, revocation.ModePermissive} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newClientPKI(t)
			cfg, files := prepare(t, database.EngineSQLite)
			mutual(t, &cfg, p, map[string]string{"known": "dns: known", "late": "dns: late"})
			cfg.Revocation.Mode, cfg.Telemetry.LogLevel = mode, "warn"
			s := run(t, cfg, files)
			certificate := p.client(t, "known", p.byOCSP, p.byList)
			known := s.program(t, certificate)
			known.admitted(t)
			p.setSilent(true)
			known.admitted(t) // the answer before is good for a while
			late := p.client(t, "late", p.byOCSP, p.byList)
			_, _, err := s.program(t, late).self(t)
			if mode == revocation.ModePermissive {
				require.NoError(t, err)
				require.Eventually(t, func() bool {
					return strings.Contains(s.logs.String(), "nobody tells the status") && strings.Contains(s.logs.String(), late.Leaf.SerialNumber.Text(16))
				}, 2*time.Second, 10*time.Millisecond, "it is not in the log")
				require.Never(t, func() bool { got, _, err := known.self(t); return err != nil || got.status != http.StatusOK },
					answersLive+time.Second, 50*time.Millisecond)
				return
			}
			require.Error(t, err, "a new connection")
			var got answer
			begun := time.Now()
			require.Eventually(t, func() bool {
				answered, reused, err := known.self(t)
				got = answered
				return assert.NoError(t, err) && assert.True(t, reused) && got.status != http.StatusOK
			}, 2*answersLive, 20*time.Millisecond)
			t.Logf("refused on the open connection %s after the responders went silent", time.Since(begun).Round(time.Millisecond))
			assert.Equal(t, http.StatusServiceUnavailable, got.status, "%s", got.body)
			assert.Equal(t, "dependency_unavailable", got.member(t, "code"))
			assert.NotEmpty(t, got.header.Get("Retry-After"))
		})
	}
}

// The listener for programs is there so that browsers are never asked for a certificate: its authorities do not open the question elsewhere.
func TestMutualTLS_NobodyIsAskedForACertificateElsewhere(t *testing.T) {
	t.Parallel()
	p := newClientPKI(t)
	cfg, files := prepare(t, database.EngineSQLite)
	text, err := os.ReadFile(files.Config)
	require.NoError(t, err)
	changed := strings.Replace(string(text), "tls:\n", "mtls:\n  address: 127.0.0.1:0\ntls:\n  client_certificates:\n    authorities: ["+p.file+"]\n", 1)
	require.NotEqual(t, string(text), changed)
	require.NoError(t, os.WriteFile(files.Config, []byte(changed), 0o600))
	_, err = kms.Service().Load(config.Source{File: files.Config}, false)
	require.NoError(t, err)
	_, err = kms.Service().Load(config.Source{File: files.Config, Overrides: map[string]string{"mtls.address": ""}}, false)
	require.ErrorContains(t, err, "tls.client_certificates.authorities", "without that listener nobody uses them")

	mutual(t, &cfg, p, map[string]string{"caller": "dns: caller"})
	cfg.TLS.ClientCertificates.Mode = tlsconfig.ClientsOff
	s := run(t, cfg, files)
	caller := p.client(t, "caller", p.byOCSP)
	for address, want := range map[string]bool{s.URL(): false, s.MTLSURL(): true} {
		asked := false
		security := tlsconfig.ClientConfig(s.roots())
		security.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return &caller, nil
		}
		dialer := tls.Dialer{Config: security}
		connection, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "https://"))
		require.NoError(t, err)
		require.NoError(t, connection.Close())
		assert.Equal(t, want, asked, address)
	}
	assert.Equal(t, "caller", s.program(t, caller).admitted(t).member(t, "id"))
}
