package kmstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// Authority issues certificates of clients.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	File        string
}

// NewAuthority makes an authority with a root of its own.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "clients"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	a := &Authority{certificate: certificate, key: key, File: filepath.Join(t.TempDir(), "clients.pem")}
	require.NoError(t, os.WriteFile(a.File, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return a
}

// Issue makes a certificate of a client that is known by a DNS name.
func (a *Authority) Issue(t testing.TB, name string) tls.Certificate {
	t.Helper()
	return a.IssueFor(t, name)
}

// IssueFor makes a certificate for a client or a server.
func (a *Authority) IssueFor(t testing.TB, name string, addresses ...net.IP) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: addresses, NotBefore: time.Now().Add(-time.Minute),
		NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Administered has a service ask for certificates of the authority's clients.
func Administered(t testing.TB, cfg *kms.Config) *Authority {
	t.Helper()
	a := NewAuthority(t)
	cfg.TLS.ClientCertificates = tlsconfig.ClientCertificates{Mode: tlsconfig.ClientsRequested, Authorities: []config.Path{config.Path(a.File)}}
	return a
}

// AddClient lists a client in the realm file that a certificate with this DNS name stands for.
func AddClient(t testing.TB, cfg *kms.Config, tenant, name, scopes string) {
	t.Helper()
	edit := cfg.Realm.File.String()
	text, err := os.ReadFile(edit)
	require.NoError(t, err)
	entry := "  - id: " + name + "\n    tenant: " + tenant + "\n    scopes: [" + scopes + "]\n    certificates: [{dns: " + name + "}]\n"
	changed := strings.Replace(string(text), "clients: []\n", "clients:\n", 1)
	changed = strings.Replace(changed, "clients:\n", "clients:\n"+entry, 1)
	require.NotEqual(t, string(text), changed)
	require.NoError(t, os.WriteFile(edit, []byte(changed), 0o600))
}

// As is the service as the holder of a certificate sees it.
func (s *Service) As(t testing.TB, certificate tls.Certificate) *Service {
	t.Helper()
	security := tlsconfig.ClientConfig(s.Roots())
	security.Certificates = []tls.Certificate{certificate}
	transport := &http.Transport{TLSClientConfig: security, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return s.By(&http.Client{Transport: transport})
}

// Root is the scopes of who may do everything in every tenant.
const Root = "'kms:admin', 'kms:tenants', 'kms:users', 'kms:audit', 'kms:read', 'kms:verify'"

// Administer lists an administrator, who holds a certificate.
func Administer(t testing.TB, cfg *kms.Config) tls.Certificate {
	t.Helper()
	a := Administered(t, cfg)
	AddClient(t, cfg, "default", "root.example", Root)
	return a.Issue(t, "root.example")
}

// Done checks an answer of the administration API, which names things differently from the service's own.
func (a Answer) Done(t testing.TB, status int) Answer {
	t.Helper()
	require.Equal(t, status, a.Status, "%s", a.Body)
	return a
}

// Ask makes a request of the administration API.
func (s *Service) Ask(t testing.TB, method, path string, body any, header ...string) Answer {
	t.Helper()
	got, err := s.Exchange(s.Request(t, "", method, path, body, header...))
	require.NoError(t, err)
	return got
}
