// Package barrier keeps keys and other secrets encrypted at rest. Its main type
// is [Barrier].
//
// An unseal key, which comes from outside and is not kept, wraps the root key. A
// root key wraps an intermediate key per tenant, that wraps the tenant's content
// keys, and those wrap values. Each wrapping is a compact JWE (RFC 7516) with
// A256KW and A256GCM: every message has a content encryption key of its own, so
// no nonce ever meets a key twice. The protected header names the wrapping key
// ("kid") and carries a digest of the [Binding] ("aad").
//
// Each level has versions; the newest one wraps and all of them open. Wrapped
// keys stand in a [Store] that replicas share: whichever inserts a version
// first decides what it is, and the others adopt it.
//
// Each level rotates while values are read and written. A new root key is also
// stored under the one before it for a while, so that other replicas take it over
// by themselves ([Barrier.Follow]). The unseal key changes by [Barrier.Stage]: both
// the old one and the new one open the barrier until a commit in the store.
package barrier

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/sha512"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// UnsealKeySize is the length of an unseal key in bytes.
const UnsealKeySize = 32

// Config holds what a barrier needs.
type Config struct {
	// Store keeps the wrapped keys; required.
	Store Store
	// Now is the clock for WrappedKey.CreatedAt; required.
	Now func() time.Time
	// InUse says whether there are values that a barrier wrapped. It is asked before a first root key is made,
	// which is refused with ErrInUse then. Nil means that nobody knows.
	InUse func(ctx context.Context) (bool, error)
}

// Barrier wraps and opens values while it is unsealed. It is safe for concurrent use.
type Barrier struct {
	store Store
	now   func() time.Time
	inUse func(ctx context.Context) (bool, error)

	purposes *purposes

	open atomic.Pointer[epoch] // nil while sealed
}

// New makes a sealed barrier.
func New(config Config) (*Barrier, error) {
	if config.Store == nil || config.Now == nil {
		return nil, errors.New("barrier: store and clock are required")
	}
	return &Barrier{store: config.Store, now: config.Now, inUse: config.InUse, purposes: &purposes{known: make(map[string]struct{})}}, nil
}

// Unseal loads the root keys with the unseal key of [UnsealKeySize] bytes that
// unsealKeyID names, which may also be the new one of a rekeying under way; where there
// is no root key yet, it makes the first one. The error is ErrWrongUnsealKey when the
// stored root keys are wrapped by another key, also if another replica made them a
// moment ago. Unsealing once more takes over root keys that are new; the key is
// checked all the same.
func (b *Barrier) Unseal(ctx context.Context, unsealKey []byte, unsealKeyID string) error {
	e, err := b.openRoots(ctx, unsealKey, unsealKeyID, true)
	if err != nil {
		return fmt.Errorf("unseal: %w", err)
	}
	if b.open.CompareAndSwap(nil, e) {
		return nil
	}
	if present := b.open.Load(); present != nil {
		present.adoptRoots(e)
	}
	e.close()
	return nil
}

// CheckUnsealKey says whether the key would unseal: nil if so, ErrWrongUnsealKey if
// not. It needs no open barrier and changes nothing.
func (b *Barrier) CheckUnsealKey(ctx context.Context, unsealKey []byte, unsealKeyID string) error {
	e, err := b.openRoots(ctx, unsealKey, unsealKeyID, false)
	if err != nil {
		return fmt.Errorf("check unseal key: %w", err)
	}
	e.close()
	return nil
}

// openRoots opens the stored root keys into an epoch that nobody else sees yet. While it reads them and those that are staged, a
// rekeying may be committed, which is no reason to call the key wrong.
func (b *Barrier) openRoots(ctx context.Context, unsealKey []byte, unsealKeyID string, create bool) (*epoch, error) {
	for {
		before, err := b.store.Generation(ctx)
		if err != nil {
			return nil, fmt.Errorf("read generation of keys: %w", err)
		}
		e, err := b.tryRoots(ctx, unsealKey, unsealKeyID, create)
		if !errors.Is(err, ErrWrongUnsealKey) {
			return e, err
		}
		after, failure := b.store.Generation(ctx)
		if failure != nil || after == before {
			return nil, errors.Join(err, failure)
		}
	}
}

func (b *Barrier) tryRoots(ctx context.Context, unsealKey []byte, unsealKeyID string, create bool) (*epoch, error) {
	parent, err := newUnsealKey(unsealKey, unsealKeyID)
	if err != nil {
		return nil, err
	}
	defer parent.zero()
	e := newEpoch()
	if err := b.loadRoot(ctx, e, parent, create); err != nil {
		e.close()
		if errors.Is(err, ErrUnreadable) {
			err = fmt.Errorf("%w (%w)", ErrWrongUnsealKey, err)
		}
		return nil, err
	}
	return e, nil
}

// newUnsealKey makes a ring of an unseal key alone.
func newUnsealKey(unsealKey []byte, unsealKeyID string) (*ring, error) {
	if len(unsealKey) != UnsealKeySize || unsealKeyID == "" {
		return nil, fmt.Errorf("want a key of %d bytes and its id", UnsealKeySize)
	}
	key, err := newWrappingKey(unsealKeyID, unsealKey)
	if err != nil {
		return nil, err
	}
	r := newRing()
	r.add(ringKey{version: 1, key: key})
	return r, nil
}

// UnsealKeyID returns the id of the unseal key that the current stored root key
// names, and "" before the first unsealing. Nothing vouches for it.
func (b *Barrier) UnsealKeyID(ctx context.Context) (string, error) {
	rows, err := b.store.Keys(ctx, LevelRoot, "")
	if err != nil {
		return "", fmt.Errorf("read root keys: %w", err)
	}
	return newestOf(rows).ParentID, nil
}

// Versions returns what the store says of a level's keys, oldest first, without the keys themselves. It
// needs no open barrier, and nothing vouches for it.
func (b *Barrier) Versions(ctx context.Context, level Level, tenant string) ([]WrappedKey, error) {
	rows, err := b.store.Keys(ctx, level, tenant)
	if err != nil {
		return nil, fmt.Errorf("read %s keys: %w", level, err)
	}
	for i := range rows {
		rows[i].JWE = ""
	}
	slices.SortFunc(rows, func(x, y WrappedKey) int { return cmp.Compare(x.Version, y.Version) })
	return rows, nil
}

// Seal forgets all keys. It waits for operations that are using one, for the
// length of one encryption; those that come later get ErrSealed, and so does every
// [Wrapper] obtained before. Key bytes are overwritten as far as they can be reached: copies
// inside ciphers, and whatever the garbage collector moved, stay in memory until reused.
func (b *Barrier) Seal() {
	if e := b.open.Swap(nil); e != nil {
		e.close()
	}
}

// Forget overwrites the keys of a tenant in memory. They are read from the store again when they are needed; once they have been deleted there,
// nothing of the tenant opens any more. Wrappers obtained before fail with ErrLost.
func (b *Barrier) Forget(tenant string) {
	if e := b.open.Load(); e != nil {
		e.forget(tenant)
	}
}

// Sealed tells whether the barrier is sealed.
func (b *Barrier) Sealed() bool { return b.open.Load() == nil }

// DeriveKey derives n bytes, 32 to 1024, for the label: a secret for a purpose
// such as MACs of cursors (HKDF with SHA-512, RFC 5869). It is the same on every
// replica and stays the same when keys rotate and when the unseal key changes: it comes
// from a part of the oldest root key that wraps nothing, and that root key is kept for
// ever, although it wraps nothing more once its successors do.
func (b *Barrier) DeriveKey(label string, n int) ([]byte, error) {
	if label == "" || n < 32 || n > 1024 {
		return nil, fmt.Errorf("derive key %q: want a label and 32 to 1024 bytes", label)
	}
	e, err := b.epoch()
	if err != nil {
		return nil, err
	}
	var derived []byte
	err = e.use(func() error {
		var err error
		derived, err = hkdf.Key(sha512.New, e.derivation, nil, "cryptoutil barrier derived key v1 "+label, n)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("derive key %q: %w", label, err)
	}
	return derived, nil
}

// String tells only whether the barrier is sealed.
func (b *Barrier) String() string {
	if b.Sealed() {
		return "barrier (sealed)"
	}
	return "barrier (unsealed)"
}

// GoString is String, so that %#v reveals nothing.
func (b *Barrier) GoString() string { return b.String() }

// LogValue is String.
func (b *Barrier) LogValue() slog.Value { return slog.StringValue(b.String()) }

func (b *Barrier) epoch() (*epoch, error) {
	e := b.open.Load()
	if e == nil {
		return nil, ErrSealed
	}
	return e, nil
}
