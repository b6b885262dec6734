package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Barrier seals what the keyring stores. Every method fails with barrier.ErrSealed while it is sealed.
type Barrier interface {
	// Tenant opens a tenant's keys for wrapping. It may use SQL, so it comes before a transaction.
	Tenant(ctx context.Context, tenant string) (*barrier.Wrapper, error)
	// Unwrap opens a wrapped value whose binding matches.
	Unwrap(ctx context.Context, binding barrier.Binding, wrapped string) ([]byte, error)
	// DeriveKey derives n bytes for a label: the same on every replica, for ever.
	DeriveKey(label string, n int) ([]byte, error)
	// Sealed tells whether the barrier is closed.
	Sealed() bool
}

// Generator makes key material.
type Generator interface {
	// Take returns a new key of the kind, from a pool where there is one.
	Take(ctx context.Context, spec alg.Spec) (*jwk.Key, error)
}

// Config is what a Keyring needs.
type Config struct {
	Store     Store
	Barrier   Barrier
	Generator Generator
	// Grants lets callers do something to single keys; nil for scopes alone.
	Grants Grants
	// Book keeps grants; nil where nobody can make any.
	Book GrantBook
	// Backups says where backups come from and whom they may go to.
	Backups Backups
	// Approvals are what quorums of keys have agreed to; nil where nobody can ask them.
	Approvals Approvals
	// Events takes a record of each change in its transaction; nil for none.
	Events Events
	// Waits is the shortest wait before the end of a key that a tenant allows; nil for MinWait.
	Waits func(ctx context.Context, tenant string) (time.Duration, error)
	// Measure is told of each use of a private key; nil for silence.
	Measure func(ctx context.Context, op Operation, algorithm string)
	// Now is the clock.
	Now func() time.Time
	// Steady is the clock of waits; nil for one that begins now, by Now and the monotonic clock of the process.
	Steady *Steady
	// Fence fails unless work for one replica at a time is still this one's; nil for a replica that is alone.
	Fence func(ctx context.Context) error
	// Release is the version of the service, as attestations state it.
	Release string
	// Log takes what goes wrong in the background; nil for silence.
	Log *slog.Logger
	// InlineLimit is how many bytes one request may have worked on, DefaultInline if 0, at most MaxInline.
	InlineLimit int
	// CacheKeys bounds how many unwrapped keys are kept in memory; DefaultCacheKeys if 0.
	CacheKeys int
	// CacheAge bounds for how long; DefaultCacheAge if 0.
	CacheAge time.Duration
}

// Defaults of the cache of unwrapped keys. A thousand RSA keys are about 4 MB.
const (
	DefaultCacheKeys = 1000
	DefaultCacheAge  = 10 * time.Minute
)

// Keyring does what callers ask of their keys. It is safe for concurrent use.
type Keyring struct {
	store     Store
	barrier   Barrier
	generator Generator
	grants    Grants
	book      GrantBook
	approvals Approvals
	backups   Backups
	events    Events
	waits     func(ctx context.Context, tenant string) (time.Duration, error)
	measure   func(ctx context.Context, op Operation, algorithm string)
	now       func() time.Time
	steady    *Steady
	fence     func(ctx context.Context) error
	log       *slog.Logger
	release   string
	inline    atomic.Int64
	cache     *materialCache
	uses      *useCounter
	tally     *tally
	awaited   chan awaited // keys to be generated
}

// New returns a Keyring; an error names what Config lacks.
func New(cfg Config) (*Keyring, error) {
	if cfg.Store == nil || cfg.Barrier == nil || cfg.Generator == nil || cfg.Now == nil {
		return nil, errors.New("keyring: Store, Barrier, Generator and Now are required")
	}
	if cfg.CacheKeys == 0 {
		cfg.CacheKeys = DefaultCacheKeys
	}
	if cfg.CacheAge == 0 {
		cfg.CacheAge = DefaultCacheAge
	}
	if cfg.Steady == nil {
		began := time.Now()
		var err error
		if cfg.Steady, err = NewSteady(SteadyConfig{Wall: cfg.Now, Elapsed: func() time.Duration { return time.Since(began) }}); err != nil {
			return nil, err
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.InlineLimit == 0 {
		cfg.InlineLimit = DefaultInline
	}
	k := &Keyring{
		store:     cfg.Store,
		barrier:   cfg.Barrier,
		generator: cfg.Generator,
		grants:    cfg.Grants,
		book:      cfg.Book,
		approvals: cfg.Approvals,
		backups:   cfg.Backups,
		events:    cfg.Events,
		waits:     cfg.Waits,
		measure:   cfg.Measure,
		now:       cfg.Now,
		steady:    cfg.Steady,
		fence:     cfg.Fence,
		log:       cfg.Log,
		release:   cfg.Release,
		cache:     newMaterialCache(cfg.CacheKeys, cfg.CacheAge, cfg.Now),
		uses:      newUseCounter(cfg.Store),
		tally:     newTally(),
		awaited:   make(chan awaited, maxAwaited),
	}
	if err := k.LimitInline(cfg.InlineLimit); err != nil {
		return nil, err
	}
	return k, nil
}

// LimitInline sets how many bytes one request may have worked on, 1 to MaxInline, from now on.
func (k *Keyring) LimitInline(bytes int) error {
	if bytes < 1 || bytes > MaxInline {
		return fmt.Errorf("keyring: InlineLimit is 1 to %d", MaxInline)
	}
	k.inline.Store(int64(bytes))
	return nil
}

// Forget drops and zeroes every unwrapped key, as sealing must.
func (k *Keyring) Forget() {
	k.cache.purge()
}

// Expire drops and zeroes unwrapped keys that have been in memory for CacheAge. It is called now and then, so that a key which nobody uses
// any more goes too.
func (k *Keyring) Expire() {
	k.cache.expire()
}

// Used says which version of which key an operation has used.
type Used struct {
	ElasticKeyID string
	Version      int64
	// Compromised tells that the version is, and that the caller was allowed to use it all the same.
	Compromised bool
}

// permit is the choke point's yes: a caller may do op to this version of this key. Only Keyring.permit makes one.
type permit struct {
	op      Operation
	key     ElasticKey
	version MaterialKey
	keyID   string // of the version, as messages name it
	spec    alg.Spec
}

// used is what is told of the permit's use.
func (p permit) used() Used {
	return Used{ElasticKeyID: p.key.ID, Version: p.version.Version, Compromised: p.version.Status == VersionCompromised}
}

// permit decides about a version (0: the primary one): for each request anew, and within a batch once for as long as decisions keep.
func (k *Keyring) permit(ctx context.Context, caller Caller, op Operation, ref Ref, version int64) (permit, error) {
	if caller.decided == nil {
		return k.decidePermit(ctx, caller, op, ref, version)
	}
	return caller.decided.permit(caller.decision(op, ref, version), k.now, func() (permit, error) {
		return k.decidePermit(ctx, caller, op, ref, version)
	})
}

// decidePermit loads the facts about a version (0: the primary one) in one statement and decides on them.
func (k *Keyring) decidePermit(ctx context.Context, caller Caller, op Operation, ref Ref, version int64) (permit, error) {
	refusal, err := k.consider(caller, op, ref)
	if err != nil {
		return permit{}, err
	}
	key, material, err := k.store.KeyVersion(ctx, caller.Tenant, ref, version)
	if errors.Is(err, ErrNotFound) {
		return permit{}, k.missing(ctx, caller, op, ref, version, refusal)
	}
	if err != nil {
		return permit{}, fmt.Errorf("load key version: %w", err)
	}
	if refusal != nil {
		if caller, err = k.grant(ctx, caller, op, key, refusal); err != nil {
			return permit{}, err
		}
	}
	material = material.at(k.instant())
	if err := decide(caller, op, key, &material); err != nil {
		k.refused(key, op, 1)
		return permit{}, err
	}
	spec, err := key.Spec()
	if err != nil {
		return permit{}, fmt.Errorf("key %s: %w", key.ID, err)
	}
	return permit{op: op, key: key, version: material, keyID: material.KeyID(), spec: spec}, nil
}

// missing is the answer where there is no such version. A key that awaits its first import exists all the same, and says so.
func (k *Keyring) missing(ctx context.Context, caller Caller, op Operation, ref Ref, version int64, refusal error) error {
	if version != 0 {
		return orNotFound(refusal)
	}
	key, err := k.permitKey(ctx, caller, op, ref)
	if err != nil {
		return err
	}
	return errState("the key", string(key.Status), string(op), "one with a version")
}

// refused counts how often somebody wanted to use a key which is to be deleted: perhaps it should not be.
func (k *Keyring) refused(key ElasticKey, op Operation, times int) {
	if key.Status == ElasticPendingDelete && op.uses() {
		k.tally.add(slotOfKey(key), VersionUses{ElasticKeyID: key.ID}, int64(times), 0, k.instant())
	}
}

// permitKey is permit for operations on the key as a whole.
func (k *Keyring) permitKey(ctx context.Context, caller Caller, op Operation, ref Ref) (ElasticKey, error) {
	return k.permitLoaded(ctx, caller, op, ref, k.store.ElasticKey)
}

// permitLoaded is permitKey for the key as load has it.
func (k *Keyring) permitLoaded(ctx context.Context, caller Caller, op Operation, ref Ref,
	load func(ctx context.Context, tenant string, ref Ref) (ElasticKey, error),
) (ElasticKey, error) {
	refusal, err := k.consider(caller, op, ref)
	if err != nil {
		return ElasticKey{}, err
	}
	key, err := load(ctx, caller.Tenant, ref)
	if errors.Is(err, ErrNotFound) {
		return ElasticKey{}, orNotFound(refusal)
	}
	if err != nil {
		return ElasticKey{}, fmt.Errorf("load key: %w", err)
	}
	if refusal != nil {
		if caller, err = k.grant(ctx, caller, op, key, refusal); err != nil {
			return ElasticKey{}, err
		}
	}
	return key, decide(caller, op, key, nil)
}

// version finds a version by number or UUID for something that is done to it, not with it.
func (k *Keyring) version(ctx context.Context, caller Caller, op Operation, ref Ref, version string) (ElasticKey, MaterialKey, error) {
	key, err := k.permitKey(ctx, caller, op, ref)
	if err != nil {
		return ElasticKey{}, MaterialKey{}, err
	}
	var material MaterialKey
	if isUUID(version) {
		material, err = k.store.MaterialKeyByID(ctx, key.Tenant, key.ID, strings.ToLower(version))
	} else {
		number, parsing := strconv.ParseInt(version, 10, 64)
		if parsing != nil || number < 1 || strconv.FormatInt(number, 10) != version {
			return ElasticKey{}, MaterialKey{}, errNoVersion()
		}
		material, err = k.numbered(ctx, key, number)
	}
	if errors.Is(err, ErrNotFound) {
		return ElasticKey{}, MaterialKey{}, errNoVersion()
	}
	if err != nil {
		return ElasticKey{}, MaterialKey{}, fmt.Errorf("load version: %w", err)
	}
	return key, material, nil
}

// numbered reads a version by number from the database, where permit may know it from memory.
func (k *Keyring) numbered(ctx context.Context, key ElasticKey, number int64) (MaterialKey, error) {
	if number == math.MaxInt64 {
		return MaterialKey{}, ErrNotFound
	}
	versions, err := k.store.MaterialKeys(ctx, key.Tenant, key.ID, number+1, 1)
	if err != nil {
		return MaterialKey{}, err
	}
	if len(versions) == 0 || versions[0].Version != number {
		return MaterialKey{}, ErrNotFound
	}
	return versions[0], nil
}

func errNoVersion() error { return problem.New("not_found", "no such version") }

// consider is the first part of a permit, before anything is read. A caller without the scope gets on, with the refusal that is his unless
// a grant on the key helps him: he does not learn which keys exist.
func (k *Keyring) consider(caller Caller, op Operation, ref Ref) (refusal, err error) {
	refusal = decideScope(caller, op)
	switch {
	case refusal != nil && (k.grants == nil || caller.Tenant == "" || op.Scope() == "" || !ref.Names()):
		return nil, refusal
	case !ref.Names():
		return nil, errNotFound()
	default:
		return refusal, nil
	}
}

// grant returns the caller with what he was granted on the key, or refusal.
func (k *Keyring) grant(ctx context.Context, caller Caller, op Operation, key ElasticKey, refusal error) (Caller, error) {
	terms, err := k.grants.Terms(ctx, caller, op.Scope(), key)
	if err != nil {
		return caller, fmt.Errorf("look up grants: %w", err)
	}
	if len(terms) == 0 {
		return caller, refusal
	}
	caller.granted, caller.terms = op, nil
	for _, text := range terms {
		parsed, err := ParseTerms(text)
		if err != nil {
			k.log.WarnContext(ctx, "a grant gives nothing; an older release of the service does not know its terms", "tenant", key.Tenant, "key", key.ID, "error", err.Error())
			continue
		}
		caller.terms = append(caller.terms, parsed)
	}
	return caller, nil
}

// orNotFound is what is said of a key that does not exist.
func orNotFound(refusal error) error {
	if refusal != nil {
		return refusal
	}
	return errNotFound()
}
