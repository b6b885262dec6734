package changes_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func TestNote_IsHeardWhenItsTransactionCommits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		f, r := following(t, db)
		note(t, db, "a", "key", "1", "2")
		refused := errors.New("refused")
		require.ErrorIs(t, db.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, changes.Note(ctx, db, "a", "key", "rolled back"))
			return refused
		}), refused)
		note(t, db, "a", "client", "3")

		require.NoError(t, f.CatchUp(t.Context()))
		assert.Equal(t, []changes.Change{
			{Tenant: "a", Kind: "key", ID: "1"}, {Tenant: "a", Kind: "key", ID: "2"}, {Tenant: "a", Kind: "client", ID: "3"},
		}, r.take())
		require.NoError(t, f.CatchUp(t.Context()))
		assert.Empty(t, r.take(), "nothing is told twice")
	})
}

func TestNote_NeedsATransactionAndAKind(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		f, r := following(t, db)
		require.ErrorContains(t, changes.Note(t.Context(), db, "a", "key", "1"), "not in a transaction")
		var ended context.Context
		require.ErrorContains(t, db.InTx(t.Context(), func(ctx context.Context) error {
			ended = ctx
			return changes.Note(ctx, db, "a", "", "1")
		}), "kind is missing")
		require.ErrorContains(t, changes.Note(ended, db, "a", "key", "1"), "not in a transaction")
		require.NoError(t, f.CatchUp(t.Context()))
		assert.Empty(t, r.take())
	})
}

func TestNote_InAUnitOfWorkIsHeardWhenTheUnitCommits(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		f, r := following(t, db)
		work, unit := db.WithUnit(t.Context())
		require.NoError(t, db.InTx(work, func(ctx context.Context) error { return changes.Note(ctx, db, "a", "key", "1") }))
		require.ErrorIs(t, f.CatchUp(work), database.ErrInTransaction)
		if db.Engine() == database.EnginePostgres {
			require.NoError(t, f.CatchUp(t.Context()))
			assert.Empty(t, r.take(), "not committed yet")
		}
		require.NoError(t, unit.Commit(work, func(context.Context) error { return nil }))
		require.NoError(t, f.CatchUp(t.Context()))
		assert.Equal(t, []changes.Change{{Tenant: "a", Kind: "key", ID: "1"}}, r.take())
	})
}

func TestSubscribe_HearsItsKind(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		f := newFollower(t, db, nil)
		var keys, clients recorder
		f.Subscribe("key", keys.tell)
		f.Subscribe("client", clients.tell)
		require.NoError(t, f.CatchUp(t.Context()))
		note(t, db, "a", "key", "1")
		note(t, db, "b", "other", "2")
		require.NoError(t, f.CatchUp(t.Context()))
		assert.Equal(t, []changes.Change{{All: true}, {Tenant: "a", Kind: "key", ID: "1"}}, keys.take())
		assert.Equal(t, []changes.Change{{All: true}}, clients.take())
	})
}

func TestFresh_LastsForTheBound(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		clock := newClock()
		f := newFollower(t, db, func(c *changes.Config) { c.Now = clock.Now })
		stale := func() {
			t.Helper()
			var err *changes.StaleError
			require.ErrorAs(t, f.Fresh(), &err)
			assert.Equal(t, "state_unavailable", err.ErrorCode())
			assert.Equal(t, time.Second, err.RetryAfter())
		}
		stale()
		require.NoError(t, f.CatchUp(t.Context()))
		require.NoError(t, f.Fresh())
		clock.advance(time.Second)
		require.NoError(t, f.Fresh())
		clock.advance(time.Microsecond)
		stale()
		require.NoError(t, f.CatchUp(t.Context()))
		require.NoError(t, f.Fresh())
	})
}

func TestCatchUp_IsRefusedInATransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		f := newFollower(t, db, nil)
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			assert.ErrorIs(t, f.CatchUp(ctx), database.ErrInTransaction)
			return nil
		}))
		require.Error(t, f.Fresh())
	})
}

func TestRun_TellsEveryReplica(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dbs := replicas(t, engine, 3)
			heard := make([]*recorder, len(dbs))
			for i, db := range dbs {
				heard[i] = &recorder{}
				f := newFollower(t, db, nil)
				f.Subscribe("", heard[i].tell)
				run(t, f)
				require.Eventually(t, func() bool { return heard[i].len() == 1 }, deadline, time.Millisecond)
				heard[i].take()
			}
			for i, db := range dbs {
				note(t, db, "tenant "+strconv.Itoa(i), "key", "of "+strconv.Itoa(i))
			}
			for i := range dbs {
				require.Eventually(t, func() bool { return heard[i].len() == 3 }, deadline, time.Millisecond)
				assert.ElementsMatch(t, []changes.Change{
					{Tenant: "tenant 0", Kind: "key", ID: "of 0"}, {Tenant: "tenant 1", Kind: "key", ID: "of 1"}, {Tenant: "tenant 2", Kind: "key", ID: "of 2"},
				}, heard[i].take())
			}
		})
	}
}

func TestFollower_SurvivesThatTheDatabaseGoesAway(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		clock, r := newClock(), &recorder{}
		f := newFollower(t, db, func(c *changes.Config) { c.Now = clock.Now })
		f.Subscribe("", r.tell)
		require.NoError(t, f.CatchUp(t.Context()))
		r.take()

		execute(t, db, `ALTER TABLE change_lanes RENAME TO away`)
		require.Error(t, f.CatchUp(t.Context()))
		require.NoError(t, f.Fresh(), "it knows what it read last")
		clock.advance(2 * time.Second)
		require.Error(t, f.CatchUp(t.Context()))
		require.Error(t, f.Fresh())

		execute(t, db, `ALTER TABLE away RENAME TO change_lanes`)
		note(t, db, "a", "key", "1")
		require.Error(t, f.Fresh(), "not before it has read")
		require.NoError(t, f.CatchUp(t.Context()))
		require.NoError(t, f.Fresh())
		assert.Equal(t, []changes.Change{{Tenant: "a", Kind: "key", ID: "1"}}, r.take(), "and nothing else was lost")
	})
}

func TestFollower_ThatReadsHalfTellsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		f, r := following(t, db)
		for i := range 20 { // in several lanes
			note(t, db, fmt.Sprintf("tenant %d", i), "key", "1")
		}
		execute(t, db, `ALTER TABLE changes RENAME TO away`)
		require.Error(t, f.CatchUp(t.Context()))
		require.Empty(t, r.take())
		execute(t, db, `ALTER TABLE away RENAME TO changes`)
		require.NoError(t, f.CatchUp(t.Context()))
		assert.Len(t, r.take(), 20)
	})
}

func TestRun_GoesOnWhenTheServerIsBack(t *testing.T) {
	t.Parallel()
	cfg := dbtest.Fresh(t, database.EnginePostgres, sets()...)
	direct := dbtest.Open(t, cfg, sets()...)
	cfg, relay := newRelay(t, cfg)
	db, r := dbtest.Open(t, cfg), &recorder{}
	f := newFollower(t, db, nil)
	f.Subscribe("", r.tell)
	run(t, f)
	fresh := func() bool { return f.Fresh() == nil }
	require.Eventually(t, fresh, deadline, time.Millisecond)
	r.take()

	relay.set(true)
	note(t, direct, "a", "key", "1")
	require.Eventually(t, func() bool { return !fresh() }, deadline, time.Millisecond)
	assert.Empty(t, r.take())
	relay.set(false)
	require.Eventually(t, fresh, deadline, time.Millisecond)
	assert.Equal(t, []changes.Change{{Tenant: "a", Kind: "key", ID: "1"}}, r.take())
}

func TestRun_IsRefusedInATransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *database.DB) {
		f := newFollower(t, db, nil)
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
			assert.ErrorIs(t, f.Run(ctx), database.ErrInTransaction)
			return nil
		}))
	})
}

func TestNew_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := changes.New(changes.Config{})
	require.ErrorContains(t, err, "required")
	db := dbtest.Open(t, dbtest.Fresh(t, database.EngineSQLite))
	_, err = changes.New(changes.Config{DB: db, Log: dbtest.Options(t).Log, Now: time.Now, Bound: -1})
	require.ErrorContains(t, err, "negative")
}
