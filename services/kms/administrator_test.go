package kms_test

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

// authority issues certificates of clients.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func newAuthority(t testing.TB) *authority {
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
	a := &authority{certificate: certificate, key: key, file: filepath.Join(t.TempDir(), "clients.pem")}
	require.NoError(t, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return a
}

// issue makes a certificate of a client that is known by a DNS name.
func (a *authority) issue(t testing.TB, name string) tls.Certificate {
	t.Helper()
	return a.issueFor(t, name)
}

// issueFor makes a certificate for a client or a server.
func (a *authority) issueFor(t testing.TB, name string, addresses ...net.IP) tls.Certificate {
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

// files writes a certificate and its key, as a service is configured with them.
func (a *authority) files(t testing.TB, made tls.Certificate) (certificate, key string) {
	t.Helper()
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	der, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return certificate, key
}

// administered has a service ask for certificates of the authority's clients.
func administered(t testing.TB, cfg *kms.Config) *authority {
	t.Helper()
	a := newAuthority(t)
	cfg.TLS.ClientCertificates = tlsconfig.ClientCertificates{Mode: tlsconfig.ClientsRequested, Authorities: []config.Path{config.Path(a.file)}}
	return a
}

// addClient lists a client in the realm file that a certificate with this DNS name stands for.
func addClient(t testing.TB, cfg *kms.Config, tenant, name, scopes string) {
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

// as is the service as the holder of a certificate sees it.
func (s *service) as(t testing.TB, certificate tls.Certificate) *service {
	t.Helper()
	security := tlsconfig.ClientConfig(s.roots())
	security.Certificates = []tls.Certificate{certificate}
	transport := &http.Transport{TLSClientConfig: security, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	own := *s
	own.http = &http.Client{Transport: transport}
	return &own
}

// root is the scopes of who may do everything in every tenant.
const root = "'kms:admin', 'kms:tenants', 'kms:users', 'kms:audit', 'kms:read', 'kms:verify'"

// administer lists an administrator, who holds a certificate.
func administer(t testing.TB, cfg *kms.Config) tls.Certificate {
	t.Helper()
	a := administered(t, cfg)
	addClient(t, cfg, "default", "root.example", root)
	return a.issue(t, "root.example")
}

// done checks an answer of the administration API, which names things differently from the service's own.
func (a answer) done(t testing.TB, status int) answer {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.body)
	return a
}

// ask makes a request of the administration API.
func (s *service) ask(t testing.TB, method, path string, body any, header ...string) answer {
	t.Helper()
	got, err := s.exchange(s.request(t, "", method, path, body, header...))
	require.NoError(t, err)
	return got
}
