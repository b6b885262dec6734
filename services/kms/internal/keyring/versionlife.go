package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// VersionAction is a change of a version's state that a caller may ask for.
type VersionAction string

// Actions on versions.
const (
	EnableVersion      VersionAction = "enable"
	DisableVersion     VersionAction = "disable"
	CompromiseVersion  VersionAction = "mark-compromised"
	ScheduleVersionEnd VersionAction = "schedule-destruction"
	RestoreVersion     VersionAction = "restore"
)

// transition is the change that the action asks for, and the operation that allows it.
func (a VersionAction) transition() (t Transition[VersionStatus], op Operation) {
	switch a {
	case EnableVersion:
		return versionEnable(), OpState
	case DisableVersion:
		return versionDisable(), OpState
	case CompromiseVersion:
		return versionCompromise(), OpState
	case ScheduleVersionEnd:
		return versionSchedule(), OpDestroy
	case RestoreVersion:
		return versionRestore(), OpDestroy
	}
	return Transition[VersionStatus]{}, ""
}

// MoveVersion changes the state of a version, which is named by number or UUID. wait is for ScheduleVersionEnd alone (0: DefaultWait).
func (k *Keyring) MoveVersion(ctx context.Context, caller Caller, ref Ref, version string, action VersionAction, wait time.Duration) (ElasticKey, MaterialKey, error) {
	t, op := action.transition()
	var at time.Time
	if action == ScheduleVersionEnd {
		var err error
		if at, err = k.end(ctx, caller, wait); err != nil {
			return ElasticKey{}, MaterialKey{}, err
		}
	}
	key, material, err := k.version(ctx, caller, op, ref, version)
	if err != nil {
		return ElasticKey{}, MaterialKey{}, err
	}
	moved, err := k.moveVersion(ctx, key, material, t, at)
	if !errors.Is(err, ErrStale) {
		return key, moved, err
	}
	if _, material, err = k.version(ctx, caller, op, ref, material.ID); err != nil {
		return ElasticKey{}, MaterialKey{}, err
	}
	if t.Allows(material.Status) {
		return ElasticKey{}, MaterialKey{}, errConflict()
	}
	return ElasticKey{}, MaterialKey{}, t.refuse(material.title(), material.Status)
}

// ScheduleDestruction ends a version after a time (0: DefaultWait), until when it does nothing and can be restored.
func (k *Keyring) ScheduleDestruction(ctx context.Context, caller Caller, ref Ref, version string, wait time.Duration) (Plan, error) {
	key, moved, err := k.MoveVersion(ctx, caller, ref, version, ScheduleVersionEnd, wait)
	if err != nil {
		return Plan{}, err
	}
	return k.planVersion(key, moved, moved.DestroyAt, false), nil
}

// moveVersion changes the state and records that; ErrStale if the version is in none of the states that the change begins in.
func (k *Keyring) moveVersion(ctx context.Context, key ElasticKey, version MaterialKey, t Transition[VersionStatus], at time.Time) (moved MaterialKey, err error) {
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		if moved, err = k.store.MoveMaterialKey(ctx, version, t, at, k.instant()); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: "version." + t.Action, Key: key, Version: version.Version, At: moved.DestroyAt})
	})
	if err != nil {
		return MaterialKey{}, fmt.Errorf("%s version %d of key %s: %w", t.Action, version.Version, key.ID, err)
	}
	return moved, nil
}

// SetPrimary makes a version, older or newer, the one that encrypts and signs.
func (k *Keyring) SetPrimary(ctx context.Context, caller Caller, ref Ref, version string) (ElasticKey, MaterialKey, error) {
	key, material, err := k.version(ctx, caller, OpRotate, ref, version)
	if err != nil {
		return ElasticKey{}, MaterialKey{}, err
	}
	if floor := max(key.MinEncryptVersion, key.MinDecryptVersion); material.Version < floor {
		return ElasticKey{}, MaterialKey{}, errState(material.title(), "below the key's minimum", "set-primary", fmt.Sprintf("at least version %d", floor))
	}
	var changed ElasticKey
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		key.UpdatedAt, key.NextRotationAt = k.instant(), key.Rotation.next(k.steady.Latest())
		if changed, err = k.store.SetPrimary(ctx, key, material.Version); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: ActionSetPrimary, Key: changed, Version: material.Version})
	})
	if errors.Is(err, ErrStale) {
		if key, material, err = k.version(ctx, caller, OpRotate, ref, material.ID); err != nil {
			return ElasticKey{}, MaterialKey{}, err
		}
		if material.Status != VersionEnabled {
			return ElasticKey{}, MaterialKey{}, errState(material.title(), string(material.Status), "set-primary", string(VersionEnabled))
		}
		if key.Status != ElasticActive && key.Status != ElasticDisabled {
			return ElasticKey{}, MaterialKey{}, errState("the key", string(key.Status), "set-primary", string(ElasticActive)+" or "+string(ElasticDisabled))
		}
		return ElasticKey{}, MaterialKey{}, errConflict()
	}
	if err != nil {
		return ElasticKey{}, MaterialKey{}, fmt.Errorf("set primary version: %w", err)
	}
	return changed, material, nil
}
