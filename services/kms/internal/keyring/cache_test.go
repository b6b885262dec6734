package keyring

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

func newKey(t *testing.T) *jwk.Key {
	t.Helper()
	spec, err := alg.ParseSpec("A256GCM/A256KW", 0, "")
	require.NoError(t, err)
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	return key
}

// usable tells whether a key still encrypts and decrypts under its own material: a zeroed one must not be handed out.
func usable(t *testing.T, key *jwk.Key, before string) bool {
	t.Helper()
	_, _, err := jwe.Decrypt(key, before, jwe.Expect{Algorithm: "A256KW", Encryption: "A256GCM"})
	return err == nil
}

func probe(t *testing.T, key *jwk.Key) string {
	t.Helper()
	text, err := jwe.Encrypt(key, jwe.Header{Algorithm: "A256KW", Encryption: "A256GCM"}, []byte(rand.Text()))
	require.NoError(t, err)
	return text
}

func TestCache_AKeyInUseOutlivesItsEviction(t *testing.T) {
	t.Parallel()
	cache := newMaterialCache(1, time.Hour, time.Now)
	key := newKey(t)
	before := probe(t, key)
	held := cache.put(slot{"a", "1"}, "w", key)
	cache.put(slot{"a", "2"}, "w", newKey(t)).release()
	require.Nil(t, cache.get(slot{"a", "1"}, "w"), "evicted")
	assert.True(t, usable(t, held.key, before), "zeroed under its user")
	held.release()
	assert.False(t, usable(t, key, before), "not zeroed after its last user")
}

func TestCache_ServesOnlyTheCiphertextItWasOpenedFrom(t *testing.T) {
	t.Parallel()
	cache := newMaterialCache(10, time.Hour, time.Now)
	cache.put(slot{"a", "1"}, "wrapped", newKey(t)).release()
	assert.Nil(t, cache.get(slot{"b", "1"}, "wrapped"), "another tenant")
	assert.Nil(t, cache.get(slot{"a", "1"}, "edited"), "another ciphertext")
	assert.Nil(t, cache.get(slot{"a", "1"}, "wrapped"), "gone after the edit was seen")
}

func TestCache_ForgetsByAgeAndOnPurge(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	cache := newMaterialCache(10, time.Minute, func() time.Time { return now })
	cache.put(slot{"a", "1"}, "w", newKey(t)).release()
	now = now.Add(time.Minute)
	held := cache.get(slot{"a", "1"}, "w")
	require.NotNil(t, held)
	held.release()
	now = now.Add(time.Second)
	assert.Nil(t, cache.get(slot{"a", "1"}, "w"))

	key := newKey(t)
	before := probe(t, key)
	cache.put(slot{"a", "2"}, "w", key).release()
	cache.purge()
	assert.Nil(t, cache.get(slot{"a", "2"}, "w"))
	assert.False(t, usable(t, key, before), "purged keys are zeroed")
}
