package federation_test

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/cryptoutil/cryptoutil/libs/federation"
)

func TestDo_RepeatsOnlyWhatMayBeRepeatedAndAtMostTwice(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	bodies := make(chan string, 16)
	at := serve(t, newMaterial(t), nil, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		text, _ := io.ReadAll(r.Body)
		bodies <- string(text)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	for _, one := range []struct {
		name, method, key string
		want              int64
	}{
		{"GET", http.MethodGet, "", 3},
		{"PUT", http.MethodPut, "", 3},
		{"POST", http.MethodPost, "", 1},
		{"PATCH", http.MethodPatch, "", 1},
		{"POST with an Idempotency-Key", http.MethodPost, "k1", 3},
	} {
		peer := join(t, at.url, peerConfig(at.root), federation.Deps{})
		calls.Store(0)
		r, err := http.NewRequestWithContext(t.Context(), one.method, at.url+"/x", strings.NewReader("the body"))
		require.NoError(t, err)
		if one.key != "" {
			r.Header.Set("Idempotency-Key", one.key)
		}
		answer, err := peer.Do(r)
		require.NoError(t, err, one.name)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode, "the last answer is the caller's: "+one.name)
		assert.Equal(t, one.want, calls.Load(), one.name)
		for range one.want {
			assert.Equal(t, "the body", <-bodies, one.name)
		}
	}
}

func TestDo_IsBoundedByThePeersTimeoutWhateverThePeerDoes(t *testing.T) {
	t.Parallel()
	material := newMaterial(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	wait := func(r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}
	silent, err := listen(t, "127.0.0.1:0") // accepts, and says nothing: the handshake hangs
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	peers := map[string]remote{
		"no header": serve(t, material, nil, func(_ http.ResponseWriter, r *http.Request) { wait(r) }),
		"a body that does not end": serve(t, material, nil, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("begun"))
			_ = http.NewResponseController(w).Flush()
			wait(r)
		}),
		"retries asked for later than the timeout": serve(t, material, nil, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
		}),
		"no handshake": {url: "https://" + silent.Addr().String(), root: material.RootFile()},
	}
	for name, at := range peers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := peerConfig(at.root)
			c.Timeout = 150 * time.Millisecond
			peer := join(t, at.url, c, federation.Deps{})
			start := time.Now()
			answer, err := peer.Do(get(t, peer, "/x"))
			if err == nil {
				_, err = io.ReadAll(answer.Body)
				require.NoError(t, answer.Body.Close())
			}
			took := time.Since(start)
			require.Error(t, err)
			assert.GreaterOrEqual(t, took, 140*time.Millisecond)
			assert.Less(t, took, 5*time.Second, "a request hangs past its timeout")
		})
	}
}

func TestDo_NamesThePeerAndTheReasonAndHasACode(t *testing.T) {
	t.Parallel()
	closed, err := listen(t, "127.0.0.1:0")
	require.NoError(t, err)
	at := "https://" + closed.Addr().String()
	require.NoError(t, closed.Close())
	stranger, own := newMaterial(t), newMaterial(t)
	wrong := serve(t, stranger, nil, func(http.ResponseWriter, *http.Request) {})
	elsewhere := serve(t, own, nil, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://127.0.0.1:1/", http.StatusFound)
	})
	for url, want := range map[string]string{at: "refused", wrong.url: "certificate", elsewhere.url: "redirects"} {
		peer := join(t, url, peerConfig(own.RootFile()), federation.Deps{})
		_, err := peer.Do(get(t, peer, "/x"))
		unavailable := &federation.UnavailableError{}
		require.ErrorAs(t, err, &unavailable)
		assert.Equal(t, "dependency_unavailable", unavailable.ErrorCode())
		assert.Contains(t, err.Error(), "call kms: ")
		assert.Contains(t, err.Error(), want)
		assert.NotContains(t, unavailable.ErrorDetail(), "127.0.0.1", "what callers read names no address")
	}
}

func TestDo_AnswersThatAreTooLargeAreCutOffWithAnError(t *testing.T) {
	t.Parallel()
	at := serve(t, newMaterial(t), nil, func(w http.ResponseWriter, r *http.Request) {
		size := 16 << 20
		if r.URL.Path == "/over" {
			size++
		}
		_, _ = w.Write(make([]byte, size))
	})
	peer := join(t, at.url, peerConfig(at.root), federation.Deps{})
	for path, want := range map[string]error{"/exact": nil, "/over": federation.ErrAnswerTooLarge} {
		answer, err := peer.Do(get(t, peer, path))
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, answer.Body)
		require.ErrorIs(t, err, want, path)
		assert.EqualValues(t, 16<<20, n)
		require.NoError(t, answer.Body.Close())
	}
}

func TestDo_FailsFastWhileTheBreakerIsOpenAndLetsThreeProbesThrough(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	var healthy atomic.Bool
	at := serve(t, newMaterial(t), nil, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		if !healthy.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	now := newClock()
	peer := join(t, at.url, peerConfig(at.root), federation.Deps{Now: now.Now})
	call := func() (int, error) {
		answer, err := peer.Do(get(t, peer, "/x"))
		if err != nil {
			return 0, err
		}
		return answer.StatusCode, answer.Body.Close()
	}
	for range 5 { // a 500 is no reason for another attempt
		status, err := call()
		require.NoError(t, err)
		require.Equal(t, http.StatusInternalServerError, status)
	}
	require.EqualValues(t, 5, calls.Load())
	assert.Equal(t, federation.BreakerOpen, peer.Status().Breaker)
	_, err := call()
	unavailable := &federation.UnavailableError{}
	require.ErrorAs(t, err, &unavailable)
	assert.Equal(t, time.Minute, unavailable.RetryAfter())
	now.Add(59 * time.Second)
	_, err = call()
	require.Error(t, err)
	require.EqualValues(t, 5, calls.Load(), "an open breaker let a call through")

	now.Add(time.Second)
	assert.Equal(t, federation.BreakerHalfOpen, peer.Status().Breaker)
	_, err = call()
	require.NoError(t, err)
	assert.Equal(t, federation.BreakerOpen, peer.Status().Breaker, "one failed probe opens it again")
	now.Add(time.Minute)
	healthy.Store(true)
	for range 3 {
		status, err := call()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
	}
	assert.Equal(t, federation.BreakerClosed, peer.Status().Breaker)
	assert.Contains(t, peer.Status().LastError, "500")
}

func TestDo_RefusalsAndCallersWhoLeaveDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	at := serve(t, newMaterial(t), nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			entered <- struct{}{}
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusForbidden)
	})
	peer := join(t, at.url, peerConfig(at.root), federation.Deps{})
	for range 6 {
		answer, err := peer.Do(get(t, peer, "/x"))
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-entered
			cancel()
		}()
		_, err = peer.Do(get(t, peer, "/wait").WithContext(ctx))
		require.ErrorIs(t, err, context.Canceled)
		unavailable := &federation.UnavailableError{}
		assert.NotErrorAs(t, err, &unavailable, "the peer is not to blame")
	}
	assert.Equal(t, federation.BreakerClosed, peer.Status().Breaker)
}

func TestDo_ResolvesAtEveryDialAndTriesEveryAddress(t *testing.T) {
	t.Parallel()
	material := newMaterial(t, "kms.internal")
	at := serve(t, material, nil, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	n := &names{}
	url := "https://kms.internal:" + portOf(t, at.url)
	peer := join(t, url, peerConfig(at.root), federation.Deps{Resolver: n})
	nowhere := netip.MustParseAddr("127.0.0.2") // nobody listens there on that port
	n.set(nowhere)
	_, err := peer.Do(get(t, peer, "/x"))
	require.ErrorContains(t, err, "refused")
	n.set(nowhere, at.address.Addr())
	answer, err := peer.Do(get(t, peer, "/x"))
	require.NoError(t, err, "it has moved, and the second address is tried")
	require.NoError(t, answer.Body.Close())
	n.set()
	peer2 := join(t, url, peerConfig(at.root), federation.Deps{Resolver: n})
	_, err = peer2.Do(get(t, peer2, "/x"))
	require.ErrorContains(t, err, "has no address")
}

func TestDo_CarriesTheTrace(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	at := serve(t, newMaterial(t), nil, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Get("Traceparent") })
	peer := join(t, at.url, peerConfig(at.root), federation.Deps{})
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	r := get(t, peer, "/x")
	answer, err := peer.Do(r.WithContext(trace.ContextWithSpanContext(r.Context(), span)))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, "00-01000000000000000000000000000000-0200000000000000-01", <-seen)
	assert.Empty(t, r.Header, "the caller's request is not changed")
}
