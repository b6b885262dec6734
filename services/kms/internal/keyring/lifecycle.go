package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// How long the end of a key or of a version waits, so that whoever needs it notices.
const (
	MinWait     = 7 * 24 * time.Hour
	MaxWait     = 30 * 24 * time.Hour
	DefaultWait = MaxWait
)

// Enable makes a disabled key usable again.
func (k *Keyring) Enable(ctx context.Context, caller Caller, ref Ref) (ElasticKey, error) {
	return k.move(ctx, caller, OpState, ref, elasticEnable(), time.Time{})
}

// Disable makes a key unusable until it is enabled again.
func (k *Keyring) Disable(ctx context.Context, caller Caller, ref Ref) (ElasticKey, error) {
	return k.move(ctx, caller, OpState, ref, elasticDisable(), time.Time{})
}

// ScheduleDeletion ends a key after a time (0: DefaultWait), until when it does nothing and the deletion can be cancelled.
func (k *Keyring) ScheduleDeletion(ctx context.Context, caller Caller, ref Ref, wait time.Duration) (Plan, error) {
	at, err := k.end(ctx, caller, wait)
	if err != nil {
		return Plan{}, err
	}
	key, err := k.move(ctx, caller, OpDestroy, ref, elasticSchedule(), at)
	if err != nil {
		return Plan{}, err
	}
	return k.planKey(ctx, key, at, false)
}

// CancelDeletion keeps a key that was to be deleted. It is disabled then.
func (k *Keyring) CancelDeletion(ctx context.Context, caller Caller, ref Ref) (ElasticKey, error) {
	return k.move(ctx, caller, OpDestroy, ref, elasticCancelDeletion(), time.Time{})
}

// end is the moment that a waiting time ends.
func (k *Keyring) end(ctx context.Context, caller Caller, wait time.Duration) (time.Time, error) {
	if err := caller.belongs(); err != nil {
		return time.Time{}, err
	}
	floor, err := k.leastWait(ctx, caller.Tenant)
	if err != nil {
		return time.Time{}, err
	}
	if wait == 0 {
		wait = DefaultWait
	}
	if wait < floor || wait > MaxWait {
		const day = 24 * time.Hour
		return time.Time{}, invalidMember("/wait_days", "from %d to %d days", floor/day, MaxWait/day)
	}
	return k.steady.Latest().Add(wait), nil
}

// leastWait is the shortest wait that the tenant allows.
func (k *Keyring) leastWait(ctx context.Context, tenant string) (time.Duration, error) {
	if k.waits == nil {
		return MinWait, nil
	}
	floor, err := k.waits(ctx, tenant)
	if err != nil {
		return 0, fmt.Errorf("read the tenant's shortest wait: %w", err)
	}
	return min(max(floor, MinWait), MaxWait), nil
}

// move decides about a change of state and makes it.
func (k *Keyring) move(ctx context.Context, caller Caller, op Operation, ref Ref, t Transition[ElasticStatus], at time.Time) (ElasticKey, error) {
	key, err := k.permitKey(ctx, caller, op, ref)
	if err != nil {
		return ElasticKey{}, err
	}
	moved, err := k.moveKey(ctx, key, t, at)
	if !errors.Is(err, ErrStale) {
		return moved, err
	}
	// The row is what decides; it is read again for the answer, and with the caller's eyes.
	if key, err = k.permitKey(ctx, caller, op, ref); err != nil {
		return ElasticKey{}, err
	}
	if t.Allows(key.Status) {
		return ElasticKey{}, errConflict()
	}
	return ElasticKey{}, t.refuse("the key", key.Status)
}

// moveKey changes the state and records that; ErrStale if the key is in none of the states that the change begins in.
func (k *Keyring) moveKey(ctx context.Context, key ElasticKey, t Transition[ElasticStatus], at time.Time) (moved ElasticKey, err error) {
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		if moved, err = k.store.MoveElasticKey(ctx, key.Tenant, key.ID, t, at, k.instant()); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: "key." + t.Action, Key: moved, At: moved.DeleteAt})
	})
	if err != nil {
		return ElasticKey{}, fmt.Errorf("%s key %s: %w", t.Action, key.ID, err)
	}
	return moved, nil
}

// belongs refuses a caller without a tenant.
func (c Caller) belongs() error {
	if c.Tenant == "" {
		return problem.New("forbidden", "the caller belongs to no tenant")
	}
	return nil
}

func errConflict() error {
	return problem.New("conflict", "the key changed meanwhile; try again")
}
