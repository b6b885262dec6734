// Package barriertest has a store in memory, for tests of what stands on a barrier without a database. Its main type is [Store].
package barriertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
)

// Store is a barrier.Store and an unseal.Store, as replicas share it. The zero Store is empty.
type Store struct {
	mu sync.Mutex
	// All below is guarded by mu.
	keys       []barrier.WrappedKey
	sealed     []unseal.SealedKey
	rekey      *unseal.Rekey
	generation int64
}

// Keys implements barrier.Store.
func (s *Store) Keys(_ context.Context, level barrier.Level, tenant string) (found []barrier.WrappedKey, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.keys {
		if key.Level == level && key.Tenant == tenant {
			found = append(found, key)
		}
	}
	return found, nil
}

// Insert implements barrier.Store.
func (s *Store) Insert(_ context.Context, keys ...barrier.WrappedKey) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := keys[0]
	if slices.ContainsFunc(s.keys, func(k barrier.WrappedKey) bool {
		return k.Level == first.Level && k.Tenant == first.Tenant && k.Version == first.Version
	}) {
		return false, nil
	}
	if first.Level == barrier.LevelRoot && (s.rekey != nil || slices.ContainsFunc(s.keys, func(k barrier.WrappedKey) bool {
		return k.Level == barrier.LevelRoot && k.ParentID != first.ParentID
	})) {
		return false, barrier.ErrRekeying
	}
	s.keys = append(s.keys, keys...)
	s.generation++
	return true, nil
}

// Replace implements barrier.Store.
func (s *Store) Replace(_ context.Context, old, next barrier.WrappedKey) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.keys, old)
	if at < 0 {
		return false, nil
	}
	s.keys[at] = next
	s.generation++
	return true, nil
}

// Generation implements barrier.Store.
func (s *Store) Generation(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation, nil
}

// Expire implements barrier.Store.
func (s *Store) Expire(_ context.Context, level barrier.Level, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = slices.DeleteFunc(s.keys, func(k barrier.WrappedKey) bool { return k.Level == level && !k.CreatedAt.After(before) })
	return nil
}

// Tenants returns up to limit tenants that have keys, in order, from the first one after the given one.
func (s *Store) Tenants(_ context.Context, after string, limit int) (tenants []string, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.keys {
		if key.Level == barrier.LevelIntermediate && key.Tenant > after {
			tenants = append(tenants, key.Tenant)
		}
	}
	slices.Sort(tenants)
	tenants = slices.Compact(tenants)
	return tenants[:min(limit, len(tenants))], nil
}

// SealedKeys implements unseal.Store.
func (s *Store) SealedKeys(context.Context) ([]unseal.SealedKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sealed), nil
}

// AddSealedKey implements unseal.Store.
func (s *Store) AddSealedKey(_ context.Context, key unseal.SealedKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = append(s.sealed, key)
	return nil
}

// ConfirmRecovery implements unseal.Store.
func (s *Store) ConfirmRecovery(_ context.Context, id string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := slices.IndexFunc(s.sealed, func(k unseal.SealedKey) bool { return k.ID == id && k.Mode == unseal.Recovery })
	if mine < 0 {
		return errors.New("it is not there any more")
	}
	s.sealed[mine].VerifiedAt = at
	s.sealed = slices.DeleteFunc(s.sealed, func(k unseal.SealedKey) bool { return k.Mode == unseal.Recovery && k.ID != id })
	return nil
}

// Rekey implements unseal.Store.
func (s *Store) Rekey(context.Context) (unseal.Rekey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rekey == nil {
		return unseal.Rekey{}, unseal.ErrNoRekey
	}
	return *s.rekey, nil
}

// StageRekey implements unseal.Store.
func (s *Store) StageRekey(_ context.Context, rekey unseal.Rekey, staged []barrier.WrappedKey, sealed *unseal.SealedKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rekey != nil {
		return unseal.ErrRekeyExists
	}
	s.keys = append(s.keys, staged...)
	s.rekey = &rekey
	if sealed != nil {
		s.sealed = append(s.sealed, *sealed)
	}
	return nil
}

// VerifyRekey implements unseal.Store.
func (s *Store) VerifyRekey(_ context.Context, id string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rekey == nil || s.rekey.ID != id {
		return unseal.ErrNoRekey
	}
	s.rekey.VerifiedAt = at
	return nil
}

// CommitRekey implements unseal.Store.
func (s *Store) CommitRekey(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.rekey == nil || s.rekey.ID != id:
		return unseal.ErrNoRekey
	case s.rekey.VerifiedAt.IsZero():
		return unseal.ErrNotVerified
	}
	for i, root := range s.keys {
		for _, staged := range s.keys {
			if root.Level == barrier.LevelRoot && staged.Level == barrier.LevelStaged && staged.Version == root.Version {
				s.keys[i].ParentID, s.keys[i].JWE = staged.ParentID, staged.JWE
			}
		}
	}
	to := s.rekey.ToKeyID
	s.sealed = slices.DeleteFunc(s.sealed, func(k unseal.SealedKey) bool { return k.UnsealKeyID != to })
	s.end()
	return nil
}

// CancelRekey implements unseal.Store.
func (s *Store) CancelRekey(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rekey == nil || s.rekey.ID != id {
		return unseal.ErrNoRekey
	}
	to := s.rekey.ToKeyID
	s.sealed = slices.DeleteFunc(s.sealed, func(k unseal.SealedKey) bool { return k.UnsealKeyID == to })
	s.end()
	return nil
}

// end removes the rekeying; mu is held.
func (s *Store) end() {
	s.rekey = nil
	s.generation++
	s.keys = slices.DeleteFunc(s.keys, func(k barrier.WrappedKey) bool { return k.Level == barrier.LevelStaged })
}
