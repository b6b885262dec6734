package barrier_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

// memStore is a store as replicas share it.
type memStore struct {
	mu   sync.Mutex
	rows map[place]barrier.WrappedKey
	fail error
	// hook, if set, runs before a key is inserted, without the lock.
	hook func(barrier.WrappedKey)
	// generation is what Generation returns; generations counts how often it was asked.
	generation, generations int64
}

type place struct {
	level   barrier.Level
	tenant  string
	version int64
}

func newMemStore() *memStore { return &memStore{rows: make(map[place]barrier.WrappedKey)} }

func (s *memStore) Keys(_ context.Context, level barrier.Level, tenant string) ([]barrier.WrappedKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	var found []barrier.WrappedKey
	for at, row := range maps.All(s.rows) {
		if at.level == level && at.tenant == tenant {
			found = append(found, row)
		}
	}
	return found, nil
}

func (s *memStore) Insert(_ context.Context, keys ...barrier.WrappedKey) (bool, error) {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		hook(keys[0])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return false, s.fail
	}
	if _, present := s.rows[place{keys[0].Level, keys[0].Tenant, keys[0].Version}]; present {
		return false, nil
	}
	if keys[0].Level == barrier.LevelIntermediate && !slices.ContainsFunc(slices.Collect(maps.Values(s.rows)), func(row barrier.WrappedKey) bool {
		return row.Level == barrier.LevelRoot && row.ID == keys[0].ParentID
	}) {
		return false, barrier.ErrParentGone
	}
	for _, key := range keys {
		s.rows[place{key.Level, key.Tenant, key.Version}] = key
	}
	s.generation++
	return true, nil
}

func (s *memStore) Replace(_ context.Context, old, next barrier.WrappedKey) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{old.Level, old.Tenant, old.Version}
	if s.rows[at] != old {
		return false, s.fail
	}
	s.rows[at] = next
	s.generation++
	return true, s.fail
}

func (s *memStore) Generation(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generations++
	return s.generation, s.fail
}

func (s *memStore) Expire(_ context.Context, level barrier.Level, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.rows, func(at place, row barrier.WrappedKey) bool { return at.level == level && !row.CreatedAt.After(before) })
	return s.fail
}

// edit changes a stored row behind the barrier's back.
func (s *memStore) edit(level barrier.Level, tenant string, version int64, change func(*barrier.WrappedKey)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{level, tenant, version}
	row := s.rows[at]
	change(&row)
	s.rows[at] = row
}

// remove takes a stored row away behind the barrier's back.
func (s *memStore) remove(level barrier.Level, tenant string, version int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, place{level, tenant, version})
}

func (s *memStore) setFailure(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *memStore) setHook(hook func(barrier.WrappedKey)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

func (s *memStore) all() []barrier.WrappedKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.rows))
}

func (s *memStore) row(level barrier.Level, tenant string, version int64) barrier.WrappedKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[place{level, tenant, version}]
}
