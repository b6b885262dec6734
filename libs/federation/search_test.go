package federation_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/federation"
)

// switches records what features would see.
type switches struct {
	mu  sync.Mutex
	ups []bool
}

func (s *switches) changed(_ string, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ups = append(s.ups, up)
}

func (s *switches) seen() []bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]bool(nil), s.ups...)
}

func eventually(t testing.TB, why string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, time.Millisecond, why)
}

func TestSearch_FindsAPeerThatComesLaterAndNoticesItsEndAndItsReturn(t *testing.T) {
	t.Parallel()
	material := newMaterial(t)
	listener, err := listen(t, "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())

	s := &switches{}
	c := peerConfig(material.RootFile())
	c.Required = true
	peer := search(t, "https://"+address, c, federation.Deps{Changed: s.changed})
	eventually(t, "it is reported as down", func() bool { return peer.Status().State == federation.StateDown })
	assert.Greater(t, peer.Status().Failures, 3)
	require.ErrorContains(t, peer.Probe(), "down: ")
	assert.Empty(t, s.seen())

	start := func() *http.Server {
		listener, err := listen(t, address)
		require.NoError(t, err)
		server := &http.Server{TLSConfig: material.ServerConfig(), ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != federation.WellKnown {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			_ = json.NewEncoder(w).Encode(federation.Announcement{Product: "kms", APIs: []string{"v0", "v1"}})
		})}
		go func() { _ = server.ServeTLS(listener, "", "") }()
		t.Cleanup(func() { _ = server.Close() })
		return server
	}
	server := start()
	eventually(t, "it is found", peer.Up)
	require.NoError(t, peer.Probe())
	require.NoError(t, server.Close())
	// A failed call has it looked at without waiting for the next round.
	_, err = peer.Do(get(t, peer, "/x"))
	require.Error(t, err)
	eventually(t, "its end is noticed", func() bool { return !peer.Up() })
	start()
	eventually(t, "it is found again", peer.Up)
	assert.Equal(t, []bool{true, false, true}, s.seen())
	assert.False(t, peer.Status().LastSeen.IsZero())
}

func TestSearch_DoesNotTakeSomethingElseForThePeer(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct{ body, want string }{
		"another product":     {`{"product":"jose","apis":["v1"]}`, `it is "jose", not "kms"`},
		"another API version": {`{"product":"kms","apis":["v2"]}`, "not v1"},
		"garbage":             {"<html>", "no JSON"},
		"too large":           {`{"product":"` + string(make([]byte, 20<<10)), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			material := newMaterial(t)
			listener, err := listen(t, "127.0.0.1:0")
			require.NoError(t, err)
			server := &http.Server{TLSConfig: material.ServerConfig(), ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(one.body))
			})}
			go func() { _ = server.ServeTLS(listener, "", "") }()
			t.Cleanup(func() { _ = server.Close() })
			peer := search(t, "https://"+listener.Addr().String(), peerConfig(material.RootFile()), federation.Deps{})
			eventually(t, "it is reported as down", func() bool { return peer.Status().State == federation.StateDown })
			assert.Contains(t, peer.Status().LastError, one.want)
			assert.False(t, peer.Up())
		})
	}
}

func TestSearch_EndsAtOnceWhileAPeerIsSilent(t *testing.T) {
	t.Parallel()
	silent, err := listen(t, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	c := peerConfig(newMaterial(t).RootFile())
	c.Timeout = time.Hour
	f, err := federation.Open(federation.Config{Enabled: true, KMS: federation.URLConfig{URL: "https://" + silent.Addr().String(), PeerConfig: c}},
		federation.Deps{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx)
	}()
	conn, err := silent.Accept()
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	cancel()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("the end of the service waits for a peer")
	}
}

func TestOpen_WithoutFederationThereAreNoPeers(t *testing.T) {
	t.Parallel()
	f, err := federation.Open(federation.Config{KMS: federation.URLConfig{URL: "https://127.0.0.1:1"}}, federation.Deps{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	assert.Empty(t, f.Peers())
	assert.False(t, f.Up(federation.KMS))
	f.Run(t.Context()) // has nothing to do
}

func TestOpen_RefusesWhatIsNoPeer(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://kms:8080", "https://kms/path", "https://user@kms", "kms:8080", "https://kms?x=1", "https://"} {
		_, err := federation.Open(federation.Config{Enabled: true, KMS: federation.URLConfig{URL: url}}, federation.Deps{Log: slog.New(slog.DiscardHandler)})
		require.ErrorContains(t, err, "kms.url", url)
	}
	_, err := federation.Open(federation.Config{Enabled: true}, federation.Deps{Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "no peer is named")
}

// Calls and searches of many goroutines go together (the race detector's test).
func TestPeer_IsForManyGoroutines(t *testing.T) {
	t.Parallel()
	var failing atomic.Bool
	at := serve(t, newMaterial(t), nil, func(w http.ResponseWriter, _ *http.Request) {
		if failing.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	peer := search(t, at.url, peerConfig(at.root), federation.Deps{})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 20 {
				failing.Store(i%3 == 0)
				if answer, err := peer.Do(get(t, peer, "/x")); err == nil {
					_ = answer.Body.Close()
				}
				_, _ = peer.Status(), peer.Probe()
			}
		})
	}
	group.Wait()
}
