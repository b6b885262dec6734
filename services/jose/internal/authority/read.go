package authority

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Get reads a key.
func (a *Authority) Get(ctx context.Context, caller Caller, ref naming.Ref) (Key, error) {
	ring, err := a.permitKey(ctx, &caller, OpRead, ref)
	return ring.Key, err
}

// List reads part of the list of keys. A filter that nothing can match matches nothing.
func (a *Authority) List(ctx context.Context, caller Caller, list KeyList) ([]Key, error) {
	if err := decideScope(caller, OpRead); err != nil {
		return nil, err
	}
	if list.Name != "" && !naming.Valid(list.Name) {
		return nil, nil
	}
	if list.Algorithm != "" {
		spec, err := alg.ParseSpec(list.Algorithm, 0, "")
		if err != nil {
			return nil, nil //nolint:nilerr // no key has the algorithm
		}
		list.Algorithm = spec.Algorithm
	}
	keys, err := a.store.Keys(ctx, caller.Tenant, list)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return keys, nil
}

// Versions reads up to limit versions of a key, newest first, below the number given (0: from the newest).
func (a *Authority) Versions(ctx context.Context, caller Caller, ref naming.Ref, below int64, limit int) ([]Version, error) {
	ring, err := a.permitKey(ctx, &caller, OpRead, ref)
	if err != nil {
		return nil, err
	}
	versions, err := a.store.Versions(ctx, ring.Key.Tenant, ring.Key.ID, below, limit)
	if err != nil {
		return nil, fmt.Errorf("list versions: %w", err)
	}
	return versions, nil
}

// Version reads one version for op, in whatever state it is.
func (a *Authority) Version(ctx context.Context, caller Caller, op Operation, ref naming.Ref, number int64) (Key, Version, error) {
	ring, err := a.permitKey(ctx, &caller, op, ref)
	if err != nil {
		return Key{}, Version{}, err
	}
	_, version, err := a.store.Version(ctx, ring.Key.Tenant, ring.Key.ID, number)
	if errors.Is(err, ErrNotFound) {
		return Key{}, Version{}, errNoVersion()
	}
	if err != nil {
		return Key{}, Version{}, fmt.Errorf("load version: %w", err)
	}
	return ring.Key, version, nil
}

func errNoVersion() error { return problem.New(problem.NotFound, "no such version") }

// PublicKey is the public part of a version.
type PublicKey struct {
	KID     string
	Version int64
	JWK     []byte // RFC 7517
	PEM     string // SubjectPublicKeyInfo (RFC 5280 section 4.1)
}

// Public reads the public part of a version (0: the active one). It is derived from what the barrier has sealed, so that nobody who can only
// write to the database can put another in its place.
func (a *Authority) Public(ctx context.Context, caller Caller, ref naming.Ref, number int64) (PublicKey, error) {
	p, err := a.permit(ctx, caller, OpRead, ref, number)
	if err != nil {
		return PublicKey{}, err
	}
	if p.spec.KeyType == alg.KeyTypeOctet {
		return PublicKey{}, problem.New("no_public_key", "the key is symmetric; it has no public part")
	}
	public, err := a.public(ctx, p.key, p.version)
	if err != nil {
		return PublicKey{}, err
	}
	encoded, err := public.MarshalPublic()
	if err != nil {
		return PublicKey{}, fmt.Errorf("encode JWK: %w", err)
	}
	block, err := public.MarshalPEM()
	if err != nil {
		return PublicKey{}, fmt.Errorf("encode PEM: %w", err)
	}
	return PublicKey{KID: p.version.KID(), Version: p.version.Number, JWK: encoded, PEM: string(block)}, nil
}

// public is the public part of a version, with its `kid`.
func (a *Authority) public(ctx context.Context, key Key, version Version) (*jwk.Key, error) {
	held, err := a.open(ctx, key, version)
	if err != nil {
		return nil, err
	}
	defer held.Release()
	public, err := dated(held.Key(), version, a.now()).Public()
	if err != nil {
		return nil, fmt.Errorf("public part: %w", err)
	}
	public.ID = version.KID()
	return public, nil
}

// Update replaces what a caller may change of a key: change is given the key as it is and returns it as it should be. The key must still be
// of the revision given.
func (a *Authority) Update(ctx context.Context, caller Caller, ref naming.Ref, revision int64, change func(Key) (Key, error)) (changed Key, err error) {
	ring, err := a.permitKey(ctx, &caller, OpUpdate, ref)
	if err != nil {
		return Key{}, err
	}
	if ring.Key.Revision != revision {
		return Key{}, errChanged()
	}
	wanted, err := change(ring.Key)
	if err != nil {
		return Key{}, err
	}
	if err := wanted.check(); err != nil {
		return Key{}, err
	}
	if wanted.Published && !ring.Key.Published {
		if err := a.roomFor(ctx, wanted); err != nil {
			return Key{}, err
		}
	}
	wanted.UpdatedAt = a.instant()
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		if changed, err = a.store.UpdateKey(ctx, wanted); err != nil {
			return err
		}
		return a.events.Record(ctx, keyEvent(ActionUpdate, changed, 0))
	})
	if errors.Is(err, ErrStale) {
		return Key{}, errChanged()
	}
	if err != nil {
		return Key{}, fmt.Errorf("update key: %w", err)
	}
	return changed, nil
}

func errChanged() error {
	return problem.New(problem.PreconditionFailed, "the resource has changed; read it again")
}

// StatusOf is the state that a version is in now.
func (a *Authority) StatusOf(version Version) VersionStatus { return version.At(a.now()) }

// earlier is the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
