package keyring

import (
	"context"
	"fmt"
	"time"
)

const (
	// idleFor is how long something must not have been used for its end to be called safe: whoever needs it once a month has had a turn.
	idleFor = 30 * 24 * time.Hour
	// maxPlanned bounds the versions that a plan lists, newest first.
	maxPlanned = 1000
)

// Plan says what the end of a key or version means, before it is asked for or after.
type Plan struct {
	Key ElasticKey
	// Versions are those that end, newest first, with what they have done to within a second.
	Versions []MaterialKey
	// At is when they end.
	At time.Time
	// LastUsedAt is when one of them last did something; zero: never.
	LastUsedAt time.Time
	// Safe tells that none of them was used for 30 days, and that none is needed for what comes.
	Safe bool
	// DryRun tells that nothing was changed.
	DryRun bool
}

// plan completes a plan by what the versions have done. ending are those that end.
func (k *Keyring) plan(key ElasticKey, ending []MaterialKey, at time.Time, dryRun bool) Plan {
	p := Plan{Key: key, Versions: ending, At: at, Safe: true, DryRun: dryRun}
	for _, version := range ending {
		if version.Uses.LastUsedAt.After(p.LastUsedAt) {
			p.LastUsedAt = version.Uses.LastUsedAt
		}
	}
	if !p.LastUsedAt.IsZero() && k.instant().Sub(p.LastUsedAt) < idleFor {
		p.Safe = false
	}
	return p
}

// planKey is the plan of a key's deletion.
func (k *Keyring) planKey(ctx context.Context, key ElasticKey, at time.Time, dryRun bool) (Plan, error) {
	versions, err := k.store.MaterialKeys(ctx, key.Tenant, key.ID, 0, maxPlanned)
	if err != nil {
		return Plan{}, fmt.Errorf("list versions: %w", err)
	}
	return k.plan(key, versions, at, dryRun), nil
}

// planVersion is the plan of a version's destruction. The primary version is needed, however long ago it was used.
func (k *Keyring) planVersion(key ElasticKey, version MaterialKey, at time.Time, dryRun bool) Plan {
	p := k.plan(key, []MaterialKey{version}, at, dryRun)
	p.Safe = p.Safe && version.Version != key.PrimaryVersion
	return p
}

// PlanDeletion says what ScheduleDeletion would do, and changes nothing.
func (k *Keyring) PlanDeletion(ctx context.Context, caller Caller, ref Ref, wait time.Duration) (Plan, error) {
	at, err := k.end(ctx, caller, wait)
	if err != nil {
		return Plan{}, err
	}
	key, err := k.permitKey(ctx, caller, OpDestroy, ref)
	if err != nil {
		return Plan{}, err
	}
	if t := elasticSchedule(); !t.Allows(key.Status) {
		return Plan{}, t.refuse("the key", key.Status)
	}
	return k.planKey(ctx, key, at, true)
}

// PlanDestruction says what MoveVersion with ScheduleVersionEnd would do, and changes nothing.
func (k *Keyring) PlanDestruction(ctx context.Context, caller Caller, ref Ref, version string, wait time.Duration) (Plan, error) {
	at, err := k.end(ctx, caller, wait)
	if err != nil {
		return Plan{}, err
	}
	key, material, err := k.version(ctx, caller, OpDestroy, ref, version)
	if err != nil {
		return Plan{}, err
	}
	if t := versionSchedule(); !t.Allows(material.Status) {
		return Plan{}, t.refuse(material.title(), material.Status)
	}
	return k.planVersion(key, material, at, true), nil
}
