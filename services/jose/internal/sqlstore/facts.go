package sqlstore

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// Facts is a Store that answers RingFact, Published and ProfileFact from memory for as long as the change sequence says that nothing has changed.
// Every other method reads the database. What is kept are rows: whoever asks decides anew each time.
type Facts struct {
	*Store

	ids      *changes.Cache[string]            // of keys by name
	rings    *changes.Cache[authority.Ring]    // by id of the key
	sets     *changes.Cache[[]authority.Ring]  // by tenant
	profiles *changes.Cache[authority.Profile] // by id or name
}

var _ authority.Store = (*Facts)(nil)

// NewFacts keeps up to capacity of each. Make it before the follower runs.
func NewFacts(store *Store, follower *changes.Follower, capacity int) *Facts {
	return &Facts{
		Store:    store,
		ids:      changes.NewCache[string](follower, []string{changeName}, capacity),
		rings:    changes.NewCache[authority.Ring](follower, []string{changeKey}, capacity),
		sets:     changes.NewCache[[]authority.Ring](follower, []string{changeSet}, capacity),
		profiles: changes.NewCache[authority.Profile](follower, []string{changeProfile}, capacity),
	}
}

// RingFact implements authority.KeyStore.
func (f *Facts) RingFact(ctx context.Context, tenant string, ref naming.Ref) (authority.Ring, error) {
	id, isID := ref.ID()
	if !isID {
		var err error
		id, err = f.ids.Get(ctx, tenant, string(ref), func(ctx context.Context) (string, error) {
			key, err := f.key(ctx, tenant, ref)
			return key.ID, err
		})
		if err != nil {
			return authority.Ring{}, err
		}
	}
	return f.rings.Get(ctx, tenant, id, func(ctx context.Context) (authority.Ring, error) {
		return f.Store.Ring(ctx, tenant, naming.Ref(id))
	})
}

// Published implements authority.KeyStore.
func (f *Facts) Published(ctx context.Context, tenant string, limit int) ([]authority.Ring, error) {
	return f.sets.Get(ctx, tenant, theSet, func(ctx context.Context) ([]authority.Ring, error) {
		return f.Store.Published(ctx, tenant, limit)
	})
}

// ProfileFact implements authority.ProfileStore.
func (f *Facts) ProfileFact(ctx context.Context, tenant string, ref naming.Ref) (authority.Profile, error) {
	id, _ := ref.ID()
	return f.profiles.Get(ctx, tenant, id, func(ctx context.Context) (authority.Profile, error) {
		return f.Store.Profile(ctx, tenant, ref)
	})
}
