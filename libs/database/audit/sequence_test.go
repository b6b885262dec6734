package audit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func TestSequence_EventThatCommitsLateGetsItsNumber(t *testing.T) {
	t.Parallel()
	// On SQLite there is one writer, so nothing commits late.
	db := dbtest.Open(t, dbtest.Fresh(t, database.EnginePostgres, platform()...), platform()...)
	r := newReplica(t, db)
	require.NoError(t, r.Prepare(t.Context()))
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context) error {
		require.NoError(t, r.Record(ctx, audit.Event{Tenant: "acme", Action: "late"}))
		for range 3 { // each has a later id, and is numbered before
			r.record(audit.Event{Action: "early"})
			r.sequence()
		}
		return nil
	}))
	r.sequence()
	assert.Equal(t, []string{"early", "early", "early", "late"}, actions(r.intact("acme")))
}

func TestSequence_ManyWritersAndTwoReplicasLoseAndRepeatNothing(t *testing.T) {
	t.Parallel()
	dbtestEach(t, func(t *testing.T, db *database.DB) {
		replicas := []*replica{newReplica(t, db), newReplica(t, db)}
		require.NoError(t, replicas[0].Prepare(t.Context()))
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var sequencers, writers sync.WaitGroup
		for _, r := range replicas {
			// Nothing keeps the two apart, as when a lease is lost and nobody notices.
			sequencers.Go(func() {
				for ctx.Err() == nil {
					_ = r.Sequence(ctx, unfenced)
				}
			})
		}
		const count, each = 6, 40
		for w := range count {
			writers.Go(func() {
				for i := range each {
					err := db.InTx(t.Context(), func(ctx context.Context) error {
						return replicas[w%2].Record(ctx, audit.Event{Tenant: []string{"acme", "other"}[i%2], Action: fmt.Sprint(w, "-", i)})
					})
					assert.NoError(t, err)
				}
			})
		}
		writers.Wait()
		stop()
		sequencers.Wait()
		replicas[0].sequence()
		seen := map[string]bool{}
		for _, tenant := range []string{"acme", "other"} {
			for _, name := range actions(replicas[0].intact(tenant)) {
				assert.False(t, seen[name], "%s twice", name)
				seen[name] = true
			}
		}
		assert.Len(t, seen, count*each)
		assert.NotContains(t, replicas[0].log.String()+replicas[1].log.String(), "damaged")
	})
}

func TestSequence_WhoHasLostTheLeaseChangesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.record(audit.Event{Action: "a"})
		lost := errors.New("lost")
		require.ErrorIs(t, r.Sequence(t.Context(), func(context.Context) error { return lost }), lost)
		assert.Equal(t, 1, r.count("SELECT count(*) FROM audit_pending"))
		assert.Zero(t, r.count("SELECT count(*) FROM audit_events"))

		// In the middle: the lease goes after the first of several batches.
		for range 3 {
			r.recordMany(300)
		}
		batches := 0
		require.ErrorIs(t, r.Sequence(t.Context(), func(context.Context) error {
			if batches++; batches > 1 {
				return lost
			}
			return nil
		}), lost)
		assert.Equal(t, 500, r.count("SELECT count(*) FROM audit_events"))
		other := newReplica(t, r.db)
		other.sequence()
		assert.Len(t, other.intact("acme"), 901)
		r.recordMany(1)
		r.sequence() // the first replica again: it takes the end from the database
		assert.Len(t, r.intact("acme"), 902)
	})
}

func (r *replica) recordMany(n int) {
	r.t.Helper()
	require.NoError(r.t, r.db.InTx(r.t.Context(), func(ctx context.Context) error {
		for range n {
			if err := r.Record(ctx, audit.Event{Tenant: "acme", Action: "many"}); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestSequence_SignsEveryThousandAndEveryMinute(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recordMany(2300)
		r.sequence()
		assert.Equal(t, 2, r.count("SELECT count(*) FROM audit_checkpoints"))
		r.clock.move(59 * time.Second)
		r.sequence()
		assert.Equal(t, 2, r.count("SELECT count(*) FROM audit_checkpoints"))
		r.clock.move(time.Second)
		r.sequence()
		r.sequence()
		assert.Equal(t, 3, r.count("SELECT count(*) FROM audit_checkpoints"))
		var seqs []int64
		for _, c := range r.logged() {
			seqs = append(seqs, c.Seq)
		}
		assert.Equal(t, []int64{1000, 2000, 2300}, seqs, "each is in the log, once it is committed")
		r.clock.move(time.Hour)
		r.sequence()
		assert.Equal(t, 3, r.count("SELECT count(*) FROM audit_checkpoints"), "nothing new, nothing to sign")
		result, err := r.verify(r.export("acme"), r.logged()...)
		require.NoError(t, err)
		assert.Equal(t, int64(2300), result.Signed)
	})
}

func TestSequence_ClockThatJumps(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		for _, jump := range []time.Duration{0, 10 * 365 * 24 * time.Hour, -20 * 365 * 24 * time.Hour, 10 * 365 * 24 * time.Hour} {
			r.clock.move(jump)
			r.recorded(2)
		}
		assert.Len(t, r.intact("acme"), 8, "in the order in which they were stored")
		r.clock.move(-365 * 24 * time.Hour)
		r.sequence()
		assert.Zero(t, r.count("SELECT count(*) FROM audit_chains WHERE seq > signed_seq"), "a time in the future is signed at once")
	})
}

func TestRun_OneReplicaNumbersAndAnotherTakesOver(t *testing.T) {
	t.Parallel()
	dbtestEach(t, func(t *testing.T, db *database.DB) {
		first, second := newReplica(t, db), newReplica(t, db)
		ctx, stop := context.WithCancel(t.Context())
		var runs sync.WaitGroup
		runs.Go(func() { assert.NoError(t, first.Run(ctx)) })
		numbered := func(n int) {
			t.Helper()
			require.Eventually(t, func() bool { return first.count("SELECT count(*) FROM audit_events WHERE tenant_id = 'acme'") == n }, 20*time.Second, 20*time.Millisecond)
		}
		require.Eventually(t, func() bool {
			return db.InTx(t.Context(), func(ctx context.Context) error { return first.Record(ctx, audit.Event{Tenant: "acme", Action: "a"}) }) == nil
		}, 20*time.Second, 10*time.Millisecond, "Run makes the keys")
		numbered(1)
		own, stopSecond := context.WithCancel(t.Context())
		runs.Go(func() { assert.NoError(t, second.Run(own)) })
		second.record(audit.Event{Action: "b"})
		numbered(2)
		first.Observe(audit.Observation{Event: audit.Event{Tenant: "acme", Action: "c"}, Known: true})
		stop() // it stores what it has observed, and gives the lease back
		numbered(3)
		second.record(audit.Event{Action: "d"})
		numbered(4)
		stopSecond()
		runs.Wait()
		assert.Equal(t, []string{"a", "b", "c", "d"}, actions(first.intact("acme")))
	})
}

// breaks makes every statement of a kind on a table fail until mend is called.
func (r *replica) breaks(statement, table string) (mend func()) {
	r.t.Helper()
	if r.db.Engine() == database.EngineSQLite {
		r.exec("CREATE TRIGGER broken BEFORE " + statement + " ON " + table + " BEGIN SELECT RAISE(ABORT, 'broken'); END")
		return func() { r.exec("DROP TRIGGER broken") }
	}
	r.exec("CREATE OR REPLACE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''broken''; END'")
	r.exec("CREATE TRIGGER broken BEFORE " + statement + " ON " + table + " EXECUTE FUNCTION broken()")
	return func() { r.exec("DROP TRIGGER broken ON " + table) }
}

func TestSequence_FailureOfAnyStatementChangesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(1)
		recorded := 1
		for _, step := range [][2]string{
			{"INSERT", "audit_events"}, {"UPDATE", "audit_chains"}, {"INSERT", "audit_chains"}, {"DELETE", "audit_pending"}, {"INSERT", "audit_checkpoints"},
		} {
			r.recordMany(400)
			r.record(audit.Event{Tenant: fmt.Sprint("new", recorded), Action: "a"})
			recorded += 400
			mend := r.breaks(step[0], step[1])
			for range 2 {
				r.clock.move(61 * time.Second)
				_ = r.Sequence(t.Context(), unfenced)
			}
			mend()
			r.sequence()
			assert.Len(t, r.intact("acme"), recorded, "%v", step)
			assert.NotContains(t, r.log.String(), "damaged", "%v", step)
		}
	})
}
