package sqlstore

import (
	"context"
	"sync"

	"github.com/cryptoutil/cryptoutil/libs/database/changes"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// ChangeKey is the kind under which a change of an elastic key, or of one of its versions, stands in the change sequence.
const ChangeKey = "kms/key"

// maxVersions bounds the versions of one key that are kept; one with more is used in an unusual way and read from the database.
const maxVersions = 256

// Facts is a Store that answers KeyVersion from memory for as long as the change sequence says that nothing has changed. Every other method
// reads the database. What is kept are rows: whoever asks decides anew each time.
type Facts struct {
	*Store

	ids   *changes.Cache[string] // by name or alias
	rings *changes.Cache[*ring]  // by id
}

var _ keyring.Store = (*Facts)(nil)

// ring is an elastic key with those of its versions that were asked for.
type ring struct {
	key keyring.ElasticKey

	mu       sync.RWMutex
	versions map[int64]keyring.MaterialKey // guarded by mu
}

// NewFacts keeps up to capacity elastic keys. Make it before the follower runs.
func NewFacts(store *Store, follower *changes.Follower, capacity int) *Facts {
	return &Facts{
		Store: store,
		ids:   changes.NewCache[string](follower, []string{changeName}, capacity),
		rings: changes.NewCache[*ring](follower, []string{ChangeKey}, capacity),
	}
}

// KeyVersion implements keyring.MaterialKeyStore.
func (f *Facts) KeyVersion(ctx context.Context, tenant string, ref keyring.Ref, version int64) (keyring.ElasticKey, keyring.MaterialKey, error) {
	id, isID := ref.ID()
	if !isID {
		var err error
		id, err = f.ids.Get(ctx, tenant, string(ref), func(ctx context.Context) (string, error) {
			key, err := f.ElasticKey(ctx, tenant, ref)
			return key.ID, err
		})
		if err != nil {
			return keyring.ElasticKey{}, keyring.MaterialKey{}, err
		}
	}
	r, err := f.rings.Get(ctx, tenant, id, func(ctx context.Context) (*ring, error) {
		key, err := f.ElasticKey(ctx, tenant, keyring.Ref(id))
		return &ring{key: key, versions: map[int64]keyring.MaterialKey{}}, err
	})
	if err != nil {
		return keyring.ElasticKey{}, keyring.MaterialKey{}, err
	}
	if version == 0 {
		version = r.key.PrimaryVersion
	}
	r.mu.RLock()
	material, ok := r.versions[version]
	r.mu.RUnlock()
	if ok {
		return r.key, material, nil
	}
	key, material, err := f.Store.KeyVersion(ctx, tenant, keyring.Ref(id), version)
	if err != nil {
		return keyring.ElasticKey{}, keyring.MaterialKey{}, err
	}
	// When the row has changed since, the ring has been dropped, and with it what is put here.
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.versions) < maxVersions {
		r.versions[version] = material
	}
	return key, material, nil
}
