package audit_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

func encryption(key string) audit.Observation {
	return audit.Observation{
		Event: audit.Event{
			Tenant: "acme", Action: "encrypt", Actor: audit.Actor{Kind: "client", ID: "c1"}, Object: audit.Object{Kind: "key", ID: key, Version: 2},
			RequestID: "r", Address: netip.MustParseAddr("192.0.2.1"),
		},
		Known: true, DataPlane: true,
	}
}

// total adds up the counts of a chain's events.
func total(events []map[string]any) (n int) {
	for _, e := range events {
		if count, ok := e["count"].(float64); ok {
			n += int(count)
		} else {
			n++
		}
	}
	return n
}

func TestObserve_CountsExactlyWhatIsTheSame(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		const callers, calls = 4, 500
		var work sync.WaitGroup
		for c := range callers {
			work.Go(func() {
				for i := range calls {
					o := encryption(fmt.Sprint("k", i%2))
					o.Address = netip.AddrFrom4([4]byte{192, 0, 2, byte(c)})
					r.Observe(o)
				}
			})
		}
		work.Wait()
		denied := encryption("k0")
		denied.Outcome, denied.Code = audit.Denied, "scope_missing"
		r.clock.move(300 * time.Millisecond)
		r.Observe(denied)
		require.NoError(t, r.Flush(t.Context()))
		r.Observe(encryption("k0"))
		require.NoError(t, r.Flush(t.Context()))
		require.NoError(t, r.Flush(t.Context()))
		r.sequence()
		found := r.intact("acme")
		assert.Len(t, found, 4)
		assert.Equal(t, callers*calls+2, total(found))
		last := found[3]
		assert.NotContains(t, last, "count")
		assert.Contains(t, last, "address_hash")
		for _, e := range found {
			if e["count"] != nil {
				assert.NotContains(t, e, "address_hash", "several addresses")
			}
			assert.NotContains(t, e, "request_id")
		}
	})
}

func TestObserve_EachKeepsRequestsApart(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		for i := range 10 {
			o := encryption("k")
			o.RequestID = fmt.Sprint(i)
			r.Observe(o)
		}
		require.NoError(t, r.Flush(t.Context()))
		r.sequence()
		assert.Len(t, r.intact("acme"), 10)
	}, func(c *audit.Config) { c.DataPlane = audit.Each })
}

func TestObserve_RecordedEventsOnlyWhenTheyFailed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		o := audit.Observation{Event: audit.Event{Tenant: "acme", Action: "done", Outcome: audit.Allowed}, Known: true, Recorded: true}
		r.Observe(o)
		o.Action, o.Outcome = "rolled back", audit.Failed
		r.Observe(o)
		require.NoError(t, r.Flush(t.Context()))
		r.sequence()
		assert.Equal(t, []string{"rolled back"}, actions(r.intact("acme")))
	})
}

func TestObserve_FloodOfUnknownTenantsFillsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		const flood = 20_000
		for i := range flood {
			r.Observe(audit.Observation{Event: audit.Event{
				Tenant: fmt.Sprint("t", i), Action: "authenticate", Outcome: audit.Denied, Code: "unauthenticated", RequestID: fmt.Sprint(i),
				Actor: audit.Actor{Name: fmt.Sprint("somebody", i)}, Address: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}),
			}})
		}
		r.Observe(audit.Observation{Event: audit.Event{Action: "authenticate", Outcome: audit.Denied, Code: "unauthenticated"}})
		require.NoError(t, r.Flush(t.Context()))
		r.sequence()
		found := r.intact(audit.System)
		assert.Equal(t, flood+1, total(found))
		assert.LessOrEqual(t, len(found), 3)
		assert.Equal(t, 1, r.count("SELECT count(*) FROM audit_chains"))
	})
}

func TestObserve_FloodAtAKnownTenantIsCountedWithLessDetail(t *testing.T) {
	t.Parallel()
	r := newReplica(t, dbtest.Open(t, dbtest.Fresh(t, database.EngineSQLite, platform()...), platform()...))
	require.NoError(t, r.Prepare(t.Context()))
	const flood = 4_200
	for i := range flood {
		r.Observe(audit.Observation{Event: audit.Event{
			Tenant: "acme", Action: "login", Outcome: audit.Denied, Code: "unauthenticated", RequestID: fmt.Sprint(i), Actor: audit.Actor{Name: fmt.Sprint(i)},
		}})
		o := encryption(fmt.Sprint(i))
		o.Outcome, o.Code = audit.Failed, "not_found"
		r.Observe(o)
	}
	require.NoError(t, r.Flush(t.Context()))
	r.sequence()
	found := r.intact("acme")
	assert.Equal(t, 2*flood, total(found))
	assert.LessOrEqual(t, len(found), 4096+256+2)
}

func TestObserve_OperatorsBelongToNoTenant(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.Observe(audit.Observation{Event: audit.Event{Action: "shutdown", Actor: audit.Actor{Kind: "operator", ID: "root"}, RequestID: "r"}, Known: true})
		r.Observe(audit.Observation{Event: audit.Event{Action: "shutdown", Outcome: audit.Denied, Actor: audit.Actor{Name: "mallory"}, RequestID: "r"}})
		require.NoError(t, r.Flush(t.Context()))
		r.sequence()
		found := r.intact(audit.System)
		require.Len(t, found, 2)
		for _, e := range found {
			if e["outcome"] == audit.Denied {
				assert.NotContains(t, e, "actor")
				assert.NotContains(t, e, "request_id")
			} else {
				assert.Equal(t, map[string]any{"kind": "operator", "id": "root"}, e["actor"])
			}
		}
	})
}

func TestFlush_OutcomeOfTheCommitIsLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*dbtest.Fault){"commit": (*dbtest.Fault).LoseNextCommit, "answer": (*dbtest.Fault).LoseNextAnswer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, fault := dbtest.Faulty(t, dbtest.Fresh(t, database.EnginePostgres, platform()...))
			r := newReplica(t, dbtest.Open(t, cfg, platform()...))
			require.NoError(t, r.Prepare(t.Context()))
			for i := range 5 {
				r.Observe(encryption("k"))
				lose(fault)
				require.NoError(t, r.Flush(t.Context()), "it is in the journal")
				lose(fault)
				require.NoError(t, r.RecordNow(t.Context(), audit.Event{Tenant: "acme", Action: fmt.Sprint("now", i)}))
				lose(fault)
				_ = r.TakeOver(t.Context())
				lose(fault)
				_ = r.Sequence(t.Context(), unfenced)
			}
			_ = r.TakeOver(t.Context()) // it may meet the last fault
			require.NoError(t, r.TakeOver(t.Context()))
			_ = r.Sequence(t.Context(), unfenced)
			r.sequence()
			found := r.intact("acme")
			assert.Len(t, found, 10)
			assert.Equal(t, 10, total(found), "each once")
			assert.NotContains(t, r.log.String(), "damaged")
		})
	}
}

func TestJournal_TakesWhatTheDatabaseDoesNot(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		mend := r.breaks("INSERT", "audit_pending")
		for i := range 20 {
			r.Observe(encryption(fmt.Sprint(i)))
			require.Error(t, r.Flush(t.Context()))
			require.NoError(t, r.RecordNow(t.Context(), audit.Event{Tenant: "acme", Action: "operator.login", Actor: audit.Actor{Name: "root"}}))
			require.NoError(t, r.RecordLocal(audit.Event{Tenant: audit.System, Action: "local"}))
			require.Error(t, r.TakeOver(t.Context()))
		}
		err := r.db.InTx(t.Context(), func(ctx context.Context) error { return r.Record(ctx, audit.Event{Tenant: "acme", Action: "change"}) })
		require.Error(t, err, "a change whose event cannot be stored fails")
		mend()

		// The note that the journal was taken over is written, and the journal not cleared, as after a crash.
		file := read(t, r.journal)
		assert.NotContains(t, file, "root")
		assert.NotContains(t, file, "192.0.2.1")
		require.NoError(t, r.TakeOver(t.Context()))
		r.sequence()
		require.NoError(t, r.Close())
		write(t, r.journal, file)
		again := newReplica(t, r.db, func(c *audit.Config) { c.JournalFile = r.journal })
		require.NoError(t, again.RecordLocal(audit.Event{Tenant: audit.System, Action: "after"}))
		require.NoError(t, again.Prepare(t.Context()))
		require.NoError(t, again.TakeOver(t.Context()))
		again.sequence()
		assert.Len(t, again.intact("acme"), 40)
		assert.Len(t, again.intact(audit.System), 21)
		require.NoError(t, again.TakeOver(t.Context()))
		again.sequence()
		assert.Len(t, again.intact(audit.System), 21)
	})
}

func TestJournal_DamagedLineIsRecorded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		require.NoError(t, r.RecordLocal(audit.Event{Tenant: "acme", Action: "first"}))
		require.NoError(t, r.RecordLocal(audit.Event{Tenant: "acme", Action: "second"}))
		require.NoError(t, r.RecordLocal(audit.Event{Tenant: "acme", Action: "third"}))
		file := read(t, r.journal)
		require.NoError(t, r.Close())
		write(t, r.journal, replaceOnce(file, `"action":"second"`, `"action":"se`))
		again := newReplica(t, r.db, func(c *audit.Config) { c.JournalFile = r.journal })
		require.NoError(t, again.Prepare(t.Context()))
		require.NoError(t, again.TakeOver(t.Context()))
		again.sequence()
		assert.Equal(t, []string{"first", "third"}, actions(again.intact("acme")))
		assert.Equal(t, []string{"audit.journal_damaged"}, actions(again.intact(audit.System)))
	})
}
