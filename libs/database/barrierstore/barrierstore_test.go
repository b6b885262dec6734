package barrierstore_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

var _ barrier.Store = (*barrierstore.Store)(nil)

func TestMain(m *testing.M) {
	fips.Require()
	if os.Getenv(victimVariable) != "" {
		victim()
	}
	m.Run()
}

func each(t *testing.T, test func(t *testing.T, db *database.DB, store *barrierstore.Store)) {
	t.Helper()
	dbtest.EachTenancy(t, []database.Set{database.PlatformMigrations()}, func(t *testing.T, db *database.DB) {
		store, err := barrierstore.New(db)
		require.NoError(t, err)
		test(t, db, store)
	})
}

// everywhere is a context for statements on the rows of all tenants.
func everywhere(t *testing.T) context.Context {
	t.Helper()
	return database.WithTenant(t.Context(), database.AllTenants)
}

// parent is the id of the key that wraps those that key makes.
func parent(level barrier.Level, tenant string) string {
	switch level {
	case barrier.LevelContent:
		return "intermediate of " + tenant
	case barrier.LevelIntermediate:
		return "root"
	default:
		return "unseal key"
	}
}

// above makes the keys above those of a tenant.
func above(t *testing.T, store *barrierstore.Store, tenants ...string) {
	t.Helper()
	keys := []barrier.WrappedKey{key(barrier.LevelRoot, "", "root", 1)}
	for _, tenant := range tenants {
		keys = append(keys, key(barrier.LevelIntermediate, tenant, "intermediate of "+tenant, 1))
	}
	for _, k := range keys {
		_, err := store.Insert(t.Context(), k)
		require.NoError(t, err)
	}
}

func key(level barrier.Level, tenant, id string, version int64) barrier.WrappedKey {
	return barrier.WrappedKey{
		Level: level, Tenant: tenant, ID: id, Version: version, ParentID: parent(level, tenant), JWE: "jwe of " + id,
		CreatedAt: time.Date(2030, 1, 2, 3, 4, 5, 6000, time.UTC),
	}
}

func TestStore_ReturnsWhatWasInserted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *database.DB, store *barrierstore.Store) {
		keys, err := store.Keys(t.Context(), barrier.LevelRoot, "")
		require.NoError(t, err)
		assert.Empty(t, keys)

		above(t, store, "a", "b")
		root := key(barrier.LevelRoot, "", "r2", 2)
		a2, a1 := key(barrier.LevelContent, "a", "a2", 2), key(barrier.LevelContent, "a", "a1", 1)
		others := []barrier.WrappedKey{key(barrier.LevelIntermediate, "b", "i1", 2), key(barrier.LevelContent, "b", "b1", 1)}
		for _, k := range append([]barrier.WrappedKey{root, a2, a1}, others...) {
			inserted, err := store.Insert(t.Context(), k)
			require.NoError(t, err)
			assert.True(t, inserted)
		}
		keys, err = store.Keys(t.Context(), barrier.LevelContent, "a")
		require.NoError(t, err)
		assert.Equal(t, []barrier.WrappedKey{a1, a2}, keys, "of that level and tenant")
		keys, err = store.Keys(t.Context(), barrier.LevelRoot, "")
		require.NoError(t, err)
		assert.Equal(t, []barrier.WrappedKey{key(barrier.LevelRoot, "", "root", 1), root}, keys)
	})
}

func TestInsert_KeepsTheVersionThatIsThere(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *database.DB, store *barrierstore.Store) {
		above(t, store, "a")
		first := key(barrier.LevelContent, "a", "first", 1)
		inserted, err := store.Insert(t.Context(), first)
		require.NoError(t, err)
		require.True(t, inserted)
		inserted, err = store.Insert(t.Context(), key(barrier.LevelContent, "a", "second", 1))
		require.NoError(t, err)
		assert.False(t, inserted)
		keys, err := store.Keys(t.Context(), barrier.LevelContent, "a")
		require.NoError(t, err)
		assert.Equal(t, []barrier.WrappedKey{first}, keys)

		_, err = store.Insert(t.Context(), key(barrier.LevelContent, "a", "first", 2))
		require.Error(t, err, "an id stands for one key only")
	})
}

func TestInsert_OneOfManyAtOnceWins(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *database.DB, store *barrierstore.Store) {
		for version := range int64(5) {
			var wins atomic.Int32
			var group sync.WaitGroup
			for i := range 8 {
				group.Go(func() {
					inserted, err := store.Insert(t.Context(), key(barrier.LevelRoot, "", fmt.Sprintf("%d by %d", version, i), version+1))
					assert.NoError(t, err)
					if inserted {
						wins.Add(1)
					}
				})
			}
			group.Wait()
			assert.EqualValues(t, 1, wins.Load())
		}
		keys, err := store.Keys(t.Context(), barrier.LevelRoot, "")
		require.NoError(t, err)
		assert.Len(t, keys, 5)
	})
}

func TestInsert_StaysWhenTheCallersWorkIsRolledBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB, store *barrierstore.Store) {
		above(t, store, "a")
		ctx, unit := db.WithUnit(t.Context())
		_, err := store.Insert(ctx, key(barrier.LevelContent, "a", "a1", 1))
		require.NoError(t, err)
		require.NoError(t, db.InTx(ctx, func(ctx context.Context) error {
			_, err := store.Insert(ctx, key(barrier.LevelContent, "a", "a2", 2))
			require.ErrorIs(t, err, database.ErrInTransaction)
			return nil
		}))
		unit.Rollback()
		keys, err := store.Keys(t.Context(), barrier.LevelContent, "a")
		require.NoError(t, err)
		require.Len(t, keys, 1)
		assert.Equal(t, "a1", keys[0].ID)
	})
}

// Somebody deleted a row, or restored a part of the table. A new key in its place would make that final.
func TestInsert_NothingTakesThePlaceOfALostKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB, store *barrierstore.Store) {
		above(t, store, "a", "b")
		_, err := store.Insert(t.Context(), key(barrier.LevelContent, "a", "c1", 1))
		require.NoError(t, err)
		_, err = db.Exec(everywhere(t), "DELETE FROM barrier_keys WHERE level = 'intermediate'")
		require.NoError(t, err)
		_, err = store.Insert(t.Context(), key(barrier.LevelIntermediate, "a", "i2", 1))
		require.ErrorIs(t, err, barrierstore.ErrParentLost)
		inserted, err := store.Insert(t.Context(), key(barrier.LevelIntermediate, "b", "j2", 1))
		require.NoError(t, err)
		assert.True(t, inserted, "nothing was wrapped under it")

		_, err = db.Exec(everywhere(t), "DELETE FROM barrier_keys WHERE level = 'root'")
		require.NoError(t, err)
		_, err = store.Insert(t.Context(), key(barrier.LevelRoot, "", "r2", 1))
		require.ErrorIs(t, err, barrierstore.ErrParentLost)
	})
}

func TestBarrier_ReplicasShareOneHierarchy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *database.DB, store *barrierstore.Store) {
		const replicas = 4
		place := barrier.Binding{Tenant: "a", Purpose: "test", ID: "1"}
		var barriers [replicas]*barrier.Barrier
		var values [replicas]string
		var group sync.WaitGroup
		for i := range replicas {
			group.Go(func() {
				b, err := barrier.New(barrier.Config{Store: store, Now: time.Now})
				if !assert.NoError(t, err) || !assert.NoError(t, b.Unseal(t.Context(), bytes.Repeat([]byte{7}, barrier.UnsealKeySize), "unseal")) {
					return
				}
				w, err := b.Tenant(t.Context(), "a")
				if !assert.NoError(t, err) {
					return
				}
				values[i], err = w.Wrap(place, []byte("value"))
				assert.NoError(t, err)
				barriers[i] = b
			})
		}
		group.Wait()
		require.False(t, t.Failed())
		for _, b := range barriers {
			for _, value := range values {
				plain, err := b.Unwrap(t.Context(), place, value)
				require.NoError(t, err)
				assert.Equal(t, "value", string(plain))
			}
		}
	})
}

// A key whose parent has gone would never open.
func TestInsert_NeedsTheParent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *database.DB, store *barrierstore.Store) {
		above(t, store, "a", "b")
		orphan := key(barrier.LevelContent, "a", "orphan", 1)
		for _, parent := range []string{"nothing", "root", "intermediate of b"} {
			orphan.ParentID = parent
			_, err := store.Insert(t.Context(), orphan)
			require.ErrorIs(t, err, barrier.ErrParentGone, parent)
		}
		child := key(barrier.LevelContent, "a", "child", 1)
		_, err := store.Insert(t.Context(), child)
		require.NoError(t, err)
		orphan.ID, orphan.ParentID = child.ID, "nothing"
		_, err = store.Replace(t.Context(), child, orphan)
		require.ErrorIs(t, err, barrier.ErrParentGone)

		other := key(barrier.LevelRoot, "", "another root", 2)
		other.ParentID = "another unseal key"
		_, err = store.Insert(t.Context(), other)
		require.ErrorIs(t, err, barrier.ErrRekeying, "root keys under two unseal keys would open under neither")
	})
}
