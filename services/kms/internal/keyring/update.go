package keyring

import (
	"context"
	"errors"
	"fmt"
)

// Update replaces what a caller may change of a key: change is given the key as it is and returns it as it should be. The key must still be
// of the revision given; ErrStale otherwise. What weakens the key's quorum takes that quorum's approval.
func (k *Keyring) Update(ctx context.Context, caller Caller, ref Ref, revision int64, change func(ElasticKey) (ElasticKey, error)) (ElasticKey, error) {
	key, err := k.permitKey(ctx, caller, OpUpdate, ref)
	if err != nil {
		return ElasticKey{}, err
	}
	if key.Revision != revision {
		return ElasticKey{}, ErrStale
	}
	if key.Status == ElasticPendingDelete {
		return ElasticKey{}, errState("the key", string(key.Status), string(OpUpdate), stateList(lasting()))
	}
	wanted, err := change(key)
	if err != nil {
		return ElasticKey{}, err
	}
	if err := wanted.check(); err != nil {
		return ElasticKey{}, err
	}
	now := k.instant()
	wanted.Policy.Quorum = key.Policy.Quorum.succeed(wanted.Policy.Quorum, k.steady.Latest())
	if wanted.Rotation.Every != key.Rotation.Every {
		wanted.NextRotationAt = wanted.Rotation.next(k.steady.Latest())
	}
	wanted.UpdatedAt = now
	var changed ElasticKey
	err = k.store.InTx(ctx, func(ctx context.Context) error {
		if key.Policy.Quorum.weaker(wanted.Policy.Quorum) || caller.Approval != "" {
			if err := k.approve(ctx, caller, ApproveUpdate, key, quorumParameters{wanted.Policy.Quorum.stated()}); err != nil {
				return err
			}
		}
		if changed, err = k.store.UpdateElasticKey(ctx, wanted); err != nil {
			return err
		}
		return k.record(ctx, Event{Action: ActionUpdate, Key: changed})
	})
	if errors.Is(err, ErrStale) {
		return ElasticKey{}, ErrStale
	}
	if err != nil {
		return ElasticKey{}, fmt.Errorf("update key: %w", err)
	}
	return changed, nil
}

// check holds what callers say of a key to what it can be.
func (k ElasticKey) check() error {
	if err := checkDescription(k.Description); err != nil {
		return err
	}
	if err := checkTags(k.Tags); err != nil {
		return err
	}
	if err := k.Policy.check(k); err != nil {
		return err
	}
	if err := k.Rotation.check(k); err != nil {
		return err
	}
	if err := k.checkPublished(); err != nil {
		return err
	}
	switch {
	case k.MinDecryptVersion < 0 || k.MinDecryptVersion > k.VersionCount:
		return invalidMember("/min_decrypt_version", "from 0 to the number of versions, %d", k.VersionCount)
	case k.MinEncryptVersion < 0 || k.MinEncryptVersion > max(k.PrimaryVersion, 0):
		return invalidMember("/min_encrypt_version", "from 0 to the primary version, %d", k.PrimaryVersion)
	case k.MinEncryptVersion != 0 && k.MinEncryptVersion < k.MinDecryptVersion:
		return invalidMember("/min_encrypt_version", "at least min_decrypt_version: what is made must be readable")
	case k.MinDecryptVersion > k.PrimaryVersion:
		return invalidMember("/min_decrypt_version", "at most the primary version: what is made must be readable")
	}
	return nil
}
