package accesstoken

import "sync"

// shards is how many parts of a memory are locked apart.
const shards = 16

// memory keeps a bounded number of values by digest. Where there is no room, any other value makes some.
type memory[V any] struct{ shards [shards]shard[V] }

type shard[V any] struct {
	mu     sync.RWMutex
	most   int
	values map[digest]*V // guarded by mu
}

func newMemory[V any](most int) *memory[V] {
	m := &memory[V]{}
	for i := range m.shards {
		m.shards[i].most, m.shards[i].values = max(1, most/shards), map[digest]*V{}
	}
	return m
}

func (m *memory[V]) shard(key digest) *shard[V] { return &m.shards[key[0]%shards] }

// get returns nil where there is nothing.
func (m *memory[V]) get(key digest) *V {
	s := m.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.values[key]
}

// put keeps a value.
func (m *memory[V]) put(key digest, value *V) {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(key, value)
}

// join returns the value that is kept, if it serves, and otherwise keeps and returns the caller's own.
func (m *memory[V]) join(key digest, serves func(*V) bool, own *V) *V {
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.values[key]; kept != nil && serves(kept) {
		return kept
	}
	s.put(key, own)
	return own
}

// put is called with mu held.
func (s *shard[V]) put(key digest, value *V) {
	if _, there := s.values[key]; !there && len(s.values) >= s.most {
		for other := range s.values {
			delete(s.values, other)
			break
		}
	}
	s.values[key] = value
}
