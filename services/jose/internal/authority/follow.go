package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// successor is the version that succeeds those of a ring, of which the KMS keeps the private parts: one that it has in use already and that is
// not known here, or else a new one.
func (a *Authority) successor(ctx context.Context, ring Ring) (fresh, error) {
	kept, known, err := a.kept(ctx, ring.Key)
	if err != nil {
		return fresh{}, err
	}
	if kept.Version <= known {
		if kept.Version, err = a.custodian.Rotate(ctx, kept.ID); err != nil {
			return fresh{}, err
		}
	}
	return a.adopted(ctx, ring.Key, kept)
}

// kept is a key as its KMS has it, and the newest of its versions that is known here, or was. That it is for the tenant is asked each time.
func (a *Authority) kept(ctx context.Context, key Key) (kept CustodyKey, known int64, err error) {
	if a.custodian == nil {
		return CustodyKey{}, 0, errNoCustodian()
	}
	if known, err = a.store.NewestElsewhere(ctx, key.Tenant, key.ID); err != nil {
		return CustodyKey{}, 0, err
	}
	kept, err = a.custodian.Key(ctx, key.Tenant, key.KMSKey)
	if errors.Is(err, ErrNotFound) {
		return CustodyKey{}, 0, problem.New(CodeKMSRefused, "the KMS has no such key for this tenant any more")
	}
	return kept, known, err
}

// adopted is a version of the KMS as one of a key.
func (a *Authority) adopted(ctx context.Context, key Key, kept CustodyKey) (fresh, error) {
	spec, material, err := a.fetch(ctx, kept)
	if err != nil {
		return fresh{}, err
	}
	if spec.Algorithm != key.Algorithm || spec.Curve != key.Curve || key.KeySize != 0 && spec.KeySize != key.KeySize {
		return fresh{}, problem.New("key_mismatch", "the key in the KMS is for %s now, and not for %s", spec.Algorithm, key.Algorithm)
	}
	return fresh{material: material, origin: OriginKMS, kmsVersion: kept.Version}, nil
}

// Follow adopts, for a tenant's keys that a KMS keeps, the versions that it has taken into use by itself. A key that cannot be followed now does not
// keep the others from it; the errors of all come back together.
func (a *Authority) Follow(ctx context.Context, tenant string) error {
	if a.custodian == nil {
		return nil
	}
	const most = 100
	var failed []error
	for after := ""; ; {
		keys, err := a.store.KeysElsewhere(ctx, tenant, after, most)
		if err != nil || len(keys) == 0 {
			return errors.Join(append(failed, err)...)
		}
		for _, key := range keys {
			after = key.ID
			err := a.follow(ctx, key)
			if problem.Is(err, problem.DependencyUnavailable) || ctx.Err() != nil {
				return errors.Join(append(failed, err)...) // nor would it be there for the others
			}
			if err != nil {
				failed = append(failed, fmt.Errorf("follow key %s: %w", key.ID, err))
			}
		}
	}
}

// follow adopts a version that the KMS has taken into use by itself, unless one waits to take over.
func (a *Authority) follow(ctx context.Context, key Key) error {
	ring, err := a.store.Ring(ctx, key.Tenant, naming.Ref(key.ID))
	if err != nil {
		return err
	}
	if a.rotatable(ring, false) != nil {
		return nil //nolint:nilerr // it is not its time
	}
	kept, known, err := a.kept(ctx, ring.Key)
	if err != nil || kept.Version <= known {
		return err
	}
	next, err := a.adopted(ctx, ring.Key, kept)
	if err != nil {
		return err
	}
	_, err = a.addVersion(ctx, ring.Key, next, !ring.Key.Published)
	if errors.Is(err, ErrStale) {
		return nil // somebody was faster
	}
	return err
}
