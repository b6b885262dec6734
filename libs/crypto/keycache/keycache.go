// Package keycache keeps opened private keys in memory, bounded by number and age. Its main type is Cache.
//
// What is cached never decides anything: an entry serves only the very row that it was opened from, which its pin describes, so that an
// edited row is opened (and refused) anew. A key is zeroed when it has left the cache and its last user has released it.
package keycache

import (
	"container/list"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Slot is the identity of a key in the cache.
type Slot struct{ Tenant, ID string }

// Cache keeps keys, the least recently used going first. P is the pin: all that a stored key is bound to, and its wrapped form. It is safe
// for concurrent use.
type Cache[P comparable] struct {
	capacity int
	age      time.Duration
	now      func() time.Time

	mu      sync.Mutex
	entries map[Slot]*list.Element // of *Lease[P]
	recent  *list.List             // front: most recently used
	purges  uint64                 // how often the cache was emptied
}

// Lease is a key that somebody may be using.
type Lease[P comparable] struct {
	cache   *Cache[P]
	slot    Slot
	pin     P
	key     *jwk.Key
	expires time.Time
	// users counts leases handed out and not released, plus one while the entry is in the cache. Guarded by cache.mu.
	users int
}

// New returns a cache of at most capacity keys, each for at most age.
func New[P comparable](capacity int, age time.Duration, now func() time.Time) *Cache[P] {
	return &Cache[P]{capacity: capacity, age: age, now: now, entries: map[Slot]*list.Element{}, recent: list.New()}
}

// leaseOf is what an element of recent holds; Put alone makes them.
func leaseOf[P comparable](element *list.Element) *Lease[P] {
	held, ok := element.Value.(*Lease[P])
	if !ok {
		panic("keycache: the cache holds something else than leases")
	}
	return held
}

// Get returns a lease on the cached key of that very row, or nil.
func (c *Cache[P]) Get(slot Slot, pin P) *Lease[P] {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.entries[slot]
	if !ok {
		return nil
	}
	held := leaseOf[P](element)
	if held.pin != pin || c.now().After(held.expires) {
		c.remove(element)
		return nil
	}
	c.recent.MoveToFront(element)
	held.users++
	return held
}

// Generation changes with every purge.
func (c *Cache[P]) Generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.purges
}

// Put adds a key and returns a lease on it. The cache owns key from now on. since is the Generation from before the key was opened: if the
// cache was purged meanwhile, the key is for the holder of the lease alone, and zeroed after it.
func (c *Cache[P]) Put(slot Slot, pin P, key *jwk.Key, since uint64) *Lease[P] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.purges != since {
		return &Lease[P]{cache: c, slot: slot, pin: pin, key: key, users: 1}
	}
	if element, ok := c.entries[slot]; ok {
		c.remove(element)
	}
	for c.recent.Len() >= c.capacity {
		c.remove(c.recent.Back())
	}
	held := &Lease[P]{cache: c, slot: slot, pin: pin, key: key, expires: c.now().Add(c.age), users: 2}
	c.entries[slot] = c.recent.PushFront(held)
	return held
}

// Expire takes out what is too old, whether somebody asks for it or not.
func (c *Cache[P]) Expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for element := c.recent.Front(); element != nil; {
		next := element.Next()
		if now.After(leaseOf[P](element).expires) {
			c.remove(element)
		}
		element = next
	}
}

// Purge empties the cache, and sees to it that no key which is being opened gets in.
func (c *Cache[P]) Purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.purges++
	for c.recent.Len() > 0 {
		c.remove(c.recent.Back())
	}
}

// remove takes an entry out. c.mu is held.
func (c *Cache[P]) remove(element *list.Element) {
	held := leaseOf[P](element)
	c.recent.Remove(element)
	delete(c.entries, held.slot)
	held.drop()
}

// drop gives up one use. cache.mu is held.
func (l *Lease[P]) drop() {
	l.users--
	if l.users == 0 {
		l.key.Zero()
	}
}

// Key is the key; it must not be used after Release.
func (l *Lease[P]) Key() *jwk.Key { return l.key }

// Release gives the key back.
func (l *Lease[P]) Release() {
	l.cache.mu.Lock()
	defer l.cache.mu.Unlock()
	l.drop()
}
