package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
)

// Enable makes a disabled key usable again.
func (a *Authority) Enable(ctx context.Context, caller Caller, ref naming.Ref) (Key, error) {
	return a.move(ctx, caller, OpState, ref, keyEnable())
}

// Disable makes a key unusable, and takes it out of the public key set, until it is enabled again.
func (a *Authority) Disable(ctx context.Context, caller Caller, ref naming.Ref) (Key, error) {
	return a.move(ctx, caller, OpState, ref, keyDisable())
}

// Destroy ends a key: the material of all its versions is gone.
func (a *Authority) Destroy(ctx context.Context, caller Caller, ref naming.Ref) (Key, error) {
	return a.move(ctx, caller, OpDestroy, ref, keyDestroy())
}

// move decides about a change of state and makes it.
func (a *Authority) move(ctx context.Context, caller Caller, op Operation, ref naming.Ref, t Transition[KeyStatus]) (moved Key, err error) {
	ring, err := a.permitKey(ctx, &caller, op, ref)
	if err != nil {
		return Key{}, err
	}
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		if moved, err = a.store.MoveKey(ctx, ring.Key.Tenant, ring.Key.ID, t, a.instant()); err != nil {
			return err
		}
		return a.events.Record(ctx, keyEvent("key."+t.Action, moved, 0))
	})
	if err == nil {
		return moved, nil
	}
	if !errors.Is(err, ErrStale) {
		return Key{}, fmt.Errorf("%s key: %w", t.Action, err)
	}
	// The row is what decides; it is read again for the answer, and with the caller's eyes.
	if ring, err = a.permitKey(ctx, &caller, op, naming.Ref(ring.Key.ID)); err != nil {
		return Key{}, err
	}
	if t.Allows(ring.Key.Status) {
		return Key{}, errConflict()
	}
	return Key{}, t.refuse("the key", ring.Key.Status)
}

// DestroyVersion ends a version that is not in use: its material is gone.
func (a *Authority) DestroyVersion(ctx context.Context, caller Caller, ref naming.Ref, number int64) (moved Version, err error) {
	t := versionDestroy()
	key, version, err := a.Version(ctx, caller, OpDestroy, ref, number)
	if err != nil {
		return Version{}, err
	}
	now := a.instant()
	err = a.store.InTx(ctx, func(ctx context.Context) error {
		if err := a.settle(ctx, key.Tenant, key.ID, now); err != nil {
			return err
		}
		if moved, err = a.store.MoveVersion(ctx, version, t, now); err != nil {
			return err
		}
		return a.events.Record(ctx, keyEvent("version."+t.Action, key, number))
	})
	if err == nil {
		return moved, nil
	}
	if !errors.Is(err, ErrStale) {
		return Version{}, fmt.Errorf("destroy version: %w", err)
	}
	if _, version, err = a.Version(ctx, caller, OpDestroy, naming.Ref(key.ID), number); err != nil {
		return Version{}, err
	}
	if status := version.At(now); !t.Allows(status) {
		return Version{}, t.refuse(version.title(), status)
	}
	return Version{}, errConflict()
}
