package keyring

import (
	"container/list"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// slot is the identity of a material key in the cache.
type slot struct {
	tenant, id string
}

func slotOf(version MaterialKey) slot {
	return slot{tenant: version.Tenant, id: version.ID}
}

// materialCache keeps unwrapped keys, bounded by number and age, the least recently used going first. What is cached never decides
// anything: a permit is computed from the row before each use, and an entry serves only the very row it was opened from, so that an
// edited row is opened (and refused) anew. A key is zeroed when it has left the cache and its last user has released it.
type materialCache struct {
	capacity int
	age      time.Duration
	now      func() time.Time

	mu      sync.Mutex
	entries map[slot]*list.Element // of *lease
	recent  *list.List             // front: most recently used
	purges  uint64                 // how often the cache was emptied
}

// lease is a key that somebody may be using.
type lease struct {
	cache   *materialCache
	pin     pin
	key     *jwk.Key
	expires time.Time
	// users counts leases handed out and not released, plus one while the entry is in the cache. Guarded by cache.mu.
	users int
}

// leaseOf is what an element of recent holds; put alone makes them.
func leaseOf(element *list.Element) *lease {
	held, ok := element.Value.(*lease)
	if !ok {
		panic("keyring: the cache holds something else than leases")
	}
	return held
}

func newMaterialCache(capacity int, age time.Duration, now func() time.Time) *materialCache {
	return &materialCache{capacity: capacity, age: age, now: now, entries: map[slot]*list.Element{}, recent: list.New()}
}

// slot is where the pin's key is cached.
func (p pin) slot() slot {
	return slot{tenant: p.tenant, id: p.id}
}

// get returns a lease on the cached key of that very row, or nil.
func (c *materialCache) get(at pin) *lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[at.slot()]
	if !ok {
		return nil
	}
	held := leaseOf(element)
	if held.pin != at || c.now().After(held.expires) {
		c.remove(element)
		return nil
	}
	c.recent.MoveToFront(element)
	held.users++
	return held
}

// generation changes with every purge.
func (c *materialCache) generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.purges
}

// put adds a key and returns a lease on it. The cache owns key from now on. since is the generation from before the key was opened: if the
// cache was purged meanwhile, the key is for the holder of the lease alone, and zeroed after it.
func (c *materialCache) put(at pin, key *jwk.Key, since uint64) *lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.purges != since {
		return &lease{cache: c, pin: at, key: key, users: 1}
	}
	if element, ok := c.entries[at.slot()]; ok {
		c.remove(element)
	}
	for c.recent.Len() >= c.capacity {
		c.remove(c.recent.Back())
	}
	held := &lease{cache: c, pin: at, key: key, expires: c.now().Add(c.age), users: 2}
	c.entries[at.slot()] = c.recent.PushFront(held)
	return held
}

// expire takes out what is too old, whether somebody asks for it or not.
func (c *materialCache) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for element := c.recent.Front(); element != nil; {
		next := element.Next()
		if held, ok := element.Value.(*lease); ok && now.After(held.expires) {
			c.remove(element)
		}
		element = next
	}
}

// purge empties the cache, and sees to it that no key which is being opened gets in.
func (c *materialCache) purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.purges++
	for c.recent.Len() > 0 {
		c.remove(c.recent.Back())
	}
}

// remove takes an entry out. c.mu is held.
func (c *materialCache) remove(element *list.Element) {
	held := leaseOf(element)
	c.recent.Remove(element)
	delete(c.entries, held.pin.slot())
	held.drop()
}

// drop gives up one use. cache.mu is held.
func (l *lease) drop() {
	l.users--
	if l.users == 0 {
		l.key.Zero()
	}
}

// release gives the key back; it must not be used afterwards.
func (l *lease) release() {
	l.cache.mu.Lock()
	defer l.cache.mu.Unlock()
	l.drop()
}
