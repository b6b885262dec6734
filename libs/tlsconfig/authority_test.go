package tlsconfig_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// clock is a time that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// start is when injected clocks begin.
func start() time.Time { return time.Now().Truncate(time.Second) }

// log collects log lines.
type log struct {
	mu   sync.Mutex
	text []byte
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// open opens material in mode auto.
func open(t *testing.T, o tlsconfig.Options) *tlsconfig.Material {
	t.Helper()
	m, err := tlsconfig.Open(tlsconfig.Config{}, o)
	require.NoError(t, err)
	return m
}

// serve starts a server that echoes, and returns its address.
func serve(t *testing.T, config *tls.Config) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	secure := tls.NewListener(listener, config)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			connection, err := secure.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			running.Go(func() {
				_, _ = io.Copy(connection, connection) // ends with the client, or with a handshake that fails
				_ = connection.Close()
			})
		}
	})
	t.Cleanup(func() {
		assert.NoError(t, secure.Close())
		running.Wait()
	})
	return listener.Addr().String()
}

// dial connects and shakes hands.
func dial(t *testing.T, address string, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	connection, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	secure, ok := connection.(*tls.Conn)
	require.True(t, ok)
	t.Cleanup(func() { _ = secure.Close() })
	return secure, nil
}

// client trusts the roots in a file.
func client(t *testing.T, rootFile string) *tls.Config {
	t.Helper()
	pool, err := tlsconfig.LoadRoots(rootFile)
	require.NoError(t, err)
	return tlsconfig.ClientConfig(pool)
}

// presented is the chain that a server of the material presents.
func presented(t *testing.T, m *tlsconfig.Material) []*x509.Certificate {
	t.Helper()
	connection, err := dial(t, serve(t, m.ServerConfig()), client(t, m.RootFile()))
	require.NoError(t, err)
	return connection.ConnectionState().PeerCertificates
}

// issued is a certificate with its key.
type issued struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// certify issues a certificate; without a parent it is its own.
func certify(t *testing.T, template x509.Certificate, key crypto.Signer, parent *issued) *issued {
	t.Helper()
	if key == nil {
		var err error
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = start().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = start().Add(time.Hour)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.Subject.CommonName == "" {
		template.Subject = pkix.Name{CommonName: "test"}
	}
	template.BasicConstraintsValid = true
	signer := issued{&template, key}
	if parent != nil {
		signer = *parent
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, signer.certificate, key.Public(), signer.key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &issued{certificate, key}
}

// newCA is a root certificate.
func newCA(t *testing.T, name string) *issued {
	t.Helper()
	return certify(t, x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
}

// certificatePEM encodes a chain.
func certificatePEM(chain ...*issued) (text []byte) {
	for _, c := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.certificate.Raw})...)
	}
	return text
}

// keyPEM encodes a key as PKCS #8.
func keyPEM(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// write writes a file for its owner only.
func write(t *testing.T, file string, content []byte) {
	t.Helper()
	// Whoever watches the file never sees a half of it.
	require.NoError(t, os.WriteFile(file+".new", content, 0o600))
	require.NoError(t, os.Rename(file+".new", file))
}

// read reads a file.
func read(t *testing.T, elements ...string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(elements...))
	require.NoError(t, err)
	return content
}

// issuerOf reads the intermediate in a folder with its key.
func issuerOf(t *testing.T, dir string) *issued {
	t.Helper()
	text := read(t, dir, "issuer.pem")
	pair, err := tls.X509KeyPair(text, text)
	require.NoError(t, err)
	key, ok := pair.PrivateKey.(crypto.Signer)
	require.True(t, ok)
	return &issued{pair.Leaf, key}
}
