package keyring

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
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

// zeroed tells whether a key's material has been overwritten.
func zeroed(t *testing.T, key *jwk.Key) bool {
	t.Helper()
	octets, ok := key.Material().([]byte)
	require.True(t, ok)
	return bytes.Equal(octets, make([]byte, len(octets)))
}

// pinOf is a material key's place in the tests below.
func pinOf(tenant, id string) pin {
	return pin{tenant: tenant, id: id, version: 1, wrapped: "wrapped"}
}

func TestCache_AKeyInUseOutlivesItsEviction(t *testing.T) {
	t.Parallel()
	cache := newMaterialCache(1, time.Hour, time.Now)
	key := newKey(t)
	held := cache.put(pinOf("a", "1"), key, 0)
	cache.put(pinOf("a", "2"), newKey(t), 0).release()
	require.Nil(t, cache.get(pinOf("a", "1")), "evicted")
	assert.False(t, zeroed(t, held.key), "zeroed under its user")
	held.release()
	assert.True(t, zeroed(t, key), "not zeroed after its last user")
}

func TestCache_ServesOnlyTheRowItWasOpenedFrom(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*pin){
		"tenant":      func(p *pin) { p.tenant = "b" },
		"version":     func(p *pin) { p.version = 2 },
		"elastic key": func(p *pin) { p.elasticID = "x" },
		"algorithm":   func(p *pin) { p.algorithm = "x" },
		"key size":    func(p *pin) { p.keySize = 1 },
		"curve":       func(p *pin) { p.curve = "x" },
		"use":         func(p *pin) { p.use = "x" },
		"origin":      func(p *pin) { p.origin = "x" },
		"exportable":  func(p *pin) { p.exportable = true },
		"ciphertext":  func(p *pin) { p.wrapped = "edited" },
	} {
		cache := newMaterialCache(10, time.Hour, time.Now)
		cache.put(pinOf("a", "1"), newKey(t), 0).release()
		edited := pinOf("a", "1")
		change(&edited)
		assert.Nil(t, cache.get(edited), what)
	}
}

func TestCache_ForgetsByAgeAndOnPurge(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	cache := newMaterialCache(10, time.Minute, func() time.Time { return now })
	cache.put(pinOf("a", "1"), newKey(t), 0).release()
	now = now.Add(time.Minute)
	held := cache.get(pinOf("a", "1"))
	require.NotNil(t, held)
	held.release()
	now = now.Add(time.Second)
	assert.Nil(t, cache.get(pinOf("a", "1")))

	key := newKey(t)
	cache.put(pinOf("a", "2"), key, 0).release()
	cache.purge()
	assert.Nil(t, cache.get(pinOf("a", "2")))
	assert.True(t, zeroed(t, key), "purged keys are zeroed")
}

func TestCache_ExpiredKeysDoNotWaitForTheirNextUse(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	cache := newMaterialCache(10, time.Minute, func() time.Time { return now })
	old, young := newKey(t), newKey(t)
	cache.put(pinOf("a", "1"), old, 0).release()
	now = now.Add(30 * time.Second)
	cache.put(pinOf("a", "2"), young, 0).release()
	now = now.Add(31 * time.Second)
	cache.expire()
	assert.True(t, zeroed(t, old))
	assert.False(t, zeroed(t, young))
}
