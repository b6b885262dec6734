package kmstest

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/federation"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// Stand is an address at which a peer stands, or something else.
type Stand struct {
	listener net.Listener

	mu     sync.Mutex
	behave func(net.Conn)        // guarded by mu
	open   map[net.Conn]struct{} // guarded by mu
}

// NewStand opens an address at which nobody answers.
func NewStand(t *testing.T) *Stand {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &Stand{listener: listener, behave: Away, open: map[net.Conn]struct{}{}}
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
		s.Become(Away)
		connections.Wait()
	})
	return s
}

// Become has the address behave in another way, on new connections; the others are cut.
func (s *Stand) Become(behave func(net.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behave = behave
	for connection := range s.open {
		_ = connection.Close()
	}
	clear(s.open)
}

func (s *Stand) url() string { return "https://" + s.listener.Addr().String() }

// Away closes a connection at once.
func Away(net.Conn) {}

// Silent takes a connection and never answers.
func Silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// Relayed is the service behind the address.
func Relayed(url string) func(net.Conn) {
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

// Federated is a service whose peer is a KMS at an address.
func Federated(t *testing.T, cfg *kms.Config, peer *Stand, required bool, roots ...string) {
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
