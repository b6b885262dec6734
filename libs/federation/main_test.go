package federation_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// remote is a peer on real TLS.
type remote struct {
	url, root string
	address   netip.AddrPort
}

func listen(t testing.TB, address string) (net.Listener, error) {
	t.Helper()
	var l net.ListenConfig
	return l.Listen(context.WithoutCancel(t.Context()), "tcp", address)
}

// serve runs a peer until the test ends. Where it does not handle WellKnown itself it announces a KMS.
func serve(t testing.TB, material *tlsconfig.Material, mutual *tls.Config, handle http.HandlerFunc) remote {
	t.Helper()
	listener, err := listen(t, "127.0.0.1:0")
	require.NoError(t, err)
	security := material.ServerConfig()
	if mutual != nil {
		security.ClientAuth, security.ClientCAs = mutual.ClientAuth, mutual.ClientCAs
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+federation.WellKnown, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(federation.Announcement{Product: "kms", APIs: []string{"v1"}})
	})
	mux.HandleFunc("/", handle)
	server := &http.Server{Handler: mux, TLSConfig: security, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "")
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	address := netip.MustParseAddrPort(listener.Addr().String())
	return remote{url: "https://" + listener.Addr().String(), root: material.RootFile(), address: address}
}

func newMaterial(t testing.TB, names ...string) *tlsconfig.Material {
	t.Helper()
	material, err := tlsconfig.Open(tlsconfig.Config{Mode: tlsconfig.ModeAuto, DNSNames: names}, tlsconfig.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	return material
}

// peerConfig is quick, so that tests are.
func peerConfig(root string) federation.PeerConfig {
	return federation.PeerConfig{
		Timeout: 2 * time.Second, RootCertificate: config.Path(root),
		Retry: federation.RetryConfig{InitialBackoff: time.Millisecond, MaxBackoff: 8 * time.Millisecond, MaxRetries: 3},
	}
}

// join opens a federation whose one peer is a KMS.
func join(t testing.TB, at string, c federation.PeerConfig, deps federation.Deps) *federation.Peer {
	t.Helper()
	deps.Log = slog.New(slog.DiscardHandler)
	f, err := federation.Open(federation.Config{Enabled: true, KMS: federation.URLConfig{URL: at, PeerConfig: c}}, deps)
	require.NoError(t, err)
	peer, ok := f.Peer(federation.KMS)
	require.True(t, ok)
	return peer
}

// search is join, and looks for the peer until the test ends.
func search(t testing.TB, at string, c federation.PeerConfig, deps federation.Deps) *federation.Peer {
	t.Helper()
	deps.Log = slog.New(slog.DiscardHandler)
	f, err := federation.Open(federation.Config{Enabled: true, KMS: federation.URLConfig{URL: at, PeerConfig: c}}, deps)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	peer, _ := f.Peer(federation.KMS)
	return peer
}

func get(t testing.TB, peer *federation.Peer, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, peer.URL()+path, nil)
	require.NoError(t, err)
	return r
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_800_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// names is a resolver that tests change.
type names struct {
	mu        sync.Mutex
	addresses []netip.Addr
	asked     int
}

func (n *names) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	return n.addresses, nil
}

func (n *names) set(addresses ...netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addresses = addresses
}

func portOf(t testing.TB, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u.Port()
}
