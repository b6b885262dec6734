package changes_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// TestNote_WorksWhateverTenantItsTransactionIsBoundTo also runs with the role that may neither own tables nor see rows of other tenants.
func TestNote_WorksWhateverTenantItsTransactionIsBoundTo(t *testing.T) {
	t.Parallel()
	dbtest.EachTenancy(t, sets(), func(t *testing.T, db *database.DB) {
		f, r := following(t, db)
		c := changes.NewCache[int](f, []string{"key"}, 10)
		var want []changes.Change
		for _, bound := range []string{"", "a", database.AllTenants} {
			ctx := database.WithTenant(t.Context(), bound)
			get(t, c, "a", "1", returns(1))
			require.NoError(t, db.InTx(ctx, func(ctx context.Context) error { return changes.Note(ctx, db, "a", "key", "1") }))
			require.NoError(t, f.CatchUp(ctx))
			assert.Equal(t, 2, get(t, c, "a", "1", returns(2)))
			c.Clear()
			want = append(want, changes.Change{Tenant: "a", Kind: "key", ID: "1"})
		}
		assert.Equal(t, want, r.take())
		_, err := changes.Sweep(t.Context(), db, time.Now())
		require.NoError(t, err)
	})
}
