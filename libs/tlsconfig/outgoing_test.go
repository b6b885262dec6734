package tlsconfig_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// observer is a StatusChecker that remembers what it was asked and given.
type observer struct {
	mu      sync.Mutex
	err     error
	chains  [][]*x509.Certificate
	staples [][]byte
}

func (o *observer) Check(_ context.Context, chain []*x509.Certificate) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.chains = append(o.chains, chain)
	return o.err
}

func (o *observer) TakeStaple(_ []*x509.Certificate, response []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.staples = append(o.staples, response)
}

func (o *observer) asked() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.chains)
}

// localServer is an external certificate for 127.0.0.1 in files.
func localServer(t *testing.T, ca *issued, change ...func(*x509.Certificate)) *tlsconfig.Material {
	t.Helper()
	leaf := certify(t, server(append(change, func(c *x509.Certificate) { c.DNSNames = []string{"localhost"} })...), nil, ca)
	leaf = certify(t, func() x509.Certificate { c := *leaf.certificate; c.IPAddresses = loopback(); return c }(), leaf.key, ca)
	f := files{t.TempDir()}
	f.put(t, certificatePEM(leaf), keyPEM(t, leaf.key))
	m, err := tlsconfig.Open(f.config(), tlsconfig.Options{})
	require.NoError(t, err)
	return m
}

func TestOutgoing_TrustsWhatTheFilesSayNow(t *testing.T) {
	t.Parallel()
	one, two := newCA(t, "one"), newCA(t, "two")
	first, second := serve(t, localServer(t, one).ServerConfig()), serve(t, localServer(t, two).ServerConfig())
	file := authoritiesFile(t, one)
	roots, err := tlsconfig.OpenAuthorities([]config.Path{config.Path(file)}, nil)
	require.NoError(t, err)
	run(t, func(ctx context.Context) { roots.Run(ctx, time.Millisecond) })
	out := tlsconfig.Outgoing{Roots: roots}
	reach := func(address string) error {
		connection, err := out.DialTLS(t.Context(), "tcp", address)
		if err == nil {
			err = connection.Close()
		}
		return err
	}
	require.NoError(t, reach(first))
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, reach(second), &unknown)
	write(t, file, certificatePEM(two))
	require.Eventually(t, func() bool { return reach(second) == nil }, 20*time.Second, time.Millisecond)
	require.ErrorAs(t, reach(first), &unknown)
	require.Error(t, reach("127.0.0.1"), "an address without a port")
	assert.Equal(t, uint16(tls.VersionTLS13), out.Config().MinVersion)
}

func TestOutgoing_LooksAtTheStatusOfAVerifiedServerOnly(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "servers")
	m := localServer(t, ca)
	config13 := m.ServerConfig()
	get := config13.GetCertificate
	config13.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := get(hello)
		stapled := *c
		stapled.OCSPStaple = []byte("stapled")
		return &stapled, err
	}
	address := serve(t, config13)
	pool, err := tlsconfig.OpenAuthorities([]config.Path{config.Path(authoritiesFile(t, ca))}, nil)
	require.NoError(t, err)
	stranger, err := tlsconfig.OpenAuthorities([]config.Path{config.Path(authoritiesFile(t, newCA(t, "servers")))}, nil)
	require.NoError(t, err)

	status := &observer{}
	good := tlsconfig.Outgoing{Roots: pool, Status: status}
	connection, err := good.DialTLS(t.Context(), "tcp", address)
	require.NoError(t, err)
	require.NoError(t, connection.Close())
	require.Len(t, status.chains, 1)
	assert.Equal(t, ca.certificate.Raw, status.chains[0][1].Raw)
	assert.Equal(t, [][]byte{[]byte("stapled")}, status.staples)
	_, err = dial(t, address, good.Config())
	require.NoError(t, err)
	require.Equal(t, 2, status.asked())

	_, err = tlsconfig.Outgoing{Roots: stranger, Status: status}.DialTLS(t.Context(), "tcp", address)
	require.Error(t, err)
	wrong := good.Config()
	wrong.ServerName = "other.example"
	_, err = dial(t, address, wrong)
	require.Error(t, err)
	require.Equal(t, 2, status.asked(), "nothing is asked about a server that is not the right one")

	status.err = errors.New("revoked")
	_, err = good.DialTLS(t.Context(), "tcp", address)
	require.ErrorIs(t, err, status.err)
	_, err = dial(t, address, good.Config())
	require.ErrorIs(t, err, status.err)
}

func TestOutgoing_CarriesHTTP2WithACertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := openWith(t, asking(tlsconfig.ClientsRequired), tlsconfig.Options{Dir: dir, Client: true})
	var seen http.Request
	address := serveHTTP(t, m, func(_ http.ResponseWriter, r *http.Request) { seen = *r })
	roots, err := tlsconfig.OpenAuthorities([]config.Path{config.Path(m.RootFile())}, nil)
	require.NoError(t, err)
	out := tlsconfig.Outgoing{Roots: roots, Certificate: m}
	transport := &http.Transport{DialTLSContext: out.DialTLS, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/", http.NoBody)
	require.NoError(t, err)
	response, err := transport.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	assert.Equal(t, "HTTP/2.0", seen.Proto)
	assert.Len(t, seen.TLS.VerifiedChains, 1)
}
