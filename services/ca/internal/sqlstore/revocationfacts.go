package sqlstore

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// RevocationFacts is a revocation.Store that answers Current from memory for as long as the change sequence says that nothing has changed. Every other
// method reads the database.
type RevocationFacts struct {
	*Store

	lists *changes.Cache[[]revocation.List] // the current ones by id of the CA
}

var _ revocation.Store = (*RevocationFacts)(nil)

// NewRevocationFacts keeps the current lists of up to capacity CAs. Make it before the follower runs.
func NewRevocationFacts(store *Store, follower *changes.Follower, capacity int) *RevocationFacts {
	return &RevocationFacts{Store: store, lists: changes.NewCache[[]revocation.List](follower, []string{changeList}, capacity)}
}

// Current implements revocation.ListStore.
func (f *RevocationFacts) Current(ctx context.Context, tenant, ca string, shard int, delta bool) (revocation.List, error) {
	lists, err := f.lists.Get(ctx, tenant, ca, func(ctx context.Context) ([]revocation.List, error) {
		rows, err := f.db.Query(database.WithTenant(ctx, tenant), `
			SELECT `+listColumns+` FROM ca_crls l WHERE l.tenant_id = $1 AND l.ca_id = $2 AND l.superseded_at = 0`, tenant, ca)
		if err != nil {
			return nil, fmt.Errorf("select lists: %w", err)
		}
		return database.Collect(rows, scanList)
	})
	if err != nil {
		return revocation.List{}, err
	}
	for _, l := range lists {
		if l.Shard == shard && l.Delta == delta {
			return l, nil
		}
	}
	return revocation.List{}, revocation.ErrNotFound
}
