package authority

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keycache"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
)

// Barrier seals what the authority stores. Every method fails with barrier.ErrSealed while it is sealed.
type Barrier interface {
	// Tenant opens a tenant's keys for wrapping. It may use SQL, so it comes before a transaction.
	Tenant(ctx context.Context, tenant string) (*barrier.Wrapper, error)
	// Unwrap opens a wrapped value whose binding matches.
	Unwrap(ctx context.Context, binding barrier.Binding, wrapped string) ([]byte, error)
	// Sealed tells whether the barrier is closed.
	Sealed() bool
}

var _ Barrier = (*barrier.Barrier)(nil)

// Generator makes key material.
type Generator interface {
	// Take returns a new key of the kind, from a pool where there is one.
	Take(ctx context.Context, spec alg.Spec) (*jwk.Key, error)
}

// Config is what an Authority needs.
type Config struct {
	Store     Store
	Barrier   Barrier
	Generator Generator
	Events    Events
	// Grants lets callers do something to single keys; nil for scopes alone.
	Grants Grants
	// Remote finds the keys of others; nil where profiles cannot name any.
	Remote RemoteKeys
	// Custodian keeps private parts that never come here; nil where nobody does.
	Custodian Custodian
	// Measure is told of each use of a key; nil for silence.
	Measure func(ctx context.Context, op Operation, algorithm string)
	// Now is the clock.
	Now func() time.Time
	// CacheKeys bounds how many opened keys are kept in memory.
	CacheKeys int
	// SetLifetime is how long clients may keep a public key set.
	SetLifetime time.Duration
}

// cacheAge bounds how long an opened key is kept.
const cacheAge = 10 * time.Minute

// Authority does what callers ask of their keys. It is safe for concurrent use.
type Authority struct {
	store       Store
	barrier     Barrier
	generator   Generator
	events      Events
	grants      Grants
	remote      RemoteKeys
	custodian   Custodian
	measure     func(ctx context.Context, op Operation, algorithm string)
	now         func() time.Time
	cache       *keycache.Cache[pin]
	setLifetime time.Duration

	mu   sync.RWMutex
	sets map[string]*builtSet // by tenant; guarded by mu
}

// New returns an Authority; an error names what Config lacks.
func New(cfg Config) (*Authority, error) {
	if cfg.Store == nil || cfg.Barrier == nil || cfg.Generator == nil || cfg.Events == nil || cfg.Now == nil {
		return nil, errors.New("authority: Store, Barrier, Generator, Events and Now are required")
	}
	if cfg.CacheKeys < 1 || cfg.SetLifetime <= 0 {
		return nil, errors.New("authority: CacheKeys and SetLifetime must be positive")
	}
	return &Authority{
		store: cfg.Store, barrier: cfg.Barrier, generator: cfg.Generator, events: cfg.Events, grants: cfg.Grants,
		remote: cfg.Remote, custodian: cfg.Custodian, measure: cfg.Measure,
		now: cfg.Now, cache: keycache.New[pin](cfg.CacheKeys, cacheAge, cfg.Now), setLifetime: cfg.SetLifetime, sets: map[string]*builtSet{},
	}, nil
}

// SetLifetime is how long clients may keep a public key set.
func (a *Authority) SetLifetime() time.Duration { return a.setLifetime }

// Forget drops and zeroes every opened key, as sealing must.
func (a *Authority) Forget() { a.cache.Purge() }

// Expire drops and zeroes opened keys that have been in memory for too long.
func (a *Authority) Expire() { a.cache.Expire() }

// permit is the choke point's yes: a caller may do op with this version of this key. Only Authority.permit makes one.
type permit struct {
	op      Operation
	key     Key
	version Version
	spec    alg.Spec
}

// permit loads the facts about a version (0: the active one) and decides on them.
func (a *Authority) permit(ctx context.Context, caller Caller, op Operation, ref naming.Ref, number int64) (permit, error) {
	ring, err := a.permitKey(ctx, &caller, op, ref)
	if err != nil {
		return permit{}, err
	}
	now := a.now()
	version, found := ring.active(now)
	if number != 0 {
		version, found, err = a.numbered(ctx, ring, number)
	}
	switch {
	case err != nil:
		return permit{}, err
	case !found && number != 0:
		return permit{}, errNoVersion()
	case !found:
		return permit{}, errState("the key", "without an active version", string(op), "rotated")
	}
	if err := decide(caller, op, ring.Key, &version, now); err != nil {
		return permit{}, err
	}
	spec, err := ring.Key.Spec()
	if err != nil {
		return permit{}, fmt.Errorf("key %s: %w", ring.Key.ID, err)
	}
	if a.measure != nil {
		a.measure(ctx, op, spec.Algorithm)
	}
	return permit{op: op, key: ring.Key, version: version, spec: spec}, nil
}

// numbered finds a version in the ring, or behind it.
func (a *Authority) numbered(ctx context.Context, ring Ring, number int64) (Version, bool, error) {
	if version, found := ring.numbered(number); found {
		return version, true, nil
	}
	if number > ring.Key.VersionCount || len(ring.Versions) < MaxRing {
		return Version{}, false, nil
	}
	_, version, err := a.store.Version(ctx, ring.Key.Tenant, ring.Key.ID, number)
	if errors.Is(err, ErrNotFound) {
		return Version{}, false, nil
	}
	if err != nil {
		return Version{}, false, fmt.Errorf("load version: %w", err)
	}
	return version, version.Status != VersionDestroyed, nil
}

// permitKey is permit for operations on the key as a whole. The caller gets what a grant lets him do. A caller without the scope gets on,
// with the refusal that is his unless a grant on the key helps him: he does not learn which keys exist.
func (a *Authority) permitKey(ctx context.Context, caller *Caller, op Operation, ref naming.Ref) (Ring, error) {
	refusal := decideScope(*caller, op)
	switch {
	case refusal != nil && (a.grants == nil || caller.Tenant == "" || !ref.Names()):
		return Ring{}, refusal
	case !ref.Names():
		return Ring{}, errNotFound()
	}
	load := a.store.Ring
	if op.uses() {
		load = a.store.RingFact
	}
	ring, err := load(ctx, caller.Tenant, ref)
	switch {
	case errors.Is(err, ErrNotFound) && refusal != nil:
		return Ring{}, refusal
	case errors.Is(err, ErrNotFound):
		return Ring{}, errNotFound()
	case err != nil:
		return Ring{}, fmt.Errorf("load key: %w", err)
	}
	if refusal != nil {
		allowed, err := a.grants.Allowed(ctx, op.Scope(), ring.Key)
		if err != nil {
			return Ring{}, fmt.Errorf("look up grants: %w", err)
		}
		if !allowed {
			return Ring{}, refusal
		}
		caller.granted = op
	}
	return ring, decide(*caller, op, ring.Key, nil, a.now())
}

// instant is the present time at the precision that is stored.
func (a *Authority) instant() time.Time { return a.now().UTC().Truncate(time.Microsecond) }

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return id.String(), nil
}
