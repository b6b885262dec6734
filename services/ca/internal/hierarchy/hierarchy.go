package hierarchy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keycache"
)

// errForeignKey is a row that somebody has put together.
var errForeignKey = errors.New("it is not the one that the CA's public key belongs to")

// Keys seals what the hierarchy stores. Every method fails with barrier.ErrSealed while it is sealed.
type Keys interface {
	// Tenant opens a tenant's keys for wrapping. It may use SQL, so it comes before a transaction.
	Tenant(ctx context.Context, tenant string) (*barrier.Wrapper, error)
	// Unwrap opens a wrapped value whose binding matches.
	Unwrap(ctx context.Context, binding barrier.Binding, wrapped string) ([]byte, error)
	// Sealed tells whether the barrier is closed.
	Sealed() bool
}

var _ Keys = (*barrier.Barrier)(nil)

// Generator makes key material.
type Generator interface {
	// Take returns a new key of the kind, from a pool where there is one.
	Take(ctx context.Context, spec alg.Spec) (*jwk.Key, error)
}

// Config is what a Hierarchy needs; everything is required.
type Config struct {
	Store     Store
	Barrier   Keys
	Generator Generator
	Events    Events
	// Now is the clock.
	Now func() time.Time
	// CacheKeys bounds how many opened keys are kept in memory.
	CacheKeys int
}

// cacheAge bounds how long an opened key is kept.
const cacheAge = 10 * time.Minute

// Hierarchy knows the CAs. It is safe for concurrent use.
type Hierarchy struct {
	store     Store
	barrier   Keys
	generator Generator
	events    Events
	now       func() time.Time
	cache     *keycache.Cache[pin]
}

// New returns a Hierarchy; an error names what Config lacks.
func New(cfg Config) (*Hierarchy, error) {
	if cfg.Store == nil || cfg.Barrier == nil || cfg.Generator == nil || cfg.Events == nil || cfg.Now == nil || cfg.CacheKeys < 1 {
		return nil, errors.New("hierarchy: Store, Barrier, Generator, Events, Now and CacheKeys are required")
	}
	return &Hierarchy{
		store: cfg.Store, barrier: cfg.Barrier, generator: cfg.Generator, events: cfg.Events, now: cfg.Now,
		cache: keycache.New[pin](cfg.CacheKeys, cacheAge, cfg.Now),
	}, nil
}

// InTx runs fn in one transaction that travels in the context.
func (h *Hierarchy) InTx(ctx context.Context, fn func(context.Context) error) error {
	return h.store.InTx(ctx, fn)
}

// Forget drops and zeroes every opened key, as sealing must.
func (h *Hierarchy) Forget() { h.cache.Purge() }

// Expire drops and zeroes opened keys that have been in memory for too long.
func (h *Hierarchy) Expire() { h.cache.Expire() }

// instant is the present time at the precision that is stored.
func (h *Hierarchy) instant() time.Time { return h.now().UTC().Truncate(time.Microsecond) }

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return id.String(), nil
}
