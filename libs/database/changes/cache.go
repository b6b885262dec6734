package changes

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// Cache keeps facts in memory for as long as the follower has not heard that they have changed. It may be used by many goroutines. What
// it returns is shared: nobody may change it.
type Cache[V any] struct {
	f        *Follower
	capacity int

	mu      sync.RWMutex
	kept    map[key]*fact[V]    // guarded by mu
	ring    []*fact[V]          // what is kept, in the order of the clock that evicts; guarded by mu
	hand    int                 // of that clock; guarded by mu
	loading map[key]*loading[V] // loads whose result may be kept; guarded by mu

	loads, evictions atomic.Uint64
}

type key struct{ tenant, id string }

// fact is what is kept. All but used is constant or guarded by the cache's mu.
type fact[V any] struct {
	key   key
	value V
	at    int         // in the ring
	used  atomic.Bool // since the hand last passed
}

// loading is a load under way. Whoever waits for done may read the fields above it.
type loading[V any] struct {
	value     V
	err       error
	abandoned bool // it has no result, because its caller went away or panicked
	done      chan struct{}
}

// Stats are the numbers of a Cache, for metrics.
type Stats struct {
	// Entries is how many facts are kept.
	Entries int
	// Loads counts the calls of a loader, Evictions the facts that made room for others.
	Loads, Evictions uint64
}

// NewCache makes a cache of at most capacity facts (at least one), by tenant and id, that forgets a fact when one of the kinds changes with
// the same tenant and id (or with the tenant and the id ""). Make it before the follower runs.
func NewCache[V any](f *Follower, kinds []string, capacity int) *Cache[V] {
	c := &Cache[V]{f: f, capacity: max(capacity, 1)}
	c.Clear()
	for _, kind := range kinds {
		f.Subscribe(kind, func(change Change) {
			if change.All {
				c.Clear()
			} else {
				c.Forget(change.Tenant, change.ID)
			}
		})
	}
	return c
}

// Get returns the fact, from memory or from load. It fails with a [StaleError] while the follower cannot be fresh. For one key one load runs
// at a time, and the others wait for its result; an error of load is returned and not kept. A value that is loaded while its fact changes
// is returned, and not kept either.
//
// load runs on the caller's goroutine with the caller's context. Inside a transaction, where it may see what is not committed, its result is
// neither kept nor shared.
func (c *Cache[V]) Get(ctx context.Context, tenant, id string, load func(context.Context) (V, error)) (V, error) {
	var none V
	if err := c.f.Ensure(ctx); err != nil {
		return none, fmt.Errorf("look up fact: %w", err)
	}
	k := key{tenant, id}
	c.mu.RLock()
	f := c.kept[k]
	c.mu.RUnlock()
	if f != nil {
		if !f.used.Load() {
			f.used.Store(true)
		}
		return f.value, nil
	}
	if _, err := c.f.db.Independent(ctx); err != nil {
		c.loads.Add(1)
		return load(ctx)
	}
	for {
		f, l, mine := c.join(k)
		switch {
		case f != nil:
			return f.value, nil
		case mine:
			c.load(ctx, k, l, load)
			return l.value, l.err
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return none, fmt.Errorf("wait for fact: %w", context.Cause(ctx))
		}
		if !l.abandoned {
			return l.value, l.err
		}
		if err := c.f.Ensure(ctx); err != nil {
			return none, fmt.Errorf("look up fact: %w", err)
		}
	}
}

// join returns the fact if it is kept, the load that is under way, or a new one that is the caller's.
func (c *Cache[V]) join(k key) (f *fact[V], l *loading[V], mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f = c.kept[k]; f != nil {
		return f, nil, false
	}
	if l = c.loading[k]; l != nil {
		return nil, l, false
	}
	l = &loading[V]{done: make(chan struct{}), abandoned: true}
	c.loading[k] = l
	return nil, l, true
}

// load runs a load and ends it, also when it panics.
func (c *Cache[V]) load(ctx context.Context, k key, l *loading[V], load func(context.Context) (V, error)) {
	c.loads.Add(1)
	defer func() {
		c.end(k, l)
		close(l.done)
	}()
	l.value, l.err = load(ctx)
	l.abandoned = l.err != nil && ctx.Err() != nil
}

// end keeps what was loaded, unless the load was forgotten meanwhile.
func (c *Cache[V]) end(k key, l *loading[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loading[k] != l {
		return
	}
	delete(c.loading, k)
	if l.abandoned || l.err != nil {
		return
	}
	f := &fact[V]{key: k, value: l.value}
	if len(c.ring) < c.capacity {
		f.at = len(c.ring)
		c.ring = append(c.ring, f)
	} else {
		f.at = c.evict()
		c.ring[f.at] = f
	}
	c.kept[k] = f
}

// evict drops the fact at the hand of the clock that was not used since it last passed, and returns its place.
func (c *Cache[V]) evict() int {
	for {
		c.hand = (c.hand + 1) % len(c.ring)
		f := c.ring[c.hand]
		if !f.used.Swap(false) {
			delete(c.kept, f.key)
			c.evictions.Add(1)
			return c.hand
		}
	}
}

// Forget drops one fact, or with an id of "" all of a tenant, here and now. Loads that are under way are not kept.
func (c *Cache[V]) Forget(tenant, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id != "" {
		c.drop(key{tenant, id})
		return
	}
	for k := range c.kept {
		if k.tenant == tenant {
			c.drop(k)
		}
	}
	for k := range c.loading {
		if k.tenant == tenant {
			delete(c.loading, k)
		}
	}
}

// drop forgets one key. The last fact of the ring takes the place of the one that goes.
func (c *Cache[V]) drop(k key) {
	delete(c.loading, k)
	f := c.kept[k]
	if f == nil {
		return
	}
	delete(c.kept, k)
	end := len(c.ring) - 1
	c.ring[f.at] = c.ring[end]
	c.ring[f.at].at = f.at
	c.ring[end] = nil
	c.ring = c.ring[:end]
}

// Clear drops everything.
func (c *Cache[V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept, c.loading, c.ring, c.hand = map[key]*fact[V]{}, map[key]*loading[V]{}, nil, 0
}

// Stats returns the numbers of now.
func (c *Cache[V]) Stats() Stats {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return Stats{Entries: len(c.kept), Loads: c.loads.Load(), Evictions: c.evictions.Load()}
}
