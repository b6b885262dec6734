package outagetest_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

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

// mostSearch bounds how long a change of a peer goes unnoticed: one that is up is looked at every ten seconds.
const mostSearch = 30 * time.Second

// Whatever a peer does or is, the service starts, answers and says how the peer is; when the peer is there it is found.
func TestPeer_IsAbsentSlowWrongAndReturns(t *testing.T) {
	t.Parallel()
	stranger, known := kmstest.NewAuthority(t), kmstest.NewAuthority(t)
	otherCfg, otherFiles := kmstest.Prepare(t, database.EngineSQLite)
	other := kmstest.Run(t, otherCfg, otherFiles)
	for _, required := range []bool{false, true} {
		t.Run(map[bool]string{false: "optional", true: "required"}[required], func(t *testing.T) {
			t.Parallel()
			peer := kmstest.NewStand(t)
			cfg, files := kmstest.Prepare(t, database.EngineSQLite)
			kmstest.Federated(t, &cfg, peer, required, other.RootFile(), known.File)
			s := kmstest.Run(t, cfg, files)
			token := s.Operator(t)
			s.Create(t, token, "own", "A256GCM/A256KW")
			is := func(what, word string, up bool) {
				t.Helper()
				began := time.Now()
				require.Eventually(t, func() bool {
					_, _, status, detail := s.Check(t, "healthz", "peer-kms")
					return (status == "ok") == up && strings.Contains(detail, word)
				}, mostSearch, 10*time.Millisecond, what)
				took := time.Since(began)
				showsPeer(t, s, what, up, required)
				asked := time.Now()
				s.Post(t, token, "elastic-keys/own/encrypt", map[string]any{"plaintext": "aGVsbG8"})
				assert.Less(t, time.Since(asked), mostWait, what)
				_, _, _, detail := s.Check(t, "healthz", "peer-kms")
				t.Logf("%s: seen after %s: %s", what, took.Round(time.Millisecond), detail)
			}
			is("absent", "", false)
			peer.Become(kmstest.Silent)
			is("slow", "no answer within", false)
			peer.Become(answering(server(t, stranger), ""))
			is("of another authority", "certificate", false)
			peer.Become(answering(server(t, known), "garbage\r\n\r\n"))
			is("garbage", "malformed", false)
			peer.Become(answering(server(t, known), "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
			is("failing", "answered 500", false)
			announced := `{"product":"jose","apis":["v1"]}`
			peer.Become(answering(server(t, known), "HTTP/1.1 200 OK\r\nContent-Length: 32\r\nConnection: close\r\n\r\n"+announced))
			is("another service", `it is "jose", not "kms"`, false)
			peer.Become(kmstest.Relayed(other.URL()))
			is("there", "", true)
			peer.Become(kmstest.Away)
			is("gone", "", false)
			peer.Become(kmstest.Relayed(other.URL()))
			is("back", "", true)
		})
	}
}

// server is a certificate for this machine.
func server(t *testing.T, a *kmstest.Authority) tls.Certificate {
	t.Helper()
	return a.IssueFor(t, "localhost", net.IPv4(127, 0, 0, 1))
}

// showsPeer checks how health and readiness show a peer.
func showsPeer(t *testing.T, s *kmstest.Service, what string, up, required bool) {
	t.Helper()
	healthCode, health, _, _ := s.Check(t, "healthz", "peer-kms")
	readyCode, ready, _, _ := s.Check(t, "readyz", "peer-kms")
	switch {
	case up:
		assert.Equal(t, []any{http.StatusOK, "ok", http.StatusOK, "ok"}, []any{healthCode, health, readyCode, ready}, what)
	case required:
		assert.Equal(t, []any{http.StatusServiceUnavailable, "failing", http.StatusServiceUnavailable, "failing"}, []any{healthCode, health, readyCode, ready}, what)
	default:
		assert.Equal(t, []any{http.StatusOK, "degraded", http.StatusOK, "degraded"}, []any{healthCode, health, readyCode, ready}, what)
	}
}
