package keycache_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keycache"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func newKey(t *testing.T) *jwk.Key {
	t.Helper()
	spec, err := alg.ParseSpec("A256GCM/A256KW", 0, "")
	require.NoError(t, err)
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	return key
}

// zeroed tells whether a key's material has been overwritten.
func zeroed(t *testing.T, key *jwk.Key) bool {
	t.Helper()
	return bytes.Equal(key.Secret(), make([]byte, len(key.Secret())))
}

func slot(id string) keycache.Slot { return keycache.Slot{Tenant: "a", ID: id} }

func TestCache_AKeyInUseOutlivesItsEviction(t *testing.T) {
	t.Parallel()
	cache := keycache.New[string](1, time.Hour, time.Now)
	key := newKey(t)
	held := cache.Put(slot("1"), "pin", key, 0)
	cache.Put(slot("2"), "pin", newKey(t), 0).Release()
	require.Nil(t, cache.Get(slot("1"), "pin"), "evicted")
	assert.False(t, zeroed(t, held.Key()), "zeroed under its user")
	held.Release()
	assert.True(t, zeroed(t, key), "not zeroed after its last user")
}

func TestCache_AnotherPinFindsNothing(t *testing.T) {
	t.Parallel()
	cache := keycache.New[string](10, time.Hour, time.Now)
	key := newKey(t)
	cache.Put(slot("1"), "pin", key, 0).Release()
	assert.Nil(t, cache.Get(slot("1"), "edited"))
	assert.True(t, zeroed(t, key), "the row is another one by now")
}

func TestCache_ForgetsByAgeAndOnPurge(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	cache := keycache.New[string](10, time.Minute, func() time.Time { return now })
	old, young := newKey(t), newKey(t)
	cache.Put(slot("1"), "pin", old, 0).Release()
	now = now.Add(time.Minute)
	held := cache.Get(slot("1"), "pin")
	require.NotNil(t, held)
	held.Release()
	cache.Put(slot("2"), "pin", young, 0).Release()
	now = now.Add(time.Second)
	cache.Expire()
	assert.True(t, zeroed(t, old))
	assert.False(t, zeroed(t, young))

	since := cache.Generation()
	cache.Purge()
	assert.True(t, zeroed(t, young), "purged keys are zeroed")
	late := newKey(t)
	held = cache.Put(slot("3"), "pin", late, since)
	assert.Nil(t, cache.Get(slot("3"), "pin"), "it was opened before the purge")
	held.Release()
	assert.True(t, zeroed(t, late))
}
