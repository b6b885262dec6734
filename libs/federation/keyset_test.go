package federation_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/federation"
)

func pemOf(t testing.TB, c *tls.Certificate) (chain, key []byte) {
	t.Helper()
	for _, der := range c.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	require.NoError(t, err)
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func publicKey(t testing.TB, id string) json.RawMessage {
	t.Helper()
	spec, err := alg.ParseSpec("ES256", 0, "")
	require.NoError(t, err)
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	key.ID = id
	text, err := key.MarshalPublic()
	require.NoError(t, err)
	return text
}

// publisher serves a key set that tests change.
type publisher struct {
	fetches atomic.Int64
	set     atomic.Pointer[[]byte] // nil: it fails
	set2    *federation.KeySet
}

func publish(t testing.TB, stale bool, now *clock) *publisher {
	t.Helper()
	p := &publisher{}
	at := serve(t, newMaterial(t), nil, func(w http.ResponseWriter, _ *http.Request) {
		p.fetches.Add(1)
		text := p.set.Load()
		if text == nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=60")
		_, _ = w.Write(*text)
	})
	peer := join(t, at.url, peerConfig(at.root), federation.Deps{Now: now.Now})
	p.set2 = federation.NewKeySet(at.url+"/jwks.json", peer.Do, stale, now.Now)
	return p
}

func (p *publisher) serve(t testing.TB, keys ...json.RawMessage) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(t, err)
	p.set.Store(&text)
}

func (p *publisher) key(t testing.TB, id string) (*jwk.Key, error) {
	t.Helper()
	return p.set2.Key(t.Context(), id)
}

func TestKeySet_IsFetchedOnceForItsTimeAndAgainForAKeyThatIsNew(t *testing.T) {
	t.Parallel()
	now := newClock()
	p := publish(t, false, now)
	first, second := publicKey(t, "first"), publicKey(t, "second")
	p.serve(t, first)
	for range 3 {
		key, err := p.key(t, "first")
		require.NoError(t, err)
		assert.Equal(t, "first", key.ID)
	}
	require.EqualValues(t, 1, p.fetches.Load())

	p.serve(t, first, second)
	_, err := p.key(t, "second")
	require.ErrorIs(t, err, federation.ErrUnknownKey, "a flood of unknown ids is no flood of fetches")
	now.Add(10 * time.Second)
	key, err := p.key(t, "second")
	require.NoError(t, err)
	assert.Equal(t, "second", key.ID)
	require.EqualValues(t, 2, p.fetches.Load())
	for range 50 {
		_, err = p.key(t, "third")
		require.ErrorIs(t, err, federation.ErrUnknownKey)
	}
	require.EqualValues(t, 2, p.fetches.Load())

	p.serve(t, second) // the first one was withdrawn
	now.Add(60 * time.Second)
	_, err = p.key(t, "first")
	require.ErrorIs(t, err, federation.ErrUnknownKey)
}

func TestKeySet_WhileTheSourceIsAwayServesOnOnlyWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, stale := range []bool{false, true} {
		now := newClock()
		p := publish(t, stale, now)
		_, err := p.key(t, "k")
		require.ErrorContains(t, err, "get keys of")
		p.serve(t, publicKey(t, "k"))
		now.Add(10 * time.Second)
		_, err = p.key(t, "k")
		require.NoError(t, err)
		p.set.Store(nil)
		now.Add(61 * time.Second)
		_, err = p.key(t, "k")
		assert.Equal(t, stale, err == nil, "stale=%v: %v", stale, err)
		before := p.fetches.Load()
		for range 20 {
			_, err = p.key(t, "k")
			assert.Equal(t, stale, err == nil, "stale=%v: %v", stale, err)
		}
		assert.LessOrEqual(t, p.fetches.Load()-before, int64(1), "a source that is away is not stormed")
		now.Add(25 * time.Hour)
		_, err = p.key(t, "k")
		require.Error(t, err, "not for ever")
		p.serve(t, publicKey(t, "k"))
		now.Add(2 * time.Minute)
		_, err = p.key(t, "k")
		require.NoError(t, err, "it is back")
	}
}

func TestKeySet_GarbageIsNoKeySet(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "<html>", `{"keys":[]}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`, `[]`} {
		now := newClock()
		p := publish(t, true, now)
		body := []byte(text)
		p.set.Store(&body)
		_, err := p.key(t, "k")
		require.Error(t, err, text)
	}
}

func TestKeySet_ACallerWhoGoesAwayLeavesTheOthersTheirKeys(t *testing.T) {
	t.Parallel()
	now := newClock()
	begun, release := make(chan struct{}), make(chan struct{})
	text, err := json.Marshal(map[string]any{"keys": []json.RawMessage{publicKey(t, "k")}})
	require.NoError(t, err)
	at := serve(t, newMaterial(t), nil, func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		_, _ = w.Write(text)
	})
	peer := join(t, at.url, peerConfig(at.root), federation.Deps{Now: now.Now})
	keys := federation.NewKeySet(at.url+"/jwks.json", peer.Do, false, now.Now)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = keys.Key(ctx, "k")
	}()
	<-begun
	cancel()
	close(release)
	<-done
	_, err = keys.Key(t.Context(), "k")
	require.NoError(t, err)
}
