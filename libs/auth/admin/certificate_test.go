package admin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// askingTLS asks for client certificates of an authority.
type askingTLS struct {
	material *tlsconfig.Material
	clients  *x509.CertPool
}

func (a askingTLS) ServerConfig() *tls.Config {
	cfg := a.material.ServerConfig().Clone()
	cfg.ClientAuth, cfg.ClientCAs = tls.VerifyClientCertIfGiven, a.clients
	if inner := cfg.GetConfigForClient; inner != nil {
		cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := inner(hello)
			if err != nil || chosen == nil {
				return chosen, err
			}
			chosen = chosen.Clone()
			chosen.ClientAuth, chosen.ClientCAs = tls.VerifyClientCertIfGiven, a.clients
			return chosen, nil
		}
	}
	return cfg
}

// authority issues client certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

var sharedAuthority = sync.OnceValues(func() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "clients"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	a := &authority{certificate: certificate, key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(certificate)
	return a, err
})

func certificateAuthority(t *testing.T) *authority {
	t.Helper()
	a, err := sharedAuthority()
	require.NoError(t, err)
	return a
}

// issue makes a client certificate with these names.
func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"Example"}},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name + ".example.org"},
		URIs: []*url.URL{{Scheme: "spiffe", Host: "example.org", Path: "/" + name}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// with is a client of the replica that presents a certificate.
func (r *replica) with(t *testing.T, certificate tls.Certificate) *replica {
	t.Helper()
	transport := r.client.Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	t.Cleanup(transport.CloseIdleConnections)
	other := *r
	other.client = &http.Client{Transport: transport}
	return &other
}

func TestCertificates_StandForTheClientTheyAreMappedTo(t *testing.T) {
	t.Parallel()
	eachEngine(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		a, b := c.replicas[0], c.replicas[1]
		certificate := certificateAuthority(t).issue(t, "billing")
		sum := sha256.Sum256(certificate.Certificate[0])
		first, second := a.with(t, certificate), b.with(t, certificate)
		assert.Equal(t, "unauthenticated", first.call("", http.MethodGet, "/self", "").code(), "mapped to nobody")
		for i, mapping := range []string{
			`{"kind":"x5t#S256","value":"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"}`, `{"kind":"uri","value":"spiffe://example.org/billing"}`,
			`{"kind":"dns","value":"billing.example.org"}`, `{"kind":"subject","value":"CN=billing,O=Example"}`,
		} {
			made := a.call(root("acme"), http.MethodPost, "/clients",
				`{"name":"c`+string(rune('0'+i))+`","scopes":["t:read","t:users"],"without_secret":true,"certificates":[`+mapping+`]}`).ok(http.StatusCreated)
			assert.Empty(t, made.member("secret"))
			id := made.member("id")
			is := func(r *replica) bool { return r.call("", http.MethodGet, "/self", "").member("id") == id }
			assert.True(t, is(first), mapping)
			within(t, "the other replica knows it", func() bool { return is(second) })
			self := first.call("", http.MethodGet, "/self", "")
			assert.Contains(t, self.body, `"confirmed":true`)
			assert.Contains(t, self.body, `"methods":["mtls"]`)
			first.call("", http.MethodPost, "/roles", `{"name":"r`+string(rune('0'+i))+`","scopes":["t:read"]}`).ok(http.StatusCreated) // fresh and bound to its sender
			assert.Equal(t, "unauthenticated", a.call("", http.MethodGet, "/self", "").code(), "not without the certificate")
			assert.Equal(t, "unauthenticated", a.call(basic("acme/"+id, ""), http.MethodGet, "/self", "").code(), "nor by naming the client")
			other := a.with(t, certificateAuthority(t).issue(t, "payroll"))
			assert.Equal(t, "unauthenticated", other.call("", http.MethodGet, "/self", "").code(), "nor with another's")
			assert.Equal(t, "unauthenticated", other.call(basic("acme/"+id, ""), http.MethodGet, "/self", "").code())
			a.call(root("acme"), http.MethodDelete, "/clients/"+id, "").ok(http.StatusNoContent)
			assert.Equal(t, "unauthenticated", first.call("", http.MethodGet, "/self", "").code())
			within(t, "it is gone everywhere", func() bool { return second.call("", http.MethodGet, "/self", "").StatusCode == http.StatusUnauthorized })
		}
	})
}

// Another tenant that maps the same certificate takes nobody over: the holder says whom it means.
func TestCertificates_OfSeveralTenantsNeedAName(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		a := c.replicas[0]
		body := `{"name":"c","scopes":[],"certificates":[{"kind":"dns","value":"shared.example.org"}]}`
		mine := a.call(root("acme"), http.MethodPost, "/clients", body).ok(http.StatusCreated)
		holder := a.with(t, certificateAuthority(t).issue(t, "shared"))
		assert.Equal(t, "acme", holder.call("", http.MethodGet, "/self", "").member("tenant"))
		a.call(root("acme"), http.MethodPost, "/clients", `{"name":"d","scopes":[],"certificates":[{"kind":"dns","value":"shared.example.org"}]}`).ok(http.StatusConflict)
		theirs := a.call(root("other"), http.MethodPost, "/clients", body).ok(http.StatusCreated)
		assert.Equal(t, "unauthenticated", holder.call("", http.MethodGet, "/self", "").code(), "whom it means is not known")
		assert.Equal(t, "acme", holder.call(basic("acme/"+mine.member("id"), ""), http.MethodGet, "/self", "").member("tenant"))
		assert.Equal(t, "other", holder.call(basic("other/"+theirs.member("id"), ""), http.MethodGet, "/self", "").member("tenant"))
		assert.Equal(t, "unauthenticated", holder.call(basic("other/"+mine.member("id"), ""), http.MethodGet, "/self", "").code())

		// Secret and certificate of one client together are bound to their sender; the certificate of another adds nothing.
		assert.Contains(t, holder.call(basic(mine.member("id"), mine.member("secret")), http.MethodGet, "/self", "").body, `"confirmed":true`)
		stranger := a.with(t, certificateAuthority(t).issue(t, "stranger"))
		assert.Contains(t, stranger.call(basic(mine.member("id"), mine.member("secret")), http.MethodGet, "/self", "").body, `"confirmed":false`)
	})
}

// A tenant that maps a certificate more exactly than the one whose client holds it takes nobody over either, and does not keep the holder
// from saying whom it means.
func TestCertificates_MappedMoreExactlyByAnotherTenantTakeNobodyOver(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		a := c.replicas[0]
		certificate := certificateAuthority(t).issue(t, "victim")
		sum := sha256.Sum256(certificate.Certificate[0])
		mine := a.call(root("acme"), http.MethodPost, "/clients",
			`{"name":"c","scopes":[],"certificates":[{"kind":"subject","value":"CN=victim,O=Example"}]}`).ok(http.StatusCreated).member("id")
		holder := a.with(t, certificate)
		require.Equal(t, "acme", holder.call("", http.MethodGet, "/self", "").member("tenant"))
		for i, mapping := range []string{
			`{"kind":"dns","value":"victim.example.org"}`, `{"kind":"uri","value":"spiffe://example.org/victim"}`,
			`{"kind":"x5t#S256","value":"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"}`,
		} {
			theirs := a.call(root("other"), http.MethodPost, "/clients",
				`{"name":"trap`+string(rune('0'+i))+`","scopes":[],"certificates":[`+mapping+`]}`).ok(http.StatusCreated).member("id")
			got := holder.call("", http.MethodGet, "/self", "")
			assert.Equal(t, http.StatusUnauthorized, got.StatusCode, "%s: whom it means is not known: %s", mapping, got.body)
			assert.Equal(t, "acme", holder.call(basic("acme/"+mine, ""), http.MethodGet, "/self", "").member("tenant"), mapping)
			a.call(root("other"), http.MethodDelete, "/clients/"+theirs, "").ok(http.StatusNoContent)
		}
		assert.Equal(t, "acme", holder.call("", http.MethodGet, "/self", "").member("tenant"), "the traps are gone")
	})
}
