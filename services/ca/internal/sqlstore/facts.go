package sqlstore

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
)

// Facts is a Store that answers Fact from memory for as long as the change sequence says that nothing has changed. Every other method reads
// the database. What is kept are rows: whoever asks decides anew each time.
type Facts struct {
	*Store

	ids *changes.Cache[string]         // of CAs by name
	cas *changes.Cache[hierarchy.Fact] // by id
	all *changes.Cache[[]hierarchy.CA] // those that issue, by tenant
}

var _ hierarchy.Store = (*Facts)(nil)

// NewFacts keeps up to capacity of each. Make it before the follower runs.
func NewFacts(store *Store, follower *changes.Follower, capacity int) *Facts {
	return &Facts{
		Store: store,
		ids:   changes.NewCache[string](follower, []string{changeName}, capacity),
		cas:   changes.NewCache[hierarchy.Fact](follower, []string{changeCA}, capacity),
		all:   changes.NewCache[[]hierarchy.CA](follower, []string{changeAll}, capacity),
	}
}

// Fact implements hierarchy.Store.
func (f *Facts) Fact(ctx context.Context, tenant string, ref naming.Ref) (hierarchy.Fact, error) {
	id, isID := ref.ID()
	if !isID {
		var err error
		id, err = f.ids.Get(ctx, tenant, string(ref), func(ctx context.Context) (string, error) {
			ca, err := f.CA(ctx, tenant, ref)
			return ca.ID, err
		})
		if err != nil {
			return hierarchy.Fact{}, err
		}
	}
	return f.cas.Get(ctx, tenant, id, func(ctx context.Context) (hierarchy.Fact, error) {
		return f.Store.Fact(ctx, tenant, naming.Ref(id))
	})
}

// Issuing implements hierarchy.Store.
func (f *Facts) Issuing(ctx context.Context, tenant string) ([]hierarchy.CA, error) {
	return f.all.Get(ctx, tenant, theAll, func(ctx context.Context) ([]hierarchy.CA, error) { return f.Store.Issuing(ctx, tenant) })
}
