package tlsconfig_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// files is a folder with an external certificate.
type files struct{ dir string }

func (f files) config(names ...string) tlsconfig.Config {
	return tlsconfig.Config{
		Mode:        tlsconfig.ModeExternal,
		Certificate: config.Path(filepath.Join(f.dir, "certificate.pem")), Key: config.Path(filepath.Join(f.dir, "key.pem")), DNSNames: names,
	}
}

// put writes certificate and key.
func (f files) put(t *testing.T, certificate, key []byte) {
	t.Helper()
	write(t, filepath.Join(f.dir, "certificate.pem"), certificate)
	write(t, filepath.Join(f.dir, "key.pem"), key)
}

// server is a template for a server's certificate.
func server(change ...func(*x509.Certificate)) x509.Certificate {
	template := x509.Certificate{
		DNSNames: []string{"kms.example"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, c := range change {
		c(&template)
	}
	return template
}

func TestOpen_ServesExternalCertificatesOfEveryApprovedType(t *testing.T) {
	t.Parallel()
	root := newCA(t, "root")
	intermediate := certify(t, x509.Certificate{Subject: pkix.Name{CommonName: "intermediate"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil, root)
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(p521)
	require.NoError(t, err)
	ec := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{5, 0}})
	ec = append(ec, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...)

	for name, c := range map[string]struct {
		leaf *issued
		key  []byte
	}{
		"PKCS #8 RSA":     {certify(t, server(), rsaKey, intermediate), keyPEM(t, rsaKey)},
		"PKCS #1 RSA":     {certify(t, server(), rsaKey, intermediate), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})},
		"SEC 1 P-521":     {certify(t, server(), p521, intermediate), ec},
		"PKCS #8 Ed25519": {certify(t, server(), edKey, intermediate), keyPEM(t, edKey)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := files{t.TempDir()}
			f.put(t, certificatePEM(c.leaf, intermediate), c.key)
			m, err := tlsconfig.Open(f.config("kms.example"), tlsconfig.Options{})
			require.NoError(t, err)
			assert.Equal(t, filepath.Join(f.dir, "certificate.pem"), m.RootFile())
			address := serve(t, m.ServerConfig())
			trusted := x509.NewCertPool()
			trusted.AddCert(root.certificate)
			for _, pool := range []*x509.CertPool{trusted, m.RootPool()} {
				config := tlsconfig.ClientConfig(pool)
				config.ServerName = "kms.example"
				connection, err := dial(t, address, config)
				require.NoError(t, err)
				assert.Len(t, connection.ConnectionState().PeerCertificates, 2)
			}
		})
	}
}

func TestOpen_RefusesExternalCertificatesThatClientsWouldRefuse(t *testing.T) {
	t.Parallel()
	now := start()
	root, other := newCA(t, "root"), newCA(t, "other")
	good := certify(t, server(), nil, root)
	expired := certify(t, server(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Hour) }), nil, root)
	future := certify(t, server(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(time.Hour), now.Add(2*time.Hour) }), nil, root)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	sealed := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})
	legacy := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x")})

	for name, c := range map[string]struct {
		certificate, key []byte
		want             string
	}{
		"another key":       {certificatePEM(good, root), keyPEM(t, expired.key), "does not belong to the certificate in"},
		"expired":           {certificatePEM(expired), keyPEM(t, expired.key), "the leaf certificate (CN=test) expired at " + now.Add(-time.Hour).UTC().Format(time.RFC3339)},
		"not yet valid":     {certificatePEM(future), keyPEM(t, future.key), "the leaf certificate (CN=test) is not valid before"},
		"foreign issuer":    {certificatePEM(good, other), keyPEM(t, good.key), "certificate 2 in the file (CN=other) did not issue the one before it; put the leaf first"},
		"wrong order":       {certificatePEM(root, good), keyPEM(t, root.key), "did not issue the one before it"},
		"another name":      {certificatePEM(certify(t, server(func(c *x509.Certificate) { c.DNSNames = []string{"ca.example"} }), good.key, root)), keyPEM(t, good.key), "is not for kms.example, only for [ca.example]"},
		"no name":           {certificatePEM(certify(t, server(func(c *x509.Certificate) { c.DNSNames = nil }), good.key, root)), keyPEM(t, good.key), "holds no DNS name or IP address"},
		"for clients":       {certificatePEM(certify(t, server(func(c *x509.Certificate) { c.ExtKeyUsage[0] = x509.ExtKeyUsageClientAuth }), good.key, root)), keyPEM(t, good.key), "lacks serverAuth"},
		"for encryption":    {certificatePEM(certify(t, server(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), good.key, root)), keyPEM(t, good.key), "lacks digitalSignature"},
		"weak curve":        {certificatePEM(certify(t, server(), p224, root)), keyPEM(t, p224), "has a key on P-224"},
		"no certificate":    {keyPEM(t, good.key), keyPEM(t, good.key), "holds no PEM certificate"},
		"key beside":        {append(certificatePEM(good), keyPEM(t, good.key)...), keyPEM(t, good.key), "holds a PRIVATE KEY beside certificates"},
		"no key":            {certificatePEM(good), []byte("nothing"), "holds no PEM private key"},
		"public key":        {certificatePEM(good), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), "holds a PUBLIC KEY, not a private key"},
		"unreadable key":    {certificatePEM(good), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), "holds a private key that cannot be parsed"},
		"encrypted key":     {certificatePEM(good), sealed, "is encrypted; store it decrypted"},
		"old encrypted key": {certificatePEM(good), legacy, "is encrypted; store it decrypted"},
		"empty key":         {certificatePEM(good), nil, "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := files{t.TempDir()}
			f.put(t, c.certificate, c.key)
			_, err := tlsconfig.Open(f.config("kms.example"), tlsconfig.Options{})
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, f.dir)
		})
	}
}

func TestOpen_ChecksExternalFilesAsSecrets(t *testing.T) {
	t.Parallel()
	f := files{t.TempDir()}
	_, err := tlsconfig.Open(f.config(), tlsconfig.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
	leaf := certify(t, server(), nil, newCA(t, "root"))
	f.put(t, certificatePEM(leaf), keyPEM(t, leaf.key))
	key := filepath.Join(f.dir, "key.pem")
	require.NoError(t, os.Chmod(key, 0o440))
	_, err = tlsconfig.Open(f.config(), tlsconfig.Options{})
	require.ErrorContains(t, err, key+": can be read by its group (mode 0440)")
	_, err = tlsconfig.Open(f.config(), tlsconfig.Options{Secrets: config.Policy{AllowGroupRead: true}})
	require.NoError(t, err)
	require.NoError(t, os.Chmod(key, 0o644))
	_, err = tlsconfig.Open(f.config(), tlsconfig.Options{Secrets: config.Policy{Dev: true}})
	require.NoError(t, err)
	require.NoError(t, os.Remove(key))
	_, err = tlsconfig.Open(f.config(), tlsconfig.Options{})
	require.ErrorContains(t, err, key+": no such file")
}

func TestOpen_AcceptsWildcardsThatTheCertificateHolds(t *testing.T) {
	t.Parallel()
	f := files{t.TempDir()}
	leaf := certify(t, server(func(c *x509.Certificate) { c.DNSNames = []string{"*.kms.example"} }), nil, newCA(t, "root"))
	f.put(t, certificatePEM(leaf), keyPEM(t, leaf.key))
	for name, ok := range map[string]bool{"*.kms.example": true, "a.kms.example": true, "kms.example": false, "*.example": false} {
		_, err := tlsconfig.Open(f.config(name), tlsconfig.Options{})
		assert.Equal(t, ok, err == nil, "%s: %v", name, err)
	}
}

func TestRun_TakesOverChangedFilesAndKeepsTheOldOnesWhenTheNewAreBad(t *testing.T) {
	t.Parallel()
	root := newCA(t, "root")
	first, second := certify(t, server(), nil, root), certify(t, server(), nil, root)
	f, lines := files{t.TempDir()}, &log{}
	f.put(t, certificatePEM(first), keyPEM(t, first.key))
	m, err := tlsconfig.Open(f.config("kms.example"), tlsconfig.Options{Poll: time.Millisecond, Log: slog.New(slog.NewTextHandler(lines, nil))})
	require.NoError(t, err)
	address := serve(t, m.ServerConfig())
	pool := x509.NewCertPool()
	pool.AddCert(root.certificate)
	roots := tlsconfig.ClientConfig(pool)
	roots.ServerName = "kms.example"
	serial := func() string {
		connection, err := dial(t, address, roots)
		require.NoError(t, err)
		return connection.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	live, err := dial(t, address, roots)
	require.NoError(t, err)
	require.Equal(t, first.certificate.SerialNumber.String(), serial())

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	write(t, filepath.Join(f.dir, "certificate.pem"), certificatePEM(second)) // the key is still the first's
	require.Eventually(t, func() bool { return strings.Contains(lines.String(), "does not belong to the certificate") }, 5*time.Second, time.Millisecond)
	assert.Equal(t, first.certificate.SerialNumber.String(), serial())
	assert.Never(t, func() bool { return strings.Count(lines.String(), "cannot be used") > 1 }, 50*time.Millisecond, time.Millisecond)

	write(t, filepath.Join(f.dir, "next"), keyPEM(t, second.key))
	require.NoError(t, os.Rename(filepath.Join(f.dir, "next"), filepath.Join(f.dir, "key.pem")))
	require.Eventually(t, func() bool { return serial() == second.certificate.SerialNumber.String() }, 5*time.Second, 10*time.Millisecond)
	cancel()
	<-done
	_, err = live.Write([]byte("x"))
	require.NoError(t, err)
	_, err = live.Read(make([]byte, 1))
	require.NoError(t, err, "connections outlive the certificate that they began with")
}

func TestReload_ReportsWhatIsWrongAndKeepsTheOldCertificate(t *testing.T) {
	t.Parallel()
	f := files{t.TempDir()}
	leaf := certify(t, server(), nil, newCA(t, "root"))
	f.put(t, certificatePEM(leaf), keyPEM(t, leaf.key))
	m, err := tlsconfig.Open(f.config(), tlsconfig.Options{})
	require.NoError(t, err)
	require.NoError(t, m.Reload())
	require.NoError(t, os.Remove(filepath.Join(f.dir, "certificate.pem")))
	require.ErrorContains(t, m.Reload(), "reload certificate: certificate: open")
	assert.Equal(t, leaf.certificate.NotAfter, m.NotAfter())
}

func TestConfig_FindsWhatDoesNotGoTogether(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config tlsconfig.Config
		want   []string
	}{
		{tlsconfig.Config{}, nil},
		{tlsconfig.Config{Mode: "auto", DNSNames: []string{"localhost", "a-b.example", "*.example"}, IPAddresses: []string{"10.0.0.1", "fe80::1"}}, nil},
		{tlsconfig.Config{Mode: "external", Certificate: "a", Key: "b"}, nil},
		{tlsconfig.Config{Mode: "external"}, []string{"certificate: is missing; mode external needs it", "key: is missing; mode external needs it"}},
		{tlsconfig.Config{Certificate: "a"}, []string{"certificate: is not used in mode auto (set mode to external, or remove it)"}},
		{tlsconfig.Config{Mode: "outo"}, []string{`mode: "outo" is not one of auto, external, mixed (did you mean "auto"?)`}},
		{tlsconfig.Config{DNSNames: []string{"ok", "https://x", "10.0.0.1"}}, []string{
			`dns_names[1]: "https://x" is not a DNS name (write a host name without scheme and port)`,
			`dns_names[2]: "10.0.0.1" is an IP address (write it under ip_addresses)`,
		}},
		{tlsconfig.Config{IPAddresses: []string{"localhost", "fe80::1%eth0", "10.0.0.0/8"}}, []string{
			`ip_addresses[0]: "localhost" is not an IP address`, `ip_addresses[1]: "fe80::1%eth0" is not an IP address`, `ip_addresses[2]: "10.0.0.0/8" is not an IP address`,
		}},
	} {
		var found []string
		for _, p := range c.config.Validate() {
			found = append(found, p.String())
		}
		assert.Equal(t, c.want, found)
	}
	_, err := tlsconfig.Open(tlsconfig.Config{Mode: "none"}, tlsconfig.Options{})
	require.ErrorContains(t, err, `"none" is not one of auto, external`)
}
