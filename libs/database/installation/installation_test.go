package installation_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/installation"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// each runs a test on both engines, on PostgreSQL also as a role that owns no table.
func each(t *testing.T, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	dbtest.EachTenancy(t, []database.Set{database.PlatformMigrations()}, test)
}

func TestID_IsMadeOnceByWhicheverReplicaIsFirst(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		ids := make([]string, 16)
		var group sync.WaitGroup
		for i := range ids {
			group.Go(func() {
				id, err := installation.ID(t.Context(), db)
				assert.NoError(t, err)
				ids[i] = id
			})
		}
		group.Wait()
		id, err := uuid.Parse(ids[0])
		require.NoError(t, err)
		assert.Equal(t, uuid.Version(4), id.Version())
		assert.Equal(t, id.String(), ids[0])
		for _, other := range ids {
			assert.Equal(t, ids[0], other)
		}
		for _, tenant := range []string{"", "acme", database.AllTenants} {
			again, err := installation.ID(database.WithTenant(t.Context(), tenant), db)
			require.NoError(t, err)
			assert.Equal(t, ids[0], again)
		}
	})
}

func TestID_OfAnotherDatabaseIsAnother(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]bool{}
	for range 2 {
		each(t, func(t *testing.T, db *database.DB) {
			id, err := installation.ID(t.Context(), db)
			require.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			assert.False(t, seen[id])
			seen[id] = true
		})
	}
}

func TestID_IsNotMadeWhereItCouldBeRolledBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			_, err := installation.ID(ctx, db)
			return err
		})
		require.ErrorIs(t, err, database.ErrInTransaction)
	})
}

func TestID_RefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		_, err := installation.ID(t.Context(), db)
		require.NoError(t, err)
		for _, text := range []string{"", "kms@host:8080", "{6ba7b810-9dad-41d1-80b4-00c04fd430c8}", "6ba7b8109dad41d180b400c04fd430c8"} {
			_, err = db.Exec(t.Context(), "UPDATE installation SET id = $1", text)
			require.NoError(t, err)
			id, err := installation.ID(t.Context(), db)
			require.ErrorContains(t, err, "restore it from a backup", text)
			assert.Empty(t, id)
		}
	})
}
