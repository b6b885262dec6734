package keyring

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// Delete ends a key that waits for its deletion at once. It takes the approval of the key's quorum; no scope stands in for that.
func (k *Keyring) Delete(ctx context.Context, caller Caller, ref Ref) (ElasticKey, error) {
	key, err := k.permitKey(ctx, caller, OpDestroy, ref)
	if err != nil {
		return ElasticKey{}, err
	}
	t := elasticDelete()
	if !t.Allows(key.Status) {
		return ElasticKey{}, t.refuse("the key", key.Status)
	}
	if k.rule(ApproveDelete, key) == nil {
		return ElasticKey{}, k.errEarly(key, "the key", key.DeleteAt)
	}
	var moved ElasticKey
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		if err := k.approve(ctx, caller, ApproveDelete, key, noParameters{}); err != nil {
			return err
		}
		if moved, err = k.store.MoveElasticKey(ctx, key.Tenant, key.ID, t, time.Time{}, k.instant()); err != nil {
			return err
		}
		if !reflect.DeepEqual(moved.Policy.Quorum, key.Policy.Quorum) {
			return ErrStale // the quorum that was asked is not the one that the key has
		}
		if err := k.clearGrants(ctx, moved); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: "key." + t.Action, Key: moved, Detail: "approved"})
	})
	if errors.Is(err, ErrStale) {
		return ElasticKey{}, errConflict()
	}
	if err != nil {
		return ElasticKey{}, fmt.Errorf("%s key %s: %w", t.Action, key.ID, err)
	}
	k.cache.purge()
	return moved, nil
}

// DestroyVersion ends a version that waits for its destruction at once, as Delete does a key.
func (k *Keyring) DestroyVersion(ctx context.Context, caller Caller, ref Ref, version string) (ElasticKey, MaterialKey, error) {
	key, material, err := k.version(ctx, caller, OpDestroy, ref, version)
	if err != nil {
		return ElasticKey{}, MaterialKey{}, err
	}
	t := versionDestroy()
	if !t.Allows(material.Status) {
		return ElasticKey{}, MaterialKey{}, t.refuse(material.title(), material.Status)
	}
	if k.rule(ApproveDestroy, key) == nil {
		return ElasticKey{}, MaterialKey{}, k.errEarly(key, material.title(), material.DestroyAt)
	}
	var moved MaterialKey
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		if err := k.approve(ctx, caller, ApproveDestroy, key, versionParameters{material.Version}); err != nil {
			return err
		}
		if moved, err = k.store.MoveMaterialKey(ctx, material, t, time.Time{}, k.instant()); err != nil {
			return err
		}
		now, err := k.store.ElasticKey(ctx, key.Tenant, Ref(key.ID))
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(now.Policy.Quorum, key.Policy.Quorum) {
			return ErrStale
		}
		return k.record(ctx, Event{Action: "version." + t.Action, Key: key, Version: material.Version, Detail: "approved"})
	})
	if errors.Is(err, ErrStale) {
		return ElasticKey{}, MaterialKey{}, errConflict()
	}
	if err != nil {
		return ElasticKey{}, MaterialKey{}, fmt.Errorf("%s version %d of key %s: %w", t.Action, material.Version, key.ID, err)
	}
	k.cache.purge()
	return key, moved, nil
}
