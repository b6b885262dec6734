package guarded_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// names is a resolver with fixed answers; each look-up of a name takes its next answer, the last one for ever.
type names struct {
	mu      sync.Mutex
	answers map[string][][]netip.Addr
	asked   map[string]int
}

func (n *names) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	answers, ok := n.answers[host]
	if !ok || network != "ip" {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if n.asked == nil {
		n.asked = map[string]int{}
	}
	i := min(n.asked[host], len(answers)-1)
	n.asked[host]++
	return answers[i], nil
}

func (n *names) count(host string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[host]
}

// resolves makes a resolver in which each name has one answer.
func resolves(pairs ...string) *names {
	n := &names{answers: map[string][][]netip.Addr{}}
	for i := 0; i < len(pairs); i += 2 {
		n.answers[pairs[i]] = append(n.answers[pairs[i]], []netip.Addr{netip.MustParseAddr(pairs[i+1])})
	}
	return n
}

// client makes a client from a configuration.
func client(t *testing.T, c guarded.Config) *guarded.Client {
	t.Helper()
	g, err := guarded.New(c)
	require.NoError(t, err)
	t.Cleanup(g.CloseIdleConnections)
	return g
}

// onLoopback admits the machine itself over plain HTTP.
func onLoopback(change ...func(*guarded.Config)) guarded.Config {
	c := guarded.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, PlainHTTP: true}
	for _, f := range change {
		f(&c)
	}
	return c
}

// serve starts a plain server and returns its port.
func serve(t *testing.T, handler http.HandlerFunc) (port string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return u.Port()
}

// serveTLS starts a TLS 1.3 server for a name and returns its port and roots.
func serveTLS(t *testing.T, name string, handler http.HandlerFunc) (port string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots = x509.NewCertPool()
	roots.AddCert(certificate)
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = true
	s.TLS = tlsconfig.ClientConfig(nil)
	s.TLS.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	s.StartTLS()
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	return u.Port(), roots
}
