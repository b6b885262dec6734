package federation_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
)

// outside is somebody else's https server with key sets by path.
type outside struct {
	remote

	sets    *federation.KeySets
	now     *clock
	fetches atomic.Int64
	answer  atomic.Pointer[http.HandlerFunc]
}

func outsider(t testing.TB, most int, allow ...netip.Prefix) *outside {
	t.Helper()
	o := &outside{now: newClock()}
	material := newMaterial(t)
	o.remote = serve(t, material, nil, func(w http.ResponseWriter, r *http.Request) {
		o.fetches.Add(1)
		(*o.answer.Load())(w, r)
	})
	roots, err := tlsconfig.LoadRoots(material.RootFile())
	require.NoError(t, err)
	client, err := guarded.New(guarded.Config{Allow: allow, TLS: tlsconfig.ClientConfig(roots), MaxBody: jwk.MaxSetText})
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	o.sets = federation.NewKeySets(client, most, o.now.Now)
	return o
}

func loopback() netip.Prefix { return netip.MustParsePrefix("127.0.0.0/8") }

func (o *outside) answers(handler http.HandlerFunc) { o.answer.Store(&handler) }

func (o *outside) serves(t testing.TB, keys ...json.RawMessage) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(t, err)
	o.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=100")
		_, _ = w.Write(text)
	})
}

func (o *outside) key(t testing.TB, id string) (*jwk.Key, error) {
	t.Helper()
	return o.sets.Key(t.Context(), o.url+"/jwks.json", id)
}

func TestKeySets_AreFetchedByHTTPSFromAddressesThatMayBeReached(t *testing.T) {
	t.Parallel()
	closed := outsider(t, 8)
	closed.serves(t, publicKey(t, "k"))
	_, err := closed.key(t, "k")
	require.ErrorIs(t, err, guarded.ErrBlocked, "loopback is not for URLs of strangers")
	assert.Zero(t, closed.fetches.Load())

	open := outsider(t, 8, loopback())
	open.serves(t, publicKey(t, "k"))
	_, err = open.key(t, "k")
	require.NoError(t, err)
	for _, address := range []string{
		strings.Replace(open.url, "https:", "http:", 1), "file:///etc/passwd", "ftp://example.com/x", "https://user:pass@example.com/x",
		open.url + "/x#y", "https://169.254.169.254/jwks", "https:///x", "jwks.json", "https://exa mple.com/",
	} {
		require.Error(t, open.sets.Check(address), address)
		_, err := open.sets.Key(t.Context(), address, "k")
		require.Error(t, err, address)
	}
	require.NoError(t, open.sets.Check("https://example.com/jwks.json"))
	assert.EqualValues(t, 1, open.fetches.Load())

	stranger := outsider(t, 8, loopback())
	stranger.serves(t, publicKey(t, "k"))
	_, err = open.sets.Key(t.Context(), stranger.url+"/jwks.json", "k")
	require.Error(t, err, "a certificate that nobody vouches for")
	open.answers(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, stranger.url, http.StatusFound) })
	_, err = open.sets.Key(t.Context(), open.url+"/moved", "k")
	require.ErrorContains(t, err, "answered 302", "a redirect is no key set")
}

func TestKeySets_RenewAheadOfTimeWhatIsInUse(t *testing.T) {
	t.Parallel()
	o := outsider(t, 8, loopback())
	first := publicKey(t, "first")
	o.serves(t, first)
	_, err := o.key(t, "first")
	require.NoError(t, err)
	o.now.Add(79 * time.Second)
	o.sets.Renew(t.Context())
	assert.EqualValues(t, 1, o.fetches.Load(), "not yet")
	_, err = o.key(t, "first")
	require.NoError(t, err)
	o.now.Add(2 * time.Second)
	o.serves(t, first, publicKey(t, "second"))
	o.sets.Renew(t.Context())
	assert.EqualValues(t, 2, o.fetches.Load(), "in the last fifth of its time")
	_, err = o.key(t, "second")
	require.NoError(t, err)
	assert.EqualValues(t, 2, o.fetches.Load(), "nobody had to wait")

	o.now.Add(99 * time.Second)
	o.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	for range 5 {
		o.sets.Renew(t.Context())
	}
	assert.EqualValues(t, 3, o.fetches.Load(), "a source that is away is not stormed")
	_, err = o.key(t, "first")
	require.NoError(t, err, "what was there serves on")

	o.now.Add(10 * time.Second)
	o.serves(t, first)
	_, err = o.key(t, "first")
	require.NoError(t, err)
	before := o.fetches.Load()
	for range 10 {
		o.now.Add(30 * time.Second)
		o.sets.Renew(t.Context())
	}
	assert.LessOrEqual(t, o.fetches.Load()-before, int64(1), "a set that nobody uses any more is left alone")
}

func TestKeySets_ManyWhoWaitForASourceThatIsAwayAreOneFetch(t *testing.T) {
	t.Parallel()
	o := outsider(t, 8, loopback())
	begun, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	o.answers(func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { close(begun) })
		<-release
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			_, err := o.sets.Key(t.Context(), o.url+"/jwks.json", "k")
			assert.ErrorContains(t, err, "answered 503")
		})
	}
	<-begun
	close(release)
	group.Wait()
	assert.EqualValues(t, 1, o.fetches.Load())
	_, err := o.key(t, "k")
	require.ErrorContains(t, err, "answered 503")
	assert.EqualValues(t, 1, o.fetches.Load(), "the failure is remembered")
	o.serves(t, publicKey(t, "k"))
	o.now.Add(10 * time.Second)
	_, err = o.key(t, "k")
	require.NoError(t, err)
}

func TestKeySets_OneBadKeySpoilsNoSetAndNoSetIsTooLarge(t *testing.T) {
	t.Parallel()
	o := outsider(t, 8, loopback())
	o.serves(t, json.RawMessage(`{"kty":"EC","crv":"P-256","kid":"bad","x":"AAAA","y":"AAAA"}`), json.RawMessage(`{"kty":"NEW","kid":"new"}`),
		json.RawMessage(`7`), publicKey(t, "twice"), publicKey(t, "twice"), publicKey(t, "good"))
	_, err := o.key(t, "good")
	require.NoError(t, err)
	for _, id := range []string{"bad", "new", "twice", ""} {
		_, err := o.key(t, id)
		require.ErrorIs(t, err, federation.ErrUnknownKey, id)
	}
	for what, text := range map[string]string{
		"too large":     `{"keys":[],"x":"` + strings.Repeat("x", jwk.MaxSetText) + `"}`,
		"too many":      `{"keys":[` + strings.Repeat(`{},`, jwk.MaxSetKeys) + `{}]}`,
		"no set":        `{"jwks":[]}`,
		"two lists":     `{"keys":[],"keys":[]}`,
		"trailing data": `{"keys":[]}{}`,
	} {
		o.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
		_, err := o.sets.Key(t.Context(), o.url+"/"+strings.ReplaceAll(what, " ", "-"), "k")
		require.Error(t, err, what)
		require.NotErrorIs(t, err, federation.ErrUnknownKey, what)
	}
}

func TestKeySets_GiveAwayNoSecret(t *testing.T) {
	t.Parallel()
	o := outsider(t, 8, loopback())
	material := func(algorithm, id string) json.RawMessage {
		spec, err := alg.ParseSpec(algorithm, 0, "")
		require.NoError(t, err)
		key, err := keygen.Generate(spec)
		require.NoError(t, err)
		key.ID = id
		text, err := key.MarshalPrivate()
		require.NoError(t, err)
		return text
	}
	o.serves(t, material("ES256", "leaked"))
	key, err := o.key(t, "leaked")
	require.NoError(t, err)
	assert.False(t, key.IsPrivate(), "what was published by mistake is not kept for use")
	o.serves(t, material("HS256", "shared"))
	_, err = o.sets.Key(t.Context(), o.url+"/shared.json", "shared")
	require.ErrorIs(t, err, federation.ErrUnknownKey)
}

func TestKeySets_KeepSoManyAndNoMore(t *testing.T) {
	t.Parallel()
	o := outsider(t, 2, loopback())
	o.serves(t, publicKey(t, "k"))
	for _, path := range []string{"a", "b", "a", "c", "a", "b"} {
		_, err := o.sets.Key(t.Context(), fmt.Sprintf("%s/%s.json", o.url, path), "k")
		require.NoError(t, err)
	}
	assert.EqualValues(t, 4, o.fetches.Load(), "a, b and c once, and b again, for which c had made no room")
}
