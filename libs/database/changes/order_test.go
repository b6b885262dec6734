package changes_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// TestNote_NumbersAreCommittedInTheirOrder lets many writers on three replicas count up a value and note it, in transactions of which some
// are rolled back, while a follower reads all the time. Whatever it hears must be 1, 2, 3, ... for each tenant: a number that became visible
// after a later one would be missed.
func TestNote_NumbersAreCommittedInTheirOrder(t *testing.T) {
	t.Parallel()
	const writers, each = 12, 25
	tenants := []string{"a", "b", "c"}
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dbs := replicas(t, engine, 4)
			heard := map[string][]string{}
			f := newFollower(t, dbs[3], func(c *changes.Config) { c.Interval, c.Bound = time.Millisecond, deadline })
			f.Subscribe("", func(c changes.Change) {
				if !c.All {
					heard[c.Tenant] = append(heard[c.Tenant], c.ID) // read after the follower has ended
				}
			})
			require.NoError(t, f.CatchUp(t.Context()))
			ctx, stop := context.WithCancel(t.Context())
			var following sync.WaitGroup
			following.Go(func() { assert.NoError(t, f.Run(ctx)) })

			var writing sync.WaitGroup
			for w := range writers {
				db, tenant := dbs[w%3], tenants[w%len(tenants)]
				writing.Go(func() {
					for range each {
						countUp(t, db, tenant)
					}
				})
			}
			writing.Wait()
			require.NoError(t, f.CatchUp(t.Context()))
			stop()
			following.Wait()

			for _, tenant := range tenants {
				var value int
				require.NoError(t, dbs[0].QueryRow(t.Context(), `SELECT value FROM facts WHERE tenant_id = $1`, tenant).Scan(&value))
				require.Equal(t, writers/len(tenants)*each, value)
				want := make([]string, value)
				for i := range want {
					want[i] = strconv.Itoa(i + 1)
				}
				assert.Equal(t, want, heard[tenant])
			}
		})
	}
}

// countUp changes a fact and notes its new value, after some attempts that are given up.
func countUp(t *testing.T, db *database.DB, tenant string) {
	givenUp := errors.New("given up")
	for {
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			var value int
			err := db.QueryRow(ctx, `INSERT INTO facts (tenant_id, id, value) VALUES ($1, 'count', 1)
				ON CONFLICT (tenant_id, id) DO UPDATE SET value = facts.value + 1 RETURNING value`, tenant).Scan(&value)
			if err != nil {
				return err
			}
			if err := changes.Note(ctx, db, tenant, "fact", strconv.Itoa(value)); err != nil {
				return err
			}
			if rand.IntN(4) == 0 {
				return givenUp
			}
			return nil
		})
		if !errors.Is(err, givenUp) {
			assert.NoError(t, err)
			return
		}
	}
}

// TestNote_MakesOnlyItsLaneWait holds a transaction open after its note.
func TestNote_MakesOnlyItsLaneWait(t *testing.T) {
	t.Parallel()
	dbs := replicas(t, database.EnginePostgres, 2)
	f, r := following(t, dbs[1])
	require.NoError(t, dbs[0].InTx(t.Context(), func(ctx context.Context) error {
		if err := changes.Note(ctx, dbs[0], "a", "key", "first"); err != nil {
			return err
		}
		blocked := 0
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := dbs[1].InTx(ctx, func(ctx context.Context) error { return changes.Note(ctx, dbs[1], strconv.Itoa(i), "key", "second") })
			cancel()
			if err != nil {
				blocked++
			}
		}
		assert.Less(t, blocked, 10, "of 20 tenants, only those of one lane of eight wait")
		require.NoError(t, f.CatchUp(t.Context()))
		for _, change := range r.take() {
			assert.Equal(t, "second", change.ID)
		}
		return nil
	}))
	require.NoError(t, f.CatchUp(t.Context()))
	assert.Equal(t, []changes.Change{{Tenant: "a", Kind: "key", ID: "first"}}, r.take())
}

// TestCatchUp_HearsWhatWasCommittedBeforeItWasCalled has many writers that look at once for their own change.
func TestCatchUp_HearsWhatWasCommittedBeforeItWasCalled(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		f := newFollower(t, db, func(c *changes.Config) { c.Bound = deadline })
		var heard sync.Map
		f.Subscribe("key", func(c changes.Change) { heard.Store(c.ID, true) })
		require.NoError(t, f.CatchUp(t.Context()))
		var writing sync.WaitGroup
		for w := range 8 {
			writing.Go(func() {
				for i := range 10 {
					id := strconv.Itoa(w) + "/" + strconv.Itoa(i)
					if !assert.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error { return changes.Note(ctx, db, id, "key", id) })) ||
						!assert.NoError(t, f.CatchUp(t.Context())) {
						return
					}
					_, found := heard.Load(id)
					assert.True(t, found, "%s", id)
				}
			})
		}
		writing.Wait()
	})
}

// TestFollower_AWritersOwnReplicaKnowsWhenItsTransactionReturns also holds before Run, and for a unit of work, whose end is its commit.
func TestFollower_AWritersOwnReplicaKnowsWhenItsTransactionReturns(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		r := &recorder{}
		f, err := changes.New(changes.Config{DB: db, Log: slog.New(slog.DiscardHandler), Now: time.Now, Interval: time.Hour, Bound: deadline})
		require.NoError(t, err)
		f.Subscribe("", r.tell)
		require.NoError(t, f.CatchUp(t.Context()))
		r.take()
		note(t, db, "a", "key", "1")
		assert.Equal(t, []changes.Change{{Tenant: "a", Kind: "key", ID: "1"}}, r.take())

		work, unit := db.WithUnit(t.Context())
		require.NoError(t, db.InTx(work, func(ctx context.Context) error { return changes.Note(ctx, db, "a", "key", "2") }))
		assert.Empty(t, r.take())
		require.NoError(t, unit.Commit(work, func(context.Context) error { return nil }))
		assert.Equal(t, []changes.Change{{Tenant: "a", Kind: "key", ID: "2"}}, r.take())
	})
}
