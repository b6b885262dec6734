package authority

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Times that succession keeps beside those that are configured.
const (
	// spread is how long another replica may go on serving what was true before a change: a second by the change sequence, and clocks that differ.
	spread = 5 * time.Second
	// tolerance is how long after its expiry a verifier may still take a token.
	tolerance = 5 * time.Minute
)

// rotateAttempts is how often a rotation is tried while others add versions to the same key in a KMS.
const rotateAttempts = 4

// Rotate adds a version. What others verify by is published for the lifetime of a public key set before it is used; immediate takes it into use
// at once, for when the present version can no longer be trusted. Other keys succeed at once.
func (a *Authority) Rotate(ctx context.Context, caller Caller, ref naming.Ref, immediate bool) (Version, error) {
	ring, err := a.permitKey(ctx, &caller, OpRotate, ref)
	if err != nil {
		return Version{}, err
	}
	if err := a.rotatable(ring, immediate); err != nil {
		return Version{}, err
	}
	// A key in a KMS gets versions from two sides: whoever rotates it here, and whoever follows what happens there. One who comes second makes another.
	for attempt := 1; ; attempt++ {
		version, err := a.rotate(ctx, ring, immediate || !ring.Key.signs() || !ring.Key.Published)
		if !errors.Is(err, ErrStale) {
			return version, err
		}
		// Its state changed between the decision and the update: the decision is made again, on what is there now.
		if ring, err = a.permitKey(ctx, &caller, OpRotate, naming.Ref(ring.Key.ID)); err != nil {
			return Version{}, err
		}
		if err := a.rotatable(ring, immediate); err != nil {
			return Version{}, err
		}
		if !ring.Key.elsewhere() || attempt == rotateAttempts {
			return Version{}, errConflict()
		}
	}
}

// rotatable tells whether the key may get a further version.
func (a *Authority) rotatable(ring Ring, immediate bool) error {
	if ring.Key.Status != KeyActive {
		return errState("the key", string(ring.Key.Status), string(OpRotate), string(KeyActive))
	}
	for _, version := range ring.Versions {
		if version.Origin == OriginPublic {
			return problem.New("no_private_key", "only the public part of the key is here; its successors are made elsewhere")
		}
		if !immediate && version.At(a.now()) == VersionPending {
			return errState(version.title(), string(VersionPending), string(OpRotate), string(VersionActive))
		}
	}
	return nil
}

// rotate adds a version: one that is generated here, or the KMS's where the private parts are there.
func (a *Authority) rotate(ctx context.Context, ring Ring, immediate bool) (Version, error) {
	if ring.Key.elsewhere() {
		next, err := a.successor(ctx, ring)
		if err != nil {
			return Version{}, err
		}
		return a.addVersion(ctx, ring.Key, next, immediate)
	}
	spec, err := ring.Key.Spec()
	if err != nil {
		return Version{}, err
	}
	material, err := a.generator.Take(ctx, spec)
	if err != nil {
		return Version{}, fmt.Errorf("generate %s: %w", ring.Key.Algorithm, err)
	}
	defer material.Zero()
	return a.addVersion(ctx, ring.Key, fresh{material: material, origin: OriginGenerated}, immediate)
}

// addVersion stores what succeeds the versions of a key.
func (a *Authority) addVersion(ctx context.Context, key Key, next fresh, immediate bool) (Version, error) {
	now := a.instant()
	activateAt := now
	if !immediate {
		activateAt = now.Add(a.setLifetime + spread)
	}
	draft, err := a.newDraft(ctx, key, next, activateAt)
	if err != nil {
		return Version{}, err
	}
	var version Version
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		if err := a.settle(ctx, key.Tenant, key.ID, now); err != nil {
			return err
		}
		number, err := a.store.AddVersion(ctx, key, immediate, now)
		if err != nil {
			return err
		}
		if err := a.newer(ctx, key, next); err != nil {
			return err
		}
		if version, err = draft.store(ctx, a.store, key, number); err != nil {
			return err
		}
		if err := a.store.SucceedAt(ctx, version, spread+tolerance, now); err != nil {
			return err
		}
		return a.events.Record(ctx, keyEvent(ActionRotate, key, number))
	})
	if err != nil {
		return Version{}, fmt.Errorf("store version: %w", err)
	}
	return version, nil
}

// newer holds versions that a KMS keeps to its order, within the transaction that has the number: of two that are adopted side by side the
// newer one stays. ErrStale otherwise.
func (a *Authority) newer(ctx context.Context, key Key, next fresh) error {
	if next.origin != OriginKMS {
		return nil
	}
	known, err := a.store.NewestElsewhere(ctx, key.Tenant, key.ID)
	if err == nil && next.kmsVersion <= known {
		return ErrStale
	}
	return err
}

// settle writes what has become due into the rows of a key, or of all keys of the tenant ("").
func (a *Authority) settle(ctx context.Context, tenant, keyID string, now time.Time) error {
	settled, err := a.store.Settle(ctx, tenant, keyID, now)
	if err != nil {
		return fmt.Errorf("settle versions: %w", err)
	}
	for _, version := range settled {
		action := "version." + versionActivate().Action
		if version.Status == VersionRetired {
			action = "version." + versionRetire().Action
		}
		event := Event{Tenant: version.Tenant, Action: action, Kind: ObjectKey, ID: version.KeyID, Version: version.Number}
		if err := a.events.Record(ctx, event); err != nil {
			return err
		}
	}
	return nil
}

// Settle writes what has become due into the rows of a tenant: versions that took over or retired, and revocations of tokens that have
// expired. Nobody waits for it, since every decision goes by the time; the audit trail hears of it this way.
func (a *Authority) Settle(ctx context.Context, tenant string) error {
	now := a.instant()
	err := a.store.InTx(ctx, func(ctx context.Context) error { return a.settle(ctx, tenant, "", now) })
	if err != nil {
		return err
	}
	return a.store.ForgetRevocations(ctx, tenant, now.Add(-tolerance))
}
