package platformtest_test

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
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// mutual has a service listen for clients of an authority. The names of clients in the realm are those of their certificates.
func mutual(t testing.TB, cfg *kms.Config, p *kmstest.ClientPKI, clients map[string]string) {
	t.Helper()
	cfg.MTLS.Address = "127.0.0.1:0"
	cfg.TLS.ClientCertificates = tlsconfig.ClientCertificates{Mode: tlsconfig.ClientsRequested, Authorities: []config.Path{config.Path(p.File)}}
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
	s    *kmstest.Service
	http *http.Client
}

func programOf(t testing.TB, s *kmstest.Service, certificate ...tls.Certificate) program {
	t.Helper()
	security := tlsconfig.ClientConfig(s.Roots())
	security.Certificates = certificate
	transport := &http.Transport{TLSClientConfig: security, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return program{s, &http.Client{Transport: transport}}
}

// self asks who the caller is, and tells whether an open connection was used.
func (p program) self(t testing.TB) (got kmstest.Answer, reused bool, err error) {
	t.Helper()
	request := p.s.Request(t, "", http.MethodGet, "self", nil)
	target, err := url.Parse(p.s.MTLSURL())
	require.NoError(t, err)
	request.URL.Host, request.Host = target.Host, target.Host
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
	}))
	got, err = p.s.By(p.http).Exchange(request)
	return got, reused, err
}

// admitted checks that the caller enters.
func (p program) admitted(t testing.TB) kmstest.Answer {
	t.Helper()
	got, _, err := p.self(t)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
	return got
}

func TestMutualTLS_CertificatesOfTheRealmFileStandForTheirClients(t *testing.T) {
	t.Parallel()
	each := map[string]tls.Certificate{}
	p := kmstest.NewClientPKI(t)
	for _, name := range []string{"by-dns", "by-uri", "by-thumbprint", "by-subject", "stranger"} {
		each[name] = p.Client(t, name, p.ByOCSP, func(c *x509.Certificate) {
			c.URIs = []*url.URL{{Scheme: "spiffe", Host: "example.net", Path: "/" + name}}
		})
	}
	digest := sha256.Sum256(each["by-thumbprint"].Certificate[0])
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	mutual(t, &cfg, p, map[string]string{
		"by-dns": "dns: by-dns", "by-uri": "uri: 'spiffe://example.net/by-uri'", "by-subject": "subject: 'CN=by-subject'",
		"by-thumbprint": "thumbprint: " + base64.RawURLEncoding.EncodeToString(digest[:]),
	})
	s := kmstest.Run(t, cfg, files)
	for name, certificate := range each {
		got, _, err := programOf(t, s, certificate).self(t)
		require.NoError(t, err, name)
		if name == "stranger" {
			assert.Equal(t, http.StatusUnauthorized, got.Status, "%s", got.Body)
			continue
		}
		require.Equal(t, http.StatusOK, got.Status, "%s: %s", name, got.Body)
		who := got.Object(t)
		assert.Equal(t, []any{"default", "file", "client", name, true}, []any{who["tenant"], who["realm"], who["kind"], who["id"], who["confirmed"]}, "%s", got.Body)
	}

	// Nobody else gets as far as a request.
	other := kmstest.NewClientPKI(t)
	expired := p.Client(t, "by-dns", p.ByOCSP, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) })
	forServers := p.Client(t, "by-dns", p.ByOCSP, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	for name, shown := range map[string][]tls.Certificate{
		"none": nil, "another authority's": {other.Client(t, "by-dns", other.ByOCSP)}, "expired": {expired}, "a server's": {forServers},
		"nobody can tell its status": {p.Client(t, "by-dns")},
	} {
		_, _, err := programOf(t, s, shown...).self(t)
		require.Error(t, err, name)
	}
}

// A certificate that is revoked is refused as soon as the answer before has run out, also on a connection that was open all the time.
func TestMutualTLS_ARevocationEndsOpenConnections(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{revocation.ModeStrict, revocation.ModePermissive} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := kmstest.NewClientPKI(t)
			cfg, files := kmstest.Prepare(t, database.EngineSQLite)
			mutual(t, &cfg, p, map[string]string{"by-ocsp": "dns: by-ocsp", "by-list": "dns: by-list", "other": "dns: other"})
			cfg.Revocation.Mode = mode
			s := kmstest.Run(t, cfg, files)
			other := programOf(t, s, p.Client(t, "other", p.ByOCSP, p.ByList))
			for name, asks := range map[string]func(*x509.Certificate){"by-ocsp": p.ByOCSP, "by-list": p.ByList} {
				certificate := p.Client(t, name, asks)
				caller := programOf(t, s, certificate)
				caller.admitted(t)
				p.Revoke(certificate)
				begun := time.Now()
				var got kmstest.Answer
				require.Eventually(t, func() bool {
					answered, reused, err := caller.self(t)
					got = answered
					return assert.NoError(t, err) && assert.True(t, reused, "the connection is the open one") && got.Status != http.StatusOK
				}, 2*kmstest.AnswersLive, 20*time.Millisecond, "%s is never refused", name)
				t.Logf("%s: refused %s after the revocation; answers live for %s", name, time.Since(begun).Round(time.Millisecond), kmstest.AnswersLive)
				assert.Less(t, time.Since(begun), kmstest.AnswersLive+time.Second, name)
				assert.Equal(t, http.StatusUnauthorized, got.Status, "%s", got.Body)
				assert.Equal(t, "unauthenticated", got.Member(t, "code"))
				_, _, err := programOf(t, s, certificate).self(t)
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
			p := kmstest.NewClientPKI(t)
			cfg, files := kmstest.Prepare(t, database.EngineSQLite)
			mutual(t, &cfg, p, map[string]string{"known": "dns: known", "late": "dns: late"})
			cfg.Revocation.Mode, cfg.Telemetry.LogLevel = mode, "warn"
			s := kmstest.Run(t, cfg, files)
			certificate := p.Client(t, "known", p.ByOCSP, p.ByList)
			known := programOf(t, s, certificate)
			known.admitted(t)
			p.SetSilent(true)
			known.admitted(t) // the answer before is good for a while
			late := p.Client(t, "late", p.ByOCSP, p.ByList)
			_, _, err := programOf(t, s, late).self(t)
			if mode == revocation.ModePermissive {
				require.NoError(t, err)
				require.Eventually(t, func() bool {
					return strings.Contains(s.Logs.String(), "nobody tells the status") && strings.Contains(s.Logs.String(), late.Leaf.SerialNumber.Text(16))
				}, 2*time.Second, 10*time.Millisecond, "it is not in the log")
				require.Never(t, func() bool { got, _, err := known.self(t); return err != nil || got.Status != http.StatusOK },
					kmstest.AnswersLive+time.Second, 50*time.Millisecond)
				return
			}
			require.Error(t, err, "a new connection")
			var got kmstest.Answer
			begun := time.Now()
			require.Eventually(t, func() bool {
				answered, reused, err := known.self(t)
				got = answered
				return assert.NoError(t, err) && assert.True(t, reused) && got.Status != http.StatusOK
			}, 2*kmstest.AnswersLive, 20*time.Millisecond)
			t.Logf("refused on the open connection %s after the responders went silent", time.Since(begun).Round(time.Millisecond))
			assert.Equal(t, http.StatusServiceUnavailable, got.Status, "%s", got.Body)
			assert.Equal(t, "dependency_unavailable", got.Member(t, "code"))
			assert.NotEmpty(t, got.Header.Get("Retry-After"))
		})
	}
}

// The listener for programs is there so that browsers are never asked for a certificate: its authorities do not open the question elsewhere.
func TestMutualTLS_NobodyIsAskedForACertificateElsewhere(t *testing.T) {
	t.Parallel()
	p := kmstest.NewClientPKI(t)
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	text, err := os.ReadFile(files.Config)
	require.NoError(t, err)
	changed := strings.Replace(string(text), "tls:\n", "mtls:\n  address: 127.0.0.1:0\ntls:\n  client_certificates:\n    authorities: ["+p.File+"]\n", 1)
	require.NotEqual(t, string(text), changed)
	require.NoError(t, os.WriteFile(files.Config, []byte(changed), 0o600))
	_, err = kms.Service().Load(config.Source{File: files.Config}, false)
	require.NoError(t, err)
	_, err = kms.Service().Load(config.Source{File: files.Config, Overrides: map[string]string{"mtls.address": ""}}, false)
	require.ErrorContains(t, err, "tls.client_certificates.authorities", "without that listener nobody uses them")

	mutual(t, &cfg, p, map[string]string{"caller": "dns: caller"})
	cfg.TLS.ClientCertificates.Mode = tlsconfig.ClientsOff
	s := kmstest.Run(t, cfg, files)
	caller := p.Client(t, "caller", p.ByOCSP)
	for address, want := range map[string]bool{s.URL(): false, s.MTLSURL(): true} {
		asked := false
		security := tlsconfig.ClientConfig(s.Roots())
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
	assert.Equal(t, "caller", programOf(t, s, caller).admitted(t).Member(t, "id"))
}
