// Package share counts what each caller has in flight, so that no single one takes all there is. Its main type is [Counter].
package share

import (
	"hash/maphash"
	"sync"
)

const shards = 64

// Counter counts by key. It remembers only keys that have something in flight. It is safe for concurrent use.
type Counter[K comparable] struct {
	seed   maphash.Seed
	shards [shards]shard[K]
}

type shard[K comparable] struct {
	mu    sync.Mutex
	count map[K]int64
	_     [48]byte // no two shards on one cache line
}

// New returns a Counter.
func New[K comparable]() *Counter[K] {
	c := &Counter[K]{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].count = map[K]int64{}
	}

	return c
}

// Enter adds one for the key unless it has as many as limit. Who enters leaves.
func (c *Counter[K]) Enter(key K, limit int64) bool {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[key] >= limit {
		return false
	}
	s.count[key]++

	return true
}

// Leave takes one off again.
func (c *Counter[K]) Leave(key K) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[key]--; s.count[key] <= 0 {
		delete(s.count, key)
	}
}

func (c *Counter[K]) shard(key K) *shard[K] { return &c.shards[maphash.Comparable(c.seed, key)%shards] }
