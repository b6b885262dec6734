package keyring

import (
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keycache"
)

// slot is the identity of a material key in memory.
type slot struct {
	tenant, id string
}

func slotOf(version MaterialKey) slot {
	return slot{tenant: version.Tenant, id: version.ID}
}

// slot is where the pin's key is cached.
func (p pin) slot() keycache.Slot { return keycache.Slot{Tenant: p.tenant, ID: p.id} }

// materialCache keeps unwrapped keys, each for the very row that it was opened from.
type materialCache struct{ keys *keycache.Cache[pin] }

// lease is a key that somebody may be using.
type lease struct {
	key  *jwk.Key
	held *keycache.Lease[pin]
}

func newMaterialCache(capacity int, age time.Duration, now func() time.Time) *materialCache {
	return &materialCache{keycache.New[pin](capacity, age, now)}
}

// get returns a lease on the cached key of that very row, or nil.
func (c *materialCache) get(at pin) *lease {
	held := c.keys.Get(at.slot(), at)
	if held == nil {
		return nil
	}
	return &lease{held.Key(), held}
}

// generation changes with every purge.
func (c *materialCache) generation() uint64 { return c.keys.Generation() }

// put adds a key, which the cache owns from now on, and returns a lease on it. since is the generation from before the key was opened.
func (c *materialCache) put(at pin, key *jwk.Key, since uint64) *lease {
	return &lease{key, c.keys.Put(at.slot(), at, key, since)}
}

// expire takes out what is too old.
func (c *materialCache) expire() { c.keys.Expire() }

// purge empties the cache.
func (c *materialCache) purge() { c.keys.Purge() }

// release gives the key back; it must not be used afterwards.
func (l *lease) release() { l.held.Release() }
