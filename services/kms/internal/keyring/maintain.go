package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// tenantPage is how many tenants are looked up at once, duePage how many keys.
	tenantPage = 100
	duePage    = 100
)

// Tenants lists up to limit tenants in order of id, from after the id given.
type Tenants func(ctx context.Context, after string, limit int) ([]string, error)

// Maintain brings about, for every tenant, what time has come for. Each key is a transaction of its own: one that fails is logged and tried
// again the next time, and stops no other. It is work for one replica at a time; while the barrier is sealed it does nothing.
func (k *Keyring) Maintain(ctx context.Context, tenants Tenants) error {
	if k.barrier.Sealed() {
		return nil
	}
	if err := k.store.Testify(ctx, k.steady.Known()); err != nil {
		return err
	}
	return k.eachTenant(ctx, tenants, k.maintain)
}

// eachTenant does something for every tenant. What fails for one stops no other.
func (k *Keyring) eachTenant(ctx context.Context, tenants Tenants, do func(ctx context.Context, tenant string) error) error {
	var failures []error
	for after := ""; ; {
		list, err := tenants(ctx, after, tenantPage)
		if err != nil {
			return errors.Join(append(failures, fmt.Errorf("list tenants: %w", err))...)
		}
		for _, tenant := range list {
			after = tenant
			if err := do(ctx, tenant); err != nil {
				failures = append(failures, fmt.Errorf("keys of tenant %s: %w", tenant, err))
			}
			if ctx.Err() != nil {
				return errors.Join(append(failures, context.Cause(ctx))...)
			}
		}
		if len(list) < tenantPage {
			return errors.Join(failures...)
		}
	}
}

// duty is one kind of what there is to do.
type duty struct {
	what DueKind
	// by is the time that must have come.
	by time.Time
	do func(ctx context.Context, tenant string, due Due, by time.Time) error
}

// maintain does a tenant's work. What ends something comes first, so that it is not rotated before.
func (k *Keyring) maintain(ctx context.Context, tenant string) error {
	earliest := k.steady.Earliest()
	var failures []error
	for _, d := range []duty{
		{DueDeletion, earliest, k.deleteDue},
		{DueDestruction, earliest, k.destroyDue},
		{DueExpiry, earliest, k.expireDue},
		{DueRotation, earliest, k.rotateByAge},
		{DueUsage, k.steady.Latest(), k.rotateByUse}, // what was used up does not wait for a clock
		{DueNotice, earliest, k.notify},
	} {
		if err := k.perform(ctx, tenant, d); err != nil {
			failures = append(failures, err)
		}
	}
	now := k.instant()
	return errors.Join(append(failures, k.store.Sweep(ctx, tenant, now, now.Add(-importJobKept)))...)
}

// perform does one duty for a tenant, page by page. What has failed stays due; pages grow by it, so that it hides nothing.
func (k *Keyring) perform(ctx context.Context, tenant string, d duty) error {
	tried := map[Due]bool{}
	for ctx.Err() == nil {
		page, err := k.store.Due(ctx, tenant, d.what, d.by, duePage+len(tried))
		if err != nil {
			return err
		}
		news := false
		for _, due := range page {
			if tried[due] || ctx.Err() != nil {
				continue
			}
			news, tried[due] = true, true
			if err := d.do(ctx, tenant, due, d.by); err != nil && !errors.Is(err, ErrStale) && !errors.Is(err, ErrNotFound) {
				k.log.Error("a key could not be maintained; it is tried again", "what", string(d.what), "tenant", tenant, "key", due.ElasticKeyID,
					"version", due.Version, "error", err.Error())
			}
		}
		if !news {
			return nil
		}
	}
	return nil
}

// guarded is a transaction of the replica whose turn it is.
func (k *Keyring) guarded(ctx context.Context, fn func(context.Context) error) error {
	return k.store.InTx(ctx, func(ctx context.Context) error {
		if k.fence != nil {
			if err := k.fence(ctx); err != nil {
				return err
			}
		}
		return fn(ctx)
	})
}

// deleteDue deletes a key whose wait is over. A deletion that was cancelled, or put off, meanwhile is ErrStale.
func (k *Keyring) deleteDue(ctx context.Context, tenant string, due Due, by time.Time) error {
	return k.guarded(ctx, func(ctx context.Context) error {
		t := elasticDelete()
		deleted, err := k.store.DeleteElasticKey(ctx, tenant, due.ElasticKeyID, t, by, k.instant())
		if err != nil {
			return err
		}
		if err := k.clearGrants(ctx, deleted); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: "key." + t.Action, Key: deleted})
	})
}

func (k *Keyring) destroyDue(ctx context.Context, tenant string, due Due, by time.Time) error {
	return k.endVersion(ctx, tenant, due, by, versionDestroy())
}

func (k *Keyring) expireDue(ctx context.Context, tenant string, due Due, by time.Time) error {
	return k.endVersion(ctx, tenant, due, by, versionExpire())
}

// endVersion destroys a version, or forgets what was imported, when its time has come.
func (k *Keyring) endVersion(ctx context.Context, tenant string, due Due, by time.Time, t Transition[VersionStatus]) error {
	key, err := k.store.ElasticKey(ctx, tenant, Ref(due.ElasticKeyID))
	if err != nil {
		return err
	}
	return k.guarded(ctx, func(ctx context.Context) error {
		version := MaterialKey{Tenant: tenant, ElasticKeyID: due.ElasticKeyID, Version: due.Version}
		if _, err := k.store.EndMaterialKey(ctx, version, t, by, k.instant()); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: "version." + t.Action, Key: key, Version: due.Version})
	})
}

// rotateByAge adds a version to a key whose primary version has had its time.
func (k *Keyring) rotateByAge(ctx context.Context, tenant string, due Due, by time.Time) error {
	key, err := k.store.ElasticKey(ctx, tenant, Ref(due.ElasticKeyID))
	if err != nil {
		return err
	}
	if key.NextRotationAt.IsZero() || key.NextRotationAt.After(by) {
		return ErrStale
	}
	return k.rotateDue(ctx, key, key.PrimaryVersion)
}

// rotateByUse adds a version to a key whose primary version, still the one that was found, has done enough.
func (k *Keyring) rotateByUse(ctx context.Context, tenant string, due Due, _ time.Time) error {
	key, err := k.store.ElasticKey(ctx, tenant, Ref(due.ElasticKeyID))
	if err != nil {
		return err
	}
	return k.rotateDue(ctx, key, due.Version)
}

// rotateDue adds a version, if the key still has the primary version given: once, whoever else looks.
func (k *Keyring) rotateDue(ctx context.Context, key ElasticKey, primary int64) error {
	if err := rotatable(key); err != nil {
		return err
	}
	_, err := k.rotateWithin(ctx, key, primary, k.guarded)
	return err
}

// notify announces a rotation by age, once.
func (k *Keyring) notify(ctx context.Context, tenant string, due Due, _ time.Time) error {
	key, err := k.store.ElasticKey(ctx, tenant, Ref(due.ElasticKeyID))
	if err != nil {
		return err
	}
	return k.guarded(ctx, func(ctx context.Context) error {
		if err := k.store.MarkNotified(ctx, key); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: ActionNotice, Key: key, Version: key.PrimaryVersion, At: key.NextRotationAt})
	})
}
