package kms_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/federation"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// stand is an address at which a peer stands, or something else.
type stand struct {
	listener net.Listener

	mu     sync.Mutex
	behave func(net.Conn)        // guarded by mu
	open   map[net.Conn]struct{} // guarded by mu
}

// newStand opens an address at which nobody answers.
func newStand(t *testing.T) *stand {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &stand{listener: listener, behave: away, open: map[net.Conn]struct{}{}}
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			s.mu.Lock()
			behave := s.behave
			s.open[connection] = struct{}{}
			s.mu.Unlock()
			connections.Go(func() {
				behave(connection)
				_ = connection.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.become(away)
		connections.Wait()
	})
	return s
}

// become has the address behave in another way, on new connections; the others are cut.
func (s *stand) become(behave func(net.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behave = behave
	for connection := range s.open {
		_ = connection.Close()
	}
	clear(s.open)
}

func (s *stand) url() string { return "https://" + s.listener.Addr().String() }

// Ways to behave.
func away(net.Conn) {}

func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// relayed is the service behind the address.
func relayed(url string) func(net.Conn) {
	return func(c net.Conn) {
		server, err := net.Dial("tcp", strings.TrimPrefix(url, "https://")) //nolint:noctx // the stand ends it
		if err != nil {
			return
		}
		var back sync.WaitGroup
		back.Go(func() {
			_, _ = io.Copy(c, server)
			_ = c.Close()
		})
		_, _ = io.Copy(server, c)
		_ = server.Close()
		back.Wait()
	}
}

// answering speaks TLS with a certificate and then says the same to everybody.
func answering(certificate tls.Certificate, text string) func(net.Conn) {
	return func(c net.Conn) {
		secure := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
		if _, err := secure.Read(make([]byte, 4096)); err == nil {
			_, _ = io.WriteString(secure, text)
			_ = secure.Close()
		}
	}
}

// federated is a service whose peer is a KMS at an address.
func federated(t *testing.T, cfg *kms.Config, peer *stand, required bool, roots ...string) {
	t.Helper()
	var pem []byte
	for _, file := range roots {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		pem = append(pem, text...)
	}
	file := filepath.Join(t.TempDir(), "peers.pem")
	require.NoError(t, os.WriteFile(file, pem, 0o600))
	cfg.Federation = federation.Config{Enabled: true, KMS: federation.URLConfig{URL: peer.url(), PeerConfig: federation.PeerConfig{
		Timeout: 500 * time.Millisecond, Required: required, RootCertificate: config.Path(file),
		Retry: federation.RetryConfig{InitialBackoff: 10 * time.Millisecond, MaxBackoff: 100 * time.Millisecond, MaxRetries: 3},
	}}}
}

// mostSearch bounds how long a change of a peer goes unnoticed: one that is up is looked at every ten seconds.
const mostSearch = 30 * time.Second

// Whatever a peer does or is, the service starts, answers and says how the peer is; when the peer is there it is found.
func TestPeer_IsAbsentSlowWrongAndReturns(t *testing.T) {
	t.Parallel()
	stranger, known := newAuthority(t), newAuthority(t)
	otherCfg, otherFiles := prepare(t, database.EngineSQLite)
	other := run(t, otherCfg, otherFiles)
	for _, required := range []bool{false, true} {
		t.Run(map[bool]string{false: "optional", true: "required"}[required], func(t *testing.T) {
			t.Parallel()
			peer := newStand(t)
			cfg, files := prepare(t, database.EngineSQLite)
			federated(t, &cfg, peer, required, other.RootFile(), known.file)
			s := run(t, cfg, files)
			token := s.operator(t)
			s.create(t, token, "own", "A256GCM/A256KW")
			is := func(what, word string, up bool) {
				t.Helper()
				began := time.Now()
				require.Eventually(t, func() bool {
					_, _, status, detail := s.check(t, "healthz", "peer-kms")
					return (status == "ok") == up && strings.Contains(detail, word)
				}, mostSearch, 10*time.Millisecond, what)
				took := time.Since(began)
				s.showsPeer(t, what, up, required)
				asked := time.Now()
				s.post(t, token, "elastic-keys/own/encrypt", map[string]any{"plaintext": "aGVsbG8"})
				assert.Less(t, time.Since(asked), mostWait, what)
				_, _, _, detail := s.check(t, "healthz", "peer-kms")
				t.Logf("%s: seen after %s: %s", what, took.Round(time.Millisecond), detail)
			}
			is("absent", "", false)
			peer.become(silent)
			is("slow", "no answer within", false)
			peer.become(answering(stranger.server(t), ""))
			is("of another authority", "certificate", false)
			peer.become(answering(known.server(t), "garbage\r\n\r\n"))
			is("garbage", "malformed", false)
			peer.become(answering(known.server(t), "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
			is("failing", "answered 500", false)
			announced := `{"product":"jose","apis":["v1"]}`
			peer.become(answering(known.server(t), "HTTP/1.1 200 OK\r\nContent-Length: 32\r\nConnection: close\r\n\r\n"+announced))
			is("another service", `it is "jose", not "kms"`, false)
			peer.become(relayed(other.URL()))
			is("there", "", true)
			peer.become(away)
			is("gone", "", false)
			peer.become(relayed(other.URL()))
			is("back", "", true)
		})
	}
}

// server is a certificate for this machine.
func (a *authority) server(t *testing.T) tls.Certificate {
	t.Helper()
	return a.issueFor(t, "localhost", net.IPv4(127, 0, 0, 1))
}

// showsPeer checks how health and readiness show a peer.
func (s *service) showsPeer(t *testing.T, what string, up, required bool) {
	t.Helper()
	healthCode, health, _, _ := s.check(t, "healthz", "peer-kms")
	readyCode, ready, _, _ := s.check(t, "readyz", "peer-kms")
	switch {
	case up:
		assert.Equal(t, []any{http.StatusOK, "ok", http.StatusOK, "ok"}, []any{healthCode, health, readyCode, ready}, what)
	case required:
		assert.Equal(t, []any{http.StatusServiceUnavailable, "failing", http.StatusServiceUnavailable, "failing"}, []any{healthCode, health, readyCode, ready}, what)
	default:
		assert.Equal(t, []any{http.StatusOK, "degraded", http.StatusOK, "degraded"}, []any{healthCode, health, readyCode, ready}, what)
	}
}
