package tenants_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

const week = 7 * 24 * time.Hour

func (f *fixture) add(t *testing.T, id string, isolation tenants.Isolation, books int) {
	t.Helper()
	_, err := f.Create(t.Context(), id, "Name", isolation)
	require.NoError(t, err)
	require.NoError(t, fill(t.Context(), f.db, id, books))
}

func TestPurge_RemovesEverythingAfterTheWait(t *testing.T) {
	t.Parallel()
	eachIsolation(t, func(t *testing.T, f *fixture, isolation tenants.Isolation) {
		ctx := t.Context()
		f.add(t, "acme", isolation, 1100) // more than two batches
		f.add(t, "umbrella", isolation, 3)
		kept := rows(t, f.db, "umbrella")
		_, err := f.Delete(ctx, "acme", 0)
		require.NoError(t, err)

		before := rows(t, f.db, "acme")
		f.advance(week - time.Second)
		require.NoError(t, f.Purge(ctx))
		assert.Equal(t, before, rows(t, f.db, "acme"))

		f.advance(time.Second)
		f.notes.take()
		require.NoError(t, f.Purge(ctx))
		assert.Zero(t, rows(t, f.db, "acme"))
		assert.NotEmpty(t, f.notes.take())
		_, err = f.Restore(ctx, "acme", 0)
		require.ErrorIs(t, err, tenants.ErrState, "its rows are gone")

		require.NoError(t, fill(ctx, f.db, "acme", 2), "a request that is still at work")
		f.advance(2 * time.Minute)
		require.NoError(t, f.Purge(ctx))
		assert.Zero(t, rows(t, f.db, "acme"))
		_, err = f.Get(ctx, "acme")
		require.ErrorIs(t, err, tenants.ErrNotFound)
		require.ErrorIs(t, f.Tenant(ctx, "acme"), tenants.ErrNotFound)
		require.NoError(t, f.Purge(ctx))

		_, err = f.Create(ctx, "acme", "", tenants.IsolationRow)
		require.ErrorIs(t, err, tenants.ErrExists, "an id is not given out again")
		require.NoError(t, f.Import(ctx, map[string]string{"acme": ""}))
		require.ErrorIs(t, f.Tenant(ctx, "acme"), tenants.ErrNotFound)
		assert.Equal(t, kept, rows(t, f.db, "umbrella"))
		require.NoError(t, f.Tenant(ctx, "umbrella"))
	})
}

func TestPurge_KeysGoFirst(t *testing.T) {
	t.Parallel()
	dbtest.EachTenancy(t, sets(), func(t *testing.T, db *database.DB) {
		var forgotten atomic.Int32
		errStop := errors.New("stop")
		f := newFixture(t, db, func(cfg *tenants.Config) {
			cfg.Keep = []string{"c_loans"} // and so b_books cannot go either: the removal is cut off there
			cfg.Forget = func(_ context.Context, id string) error {
				assert.Equal(t, "acme", id)
				if forgotten.Add(1) == 1 {
					return errStop
				}
				return nil
			}
		})
		f.add(t, "acme", tenants.IsolationRow, 5)
		_, err := f.Delete(t.Context(), "acme", 0)
		require.NoError(t, err)
		f.advance(week)
		require.ErrorIs(t, f.Purge(t.Context()), errStop)
		require.ErrorContains(t, f.Purge(t.Context()), "b_books")
		var keys, loans int
		ctx := database.WithTenant(t.Context(), "acme")
		require.NoError(t, db.QueryRow(ctx, "SELECT (SELECT count(*) FROM barrier_keys), (SELECT count(*) FROM c_loans)").Scan(&keys, &loans))
		assert.Zero(t, keys)
		assert.Equal(t, 5, loans)
		_, err = f.Restore(t.Context(), "acme", 0)
		require.ErrorIs(t, err, tenants.ErrState)
	})
}

func TestPurge_OverwritesKeysInTheFile(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EngineSQLite, sets()...)
	f := newFixture(t, dbtest.Open(t, cfg, sets()...))
	f.add(t, "acme", tenants.IsolationRow, 1)
	found := func() bool {
		_, err := f.db.Exec(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
		require.NoError(t, err)
		for _, file := range []string{cfg.Path.String(), cfg.Path.String() + "-wal"} {
			content, err := os.ReadFile(filepath.Clean(file))
			require.NoError(t, err)
			if bytes.Contains(content, []byte("secret-key-material")) {
				return true
			}
		}
		return false
	}
	require.True(t, found(), "the test can see it")
	_, err := f.Delete(t.Context(), "acme", 0)
	require.NoError(t, err)
	f.advance(week)
	require.NoError(t, f.Purge(t.Context()))
	assert.False(t, found())
}

func TestPurge_UnderConcurrentWriters(t *testing.T) {
	t.Parallel()
	eachIsolation(t, func(t *testing.T, f *fixture, isolation tenants.Isolation) {
		f.add(t, "acme", isolation, 20)
		f.add(t, "umbrella", isolation, 20)
		others := rows(t, f.db, "umbrella")
		var wrote, refused atomic.Int32
		var group sync.WaitGroup
		for w := range 3 {
			group.Go(func() {
				for n := 0; ; n++ { // what a request does
					if err := f.Tenant(t.Context(), "acme"); err != nil {
						assert.ErrorIs(t, err, tenants.ErrSuspended)
						refused.Add(1)
						return
					}
					ctx := database.WithTenant(t.Context(), "acme")
					_, err := f.db.Exec(ctx, "INSERT INTO a_pages (tenant_id, book, number) VALUES ('acme', $1, $2)", string(rune('a'+w)), n)
					assert.NoError(t, err)
					wrote.Add(1)
				}
			})
		}
		require.Eventually(t, func() bool { return wrote.Load() > 20 }, 10*time.Second, time.Millisecond)
		_, err := f.Delete(t.Context(), "acme", 0)
		require.NoError(t, err)
		f.advance(week)
		for range 2 {
			group.Go(func() { assert.NoError(t, f.Purge(t.Context())) })
		}
		group.Wait()
		assert.EqualValues(t, 3, refused.Load())
		f.advance(2 * time.Minute)
		require.NoError(t, f.Purge(t.Context()))
		assert.Zero(t, rows(t, f.db, "acme"))
		assert.Equal(t, others, rows(t, f.db, "umbrella"))
	})
}
