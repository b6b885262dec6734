package tlsconfig_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"
)

func loopback() []net.IP { return []net.IP{net.IPv4(127, 0, 0, 1)} }

// serveHTTP starts an HTTPS server with the material.
func serveHTTP(t *testing.T, m *tlsconfig.Material, handler http.HandlerFunc) (address string) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.TLS, s.EnableHTTP2 = m.ServerConfig(), true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// statusServer is the OCSP responder and list server of an authority, on loopback.
type statusServer struct {
	ca  *issued
	url string

	mu      sync.Mutex
	down    bool
	revoked map[string]bool // by serial number
	asked   map[string]int  // by path
}

func newStatusServer(t *testing.T, ca *issued) *statusServer {
	t.Helper()
	s := &statusServer{ca: ca, revoked: map[string]bool{}, asked: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked[r.URL.Path]++
		if s.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		now := time.Now()
		if r.URL.Path == "/crl" {
			template := &x509.RevocationList{Number: big.NewInt(now.UnixNano()), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
			for serial := range s.revoked {
				number, _ := new(big.Int).SetString(serial, 16)
				template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: number, RevocationTime: now})
			}
			der, err := x509.CreateRevocationList(rand.Reader, template, ca.certificate, ca.key)
			assert.NoError(t, err)
			_, _ = w.Write(der)
			return
		}
		body, _ := io.ReadAll(r.Body)
		question, err := ocsp.ParseRequest(body)
		if !assert.NoError(t, err) {
			return
		}
		answer := ocsp.Response{SerialNumber: question.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour), IssuerHash: crypto.SHA256}
		if s.revoked[question.SerialNumber.Text(16)] {
			answer.Status, answer.RevokedAt = ocsp.Revoked, now
		}
		der, err := ocsp.CreateResponse(ca.certificate, ca.certificate, answer, ca.key)
		assert.NoError(t, err)
		_, _ = w.Write(der)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *statusServer) revoke(c *issued) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked[c.certificate.SerialNumber.Text(16)] = true
}

func (s *statusServer) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *statusServer) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

// signing is an authority that may sign lists.
func signing(t *testing.T) *issued {
	t.Helper()
	return certify(t, x509.Certificate{Subject: pkix.Name{CommonName: "clients"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}, nil, nil)
}

// person issues a client certificate that names the server.
func (s *statusServer) person(t *testing.T, ca *issued, ocspPath, listPath string) *issued {
	t.Helper()
	return certify(t, person(func(c *x509.Certificate) {
		if ocspPath != "" {
			c.OCSPServer = []string{s.url + ocspPath}
		}
		if listPath != "" {
			c.CRLDistributionPoints = []string{s.url + listPath}
		}
	}), nil, ca)
}

func checking(t *testing.T, mode string, now func() time.Time) *revocation.Checker {
	t.Helper()
	k, err := revocation.New(revocation.Config{Mode: mode, AllowAddresses: []string{"127.0.0.1"}, Timeout: 10 * time.Second}, revocation.Options{Now: now})
	require.NoError(t, err)
	t.Cleanup(k.Close)
	return k
}

func TestListener_RefusesRevokedClients(t *testing.T) {
	t.Parallel()
	ca := signing(t)
	status := newStatusServer(t, ca)
	m := openWith(t, asking(tlsconfig.ClientsRequired, authoritiesFile(t, ca)), tlsconfig.Options{Status: checking(t, "", nil)})
	address := serve(t, m.ServerConfig())
	for _, place := range [][2]string{{"/ocsp", ""}, {"", "/crl"}, {"/ocsp", "/crl"}} {
		good, bad := status.person(t, ca, place[0], place[1]), status.person(t, ca, place[0], place[1])
		status.revoke(bad)
		_, err := enter(t, address, showing(t, m, bad))
		require.Error(t, err)
		_, err = enter(t, address, showing(t, m, good))
		require.NoError(t, err)
		m := openWith(t, asking(tlsconfig.ClientsRequested, authoritiesFile(t, ca)), tlsconfig.Options{Status: checking(t, revocation.ModePermissive, nil)})
		_, err = enter(t, serve(t, m.ServerConfig()), showing(t, m, bad))
		require.Error(t, err)
	}
}

func TestListener_IsStrictOrPermissiveWhenNobodyAnswers(t *testing.T) {
	t.Parallel()
	ca := signing(t)
	status := newStatusServer(t, ca)
	status.setDown(true)
	for mode, admitted := range map[string]bool{revocation.ModeStrict: false, revocation.ModePermissive: true} {
		m := openWith(t, asking(tlsconfig.ClientsRequired, authoritiesFile(t, ca)), tlsconfig.Options{Status: checking(t, mode, nil)})
		_, err := enter(t, serve(t, m.ServerConfig()), showing(t, m, status.person(t, ca, "/ocsp", "/crl")))
		assert.Equal(t, admitted, err == nil, mode)
	}
}

func TestListener_FetchesNothingForCertificatesThatDoNotVerify(t *testing.T) {
	t.Parallel()
	ca, foreign := signing(t), signing(t)
	status := newStatusServer(t, ca)
	m := openWith(t, asking(tlsconfig.ClientsRequested, authoritiesFile(t, ca)), tlsconfig.Options{Status: checking(t, "", nil)})
	address := serve(t, m.ServerConfig())
	_, err := enter(t, address, showing(t, m, status.person(t, foreign, "/ocsp", "/crl"), foreign))
	require.Error(t, err)
	assert.Zero(t, status.count("/ocsp")+status.count("/crl"))
	copied := status.person(t, ca, "/ocsp", "/crl")
	_, err = enter(t, address, showing(t, m, &issued{copied.certificate, foreign.key}))
	require.Error(t, err, "nor does a good status replace the key")
}

func TestListener_LetsNoConnectionOutliveARevocation(t *testing.T) {
	t.Parallel()
	for _, place := range [][2]string{{"/ocsp", ""}, {"", "/crl"}} {
		ca := signing(t)
		status := newStatusServer(t, ca)
		now := &clock{now: time.Now()}
		checker := checking(t, "", now.read)
		m := openWith(t, asking(tlsconfig.ClientsRequired, authoritiesFile(t, ca)), tlsconfig.Options{Status: checker})
		connections := map[string]bool{}
		address := serveHTTP(t, m, func(w http.ResponseWriter, r *http.Request) {
			connections[r.RemoteAddr] = true
			if err := m.CheckPeer(r.Context(), r.TLS); err != nil {
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
		person := status.person(t, ca, place[0], place[1])
		transport := &http.Transport{TLSClientConfig: showing(t, m, person), ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		call := func() int {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/", http.NoBody)
			require.NoError(t, err)
			response, err := transport.RoundTrip(r)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			return response.StatusCode
		}
		for range 5 {
			require.Equal(t, http.StatusOK, call())
		}
		assert.Equal(t, 1, status.count(place[0]+place[1]), "a status is fetched once for many requests")
		status.revoke(person)
		now.set(time.Now().Add(50 * time.Minute)) // an answer is renewed after three quarters of its life
		require.Eventually(t, func() bool { return call() == http.StatusUnauthorized }, 20*time.Second, time.Millisecond)
		assert.Len(t, connections, 1, "all on one connection")
	}
}

func TestOutgoing_RefusesARevokedServer(t *testing.T) {
	t.Parallel()
	ca := signing(t)
	status := newStatusServer(t, ca)
	m := localServer(t, ca, func(c *x509.Certificate) { c.OCSPServer = []string{status.url + "/ocsp"} })
	address := serve(t, m.ServerConfig())
	roots, err := tlsconfig.OpenAuthorities([]config.Path{config.Path(authoritiesFile(t, ca))}, nil)
	require.NoError(t, err)
	reach := func() error {
		out := tlsconfig.Outgoing{Roots: roots, Status: checking(t, "", nil)}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		connection, err := out.DialTLS(ctx, "tcp", address)
		if err == nil {
			err = connection.Close()
		}
		return err
	}
	require.NoError(t, reach())
	connection, err := dial(t, address, client(t, m.RootFile()))
	require.NoError(t, err)
	served := connection.ConnectionState().PeerCertificates[0]
	status.revoke(&issued{certificate: served})
	require.ErrorIs(t, reach(), revocation.ErrRevoked)
	var state tls.ConnectionState
	require.NoError(t, m.CheckPeer(t.Context(), &state))
}
