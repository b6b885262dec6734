package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// authority issues certificates for clients.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "clients"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)

	return &authority{certificate, key}
}

func (a *authority) client(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	require.NoError(t, err)

	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// mutual is the certificate of all tests with clients that must show theirs.
type mutual struct {
	*tlsconfig.Material

	clients *x509.CertPool
	demand  tls.ClientAuthType
	revoked atomic.Pointer[error]
}

func (m *mutual) ServerConfig() *tls.Config {
	c := m.Material.ServerConfig()
	c.ClientAuth, c.ClientCAs = m.demand, m.clients

	return c
}

func (m *mutual) CheckPeer(_ context.Context, state *tls.ConnectionState) error {
	if err := m.revoked.Load(); err != nil && len(state.PeerCertificates) > 0 {
		return *err
	}

	return nil
}

func (m *mutual) revoke(err error) { m.revoked.Store(&err) }

// certified lets in who shows a certificate.
type certified struct{}

func (certified) Authenticate(_ context.Context, r *http.Request) (*server.Principal, error) {
	if len(r.TLS.PeerCertificates) == 0 {
		return nil, problem.New(problem.Unauthenticated, "no certificate")
	}

	return &server.Principal{Tenant: "acme", Kind: server.KindClient, ID: r.TLS.PeerCertificates[0].Subject.CommonName, Scopes: []string{"t:read"}}, nil
}

func TestMTLS_ListenerForPrograms(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	source := &mutual{demand: tls.RequireAndVerifyClientCert, clients: x509.NewCertPool()}
	source.clients.AddCert(ca.certificate)
	f := start(t, func(c *server.Config, d *server.Deps) {
		m, err := sharedMaterial()
		require.NoError(t, err)
		source.Material = m
		c.MTLS.Address, d.MTLS, d.Auth = "127.0.0.1:0", source, certified{}
	})
	require.NotEqual(t, f.PublicURL(), f.MTLSURL())
	client := f.newClient(true)
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{ca.client(t, "robot")}
	get := func(url string) answer {
		a, err := do(client, f.request("GET", url+"/service/api/v1/things"))
		require.NoError(t, err)

		return a
	}
	assert.Equal(t, http.StatusOK, get(f.MTLSURL()).StatusCode)
	assert.Equal(t, "robot", f.seen[0].ID)
	assert.Equal(t, "unauthenticated", get(f.PublicURL()).problem(t).Code, "nobody asks for a certificate there")
	_, err := do(f.client, f.request("GET", f.MTLSURL()+"/service/api/v1/open"))
	require.Error(t, err, "without a certificate there is no connection")
	stranger := f.newClient(true)
	stranger.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{newAuthority(t).client(t, "robot")}
	_, err = do(stranger, f.request("GET", f.MTLSURL()+"/service/api/v1/open"))
	require.Error(t, err)

	source.revoke(errors.New("canary: revoked"))
	a := get(f.MTLSURL())
	assert.Equal(t, "unauthenticated", a.problem(t).Code, "a connection that is kept does not outlive the revocation")
	assert.NotContains(t, a.body, "canary")
	source.revoke(problem.New(problem.DependencyUnavailable, "no status").Because(errors.New("canary")))
	a = get(f.MTLSURL())
	assert.Equal(t, "dependency_unavailable", a.problem(t).Code)
	assert.Equal(t, "5", a.Header.Get("Retry-After"))

	var status server.Status
	require.NoError(t, json.Unmarshal([]byte(f.admin("GET", "/status").body), &status))
	assert.Equal(t, f.MTLSURL(), status.MTLSURL)
}

// certifiedOperators lets in who shows a certificate.
type certifiedOperators struct{}

func (certifiedOperators) Operator(_ context.Context, r *http.Request) (*server.Principal, error) {
	return &server.Principal{Tenant: "default", Kind: server.KindUser, ID: r.TLS.PeerCertificates[0].Subject.CommonName}, nil
}

func TestAdmin_OperatorsWithCertificates(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	source := &mutual{demand: tls.VerifyClientCertIfGiven, clients: x509.NewCertPool()}
	source.clients.AddCert(ca.certificate)
	f := start(t, func(_ *server.Config, d *server.Deps) {
		m, err := sharedMaterial()
		require.NoError(t, err)
		source.Material = m
		d.AdminTLS, d.AdminAuth = source, certifiedOperators{}
	})
	client := f.newClient(true)
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{ca.client(t, "alice")}
	get := func(client *http.Client) answer {
		a, err := do(client, f.request("GET", f.AdminURL()+"/admin/v1/status"))
		require.NoError(t, err)

		return a
	}
	assert.Equal(t, http.StatusOK, get(client).StatusCode)
	assert.Equal(t, "alice", f.log.lines(t, "admin request")[0]["principal"])
	assert.Equal(t, "unauthenticated", get(f.client).problem(t).Code, "who shows nothing is nobody")
	assert.Equal(t, http.StatusOK, f.admin("GET", "/status").StatusCode)
	source.revoke(errors.New("canary: revoked"))
	a := get(client)
	assert.Equal(t, "unauthenticated", a.problem(t).Code)
	assert.NotContains(t, a.body, "canary")
}

func TestMTLS_RefusedAtStart(t *testing.T) {
	t.Parallel()
	m, err := sharedMaterial()
	require.NoError(t, err)
	for want, c := range map[string]struct {
		address string
		source  server.TLS
	}{
		"there is no certificate for it": {"127.0.0.1:0", nil},
		"mtls.address is empty":          {"", &mutual{Material: m, demand: tls.RequireAndVerifyClientCert}},
		"must require client":            {"127.0.0.1:0", &mutual{Material: m, demand: tls.VerifyClientCertIfGiven}},
	} {
		_, config, deps := prepare(t)
		config.MTLS.Address, deps.MTLS = c.address, c.source
		_, err := server.New(config, deps)
		require.ErrorContains(t, err, want)
	}
}

func TestRun_OpensAllListenersOrNone(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	_, config, deps := prepare(t)
	config.Admin.Address = f.AdminURL()[len("https://"):]
	config.Public.Address = "127.0.0.1:0"
	s, err := server.New(config, deps)
	require.NoError(t, err)
	require.ErrorContains(t, s.Run(t.Context()), "another process has it")
}

func TestAdmin_Status(t *testing.T) {
	t.Parallel()
	now := newClock()
	f := start(t, func(c *server.Config, d *server.Deps) {
		d.Product, d.Now = "t", now.Now
		c.Access.Allow = []string{"127.0.0.0/8"}
	})
	assert.Equal(t, "unauthenticated", f.send(f.request("GET", f.AdminURL()+"/admin/v1/status")).problem(t).Code)
	blocked := make(chan answer)
	go func() { blocked <- f.service("reader", "GET", "/act/block") }()
	<-f.entered
	read := func() (status server.Status) {
		a := f.admin("GET", "/status")
		require.Equal(t, http.StatusOK, a.StatusCode)
		require.NoError(t, json.Unmarshal([]byte(a.body), &status))

		return status
	}
	status := read()
	assert.Equal(t, "t", status.Product)
	assert.Equal(t, "only", status.Build.FIPSMode)
	assert.Equal(t, now.Now(), time.Time(status.StartedAt).UTC())
	assert.EqualValues(t, 1, status.InFlight)
	assert.False(t, status.Sealed)
	assert.Equal(t, f.PublicURL(), status.PublicURL)
	assert.Equal(t, []string{"127.0.0.0/8"}, status.Limits.Allow)
	assert.Equal(t, []string{}, status.Limits.TrustedProxies)
	assert.EqualValues(t, 1024, status.Limits.MaxInFlight)
	assert.Equal(t, server.StatusRate{Limit: 10_000, Seconds: 1, Burst: 20_000}, status.Limits.PerClient)
	require.NotEmpty(t, status.Certificates)
	assert.Equal(t, "public", status.Certificates[0].Listener)
	assert.Positive(t, status.Certificates[0].LeftDays)
	close(f.release)
	<-blocked
	require.NoError(t, f.seal.Seal(t.Context()))
	require.Eventually(t, func() bool { s := read(); return s.Sealed && s.InFlight == 0 }, 10*time.Second, time.Millisecond)
}

// Health answers while all that the public listener can take is taken.
func TestAdmin_HealthUnderSaturation(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *server.Config, _ *server.Deps) { c.Limits.MaxInFlight, c.Limits.MaxInFlightPerClient = 64, 64 })
	const taken = 48 // three quarters: the share of one caller
	ended := make(chan error, taken)
	for range taken {
		go func() {
			_, err := do(f.client, f.request("GET", f.PublicURL()+"/service/api/v1/act/block", "Authorization", "Bearer reader"))
			ended <- err
		}()
	}
	for range taken {
		<-f.entered
	}
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		for range 20 {
			began := time.Now()
			require.Equal(t, http.StatusOK, f.admin("GET", path).StatusCode)
			assert.Less(t, time.Since(began), 2*time.Second)
		}
	}
	assert.Equal(t, http.StatusTooManyRequests, f.service("reader", "GET", "/things").StatusCode)
	close(f.release)
	for range taken {
		require.NoError(t, <-ended)
	}
}
