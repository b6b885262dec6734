package platformtest_test

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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// servingFiles are a certificate and its key where a service reads them, and somebody replaces them.
type servingFiles struct{ certificate, key string }

func newServingFiles(t testing.TB) servingFiles {
	t.Helper()
	dir := t.TempDir()
	return servingFiles{filepath.Join(dir, "serving.pem"), filepath.Join(dir, "serving.key")}
}

// put replaces both files as a renewal does: written beside, then renamed.
func (f servingFiles) put(t testing.TB, key *ecdsa.PrivateKey, chain ...*x509.Certificate) {
	t.Helper()
	var text []byte
	for _, c := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, content := range map[string][]byte{f.certificate: text, f.key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		require.NoError(t, os.WriteFile(name+".new", content, 0o600))
		require.NoError(t, os.Rename(name+".new", name))
	}
}

// serving issues a certificate for 127.0.0.1 that has lived for some time and has some left.
func serving(t testing.TB, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey, lived, left time.Duration) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "kms.example.net"}, NotBefore: time.Now().Add(-lived), NotAfter: time.Now().Add(left),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	return kmstest.Certify(t, template, issuer, key, issuerKey), key
}

// served is the certificate that a new connection to the service gets, which must chain to the root.
func served(t testing.TB, s *kmstest.Service, root *x509.Certificate) *x509.Certificate {
	t.Helper()
	served, err := handshake(t, s.URL(), poolOf(root))
	require.NoError(t, err)
	return served
}

// handshake is the certificate that a listener shows, if it chains to one of the roots.
func handshake(t testing.TB, address string, roots *x509.CertPool) (*x509.Certificate, error) {
	t.Helper()
	dialer := tls.Dialer{Config: tlsconfig.ClientConfig(roots)}
	connection, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "https://"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close() }() // nothing was sent
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// trusting is the service as a caller sees it who trusts these roots, and whose connection lives on.
func trusting(t testing.TB, s *kmstest.Service, roots *x509.CertPool) *kmstest.Service {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: tlsconfig.ClientConfig(roots), ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return s.By(&http.Client{Transport: transport})
}

// commands is the service as its own commands see it, through the root of the private hierarchy.
func commands(t testing.TB, s *kmstest.Service) *kmstest.Service {
	t.Helper()
	roots, err := tlsconfig.LoadRoots(s.Files.Root)
	require.NoError(t, err)
	return trusting(t, s, roots)
}

func poolOf(root *x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return pool
}

// health is what a probe says in all, and about one check.
func health(t testing.TB, s *kmstest.Service, probe, check string) (status int, overall, detail string) {
	t.Helper()
	got, err := s.Exchange(s.AdminRequest(t, http.MethodGet, probe, ""))
	require.NoError(t, err)
	for _, c := range got.Object(t)["checks"].([]any) {
		if c := c.(map[string]any); c["name"] == check {
			detail, _ = c["detail"].(string)
			return got.Status, got.Member(t, "status"), detail
		}
	}
	t.Fatalf("%s does not know %s: %s", probe, check, got.Body)
	return 0, "", ""
}

// says waits until both probes are 200 with this status and, in the check of certificates, this text.
func says(t testing.TB, s *kmstest.Service, status, text string) {
	t.Helper()
	commands := commands(t, s)
	for _, probe := range []string{"readyz", "healthz"} {
		var code int
		var overall, detail string
		if !assert.Eventually(t, func() bool {
			code, overall, detail = health(t, commands, probe, "certificates")
			return code == http.StatusOK && overall == status && strings.Contains(detail, text)
		}, 5*time.Second, 20*time.Millisecond) {
			t.Fatalf("%s: %d %s %q, want %s %q", probe, code, overall, detail, status, text)
		}
	}
}

func TestTLS_ExternalFilesAreTakenOverWhileTheServiceRuns(t *testing.T) {
	t.Parallel()
	root, rootKey := kmstest.SelfSigned(t, "external root", 3650*kmstest.Day)
	files := newServingFiles(t)
	first, key := serving(t, root, rootKey, kmstest.Day, 90*kmstest.Day)
	files.put(t, key, first)
	cfg, data := kmstest.Prepare(t, database.EngineSQLite)
	cfg.TLS = tlsconfig.Config{
		Mode: tlsconfig.ModeExternal, Certificate: config.Path(files.certificate), Key: config.Path(files.key), IPAddresses: []string{"127.0.0.1"},
	}
	s := kmstest.Run(t, cfg, data)
	token := s.Operator(t)
	assert.Equal(t, first.SerialNumber, served(t, s, root).SerialNumber)
	caller := trusting(t, s, poolOf(root))
	caller.Create(t, token, "kept", "A256GCM/A256KW")
	says(t, s, "ok", "")

	// The files alone suffice; connections that exist live on.
	second, key := serving(t, root, rootKey, kmstest.Day, 90*kmstest.Day)
	begun := time.Now()
	files.put(t, key, second)
	require.Eventually(t, func() bool {
		caller.Get(t, token, "self")
		return served(t, s, root).SerialNumber.Cmp(second.SerialNumber) == 0
	}, 15*time.Second, 50*time.Millisecond)
	t.Logf("the new certificate is served %s after the files were replaced", time.Since(begun).Round(time.Millisecond))

	// What cannot be used changes nothing.
	stranger, strangerKey := kmstest.SelfSigned(t, "another root", 3650*kmstest.Day)
	third, thirdKey := serving(t, root, rootKey, kmstest.Day, 90*kmstest.Day)
	expired, expiredKey := serving(t, root, rootKey, 30*kmstest.Day, -kmstest.Day)
	foreign, foreignKey := serving(t, stranger, strangerKey, kmstest.Day, 90*kmstest.Day)
	for name, put := range map[string]func(){
		"another key":     func() { files.put(t, expiredKey, third) },
		"expired":         func() { files.put(t, expiredKey, expired) },
		"a broken chain":  func() { files.put(t, thirdKey, third, foreign) },
		"no certificate":  func() { files.put(t, thirdKey) },
		"key for readers": func() { files.put(t, thirdKey, third); require.NoError(t, os.Chmod(files.key, 0o644)) },
	} {
		put()
		require.Error(t, s.Reload(&s.Config.Config), name)
		assert.Equal(t, second.SerialNumber, served(t, s, root).SerialNumber, name)
	}
	require.NoError(t, os.Chmod(files.key, 0o600))

	// One that is near its end is served, and everybody who looks is told.
	near, nearKey := serving(t, root, rootKey, 89*kmstest.Day, kmstest.Day)
	files.put(t, nearKey, near)
	require.NoError(t, s.Reload(&s.Config.Config))
	assert.Equal(t, near.SerialNumber, served(t, s, root).SerialNumber)
	says(t, s, "degraded", `the server certificate "CN=kms.example.net" expires at `+near.NotAfter.UTC().Format(time.RFC3339))
	caller.Get(t, token, "self")
	files.put(t, thirdKey, third)
	require.NoError(t, s.Reload(&s.Config.Config))
	says(t, s, "ok", "")

	// Another authority may take over too.
	files.put(t, foreignKey, foreign)
	require.NoError(t, s.Reload(&s.Config.Config))
	assert.Equal(t, foreign.SerialNumber, served(t, s, stranger).SerialNumber)
	_, err := handshake(t, s.URL(), poolOf(root))
	require.Error(t, err)
	caller.Get(t, token, "self")

	// The admin listener has a certificate of its own all the time.
	private := commands(t, s).Roots()
	_, err = handshake(t, s.AdminURL(), private)
	require.NoError(t, err)
	_, err = handshake(t, s.URL(), private)
	require.Error(t, err)
}

func TestTLS_MixedIssuesFromAnAuthorityThatIsReplacedWhileTheServiceRuns(t *testing.T) {
	t.Parallel()
	first, firstKey := kmstest.SelfSigned(t, "first authority", 3650*kmstest.Day)
	files := newServingFiles(t)
	files.put(t, firstKey, first)
	cfg, data := kmstest.Prepare(t, database.EngineSQLite)
	cfg.TLS = tlsconfig.Config{
		Mode: tlsconfig.ModeMixed, IssuerCertificate: config.Path(files.certificate), IssuerKey: config.Path(files.key), IPAddresses: []string{"127.0.0.1"},
	}
	s := kmstest.Run(t, cfg, data)
	token := s.Operator(t)
	before := served(t, s, first)
	assert.LessOrEqual(t, before.NotAfter.Sub(before.NotBefore), 7*kmstest.Day)
	caller := trusting(t, s, poolOf(first))
	caller.Create(t, token, "kept", "A256GCM/A256KW")
	says(t, s, "ok", "")

	second, secondKey := kmstest.SelfSigned(t, "second authority", 3650*kmstest.Day)
	files.put(t, firstKey, second)
	require.Error(t, s.Reload(&s.Config.Config), "the key of another")
	assert.Equal(t, before.Raw, served(t, s, first).Raw)
	files.put(t, secondKey, second)
	require.NoError(t, s.Reload(&s.Config.Config))
	after := served(t, s, second)
	assert.NotEqual(t, before.SerialNumber, after.SerialNumber)
	_, err := handshake(t, s.URL(), poolOf(first))
	require.Error(t, err)
	caller.Get(t, token, "self")

	// An authority near its end is named.
	near, nearKey := kmstest.SelfSigned(t, "old authority", 10*time.Minute)
	files.put(t, nearKey, near)
	require.NoError(t, s.Reload(&s.Config.Config))
	leaf := served(t, s, near)
	assert.False(t, leaf.NotAfter.After(near.NotAfter), "a leaf does not outlive its issuer")
	says(t, s, "degraded", "expires at "+near.NotAfter.UTC().Format(time.RFC3339))
	files.put(t, secondKey, second)
	require.NoError(t, s.Reload(&s.Config.Config))
	says(t, s, "ok", "")
}
