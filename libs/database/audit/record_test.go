package audit_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
)

func TestRecord_IsThereWithItsTransactionOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		refused := errors.New("refused")
		err := r.db.InTx(t.Context(), func(ctx context.Context) error {
			require.NoError(t, r.Record(ctx, audit.Event{Tenant: "acme", Action: "lost"}))
			return refused
		})
		require.ErrorIs(t, err, refused)
		require.Error(t, r.Record(t.Context(), audit.Event{Tenant: "acme", Action: "alone"}), "outside of a transaction")
		require.NoError(t, r.db.InTx(database.WithTenant(t.Context(), "acme"), func(ctx context.Context) error {
			return r.Record(ctx, audit.Event{Action: "kept"})
		}))
		r.sequence()
		assert.Equal(t, []string{"kept"}, actions(r.intact("acme")))
	})
}

func TestRecord_HoldsWhoWhatAndWhereWithoutPersonalData(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		address := netip.MustParseAddr("203.0.113.77")
		e := audit.Event{
			Actor: audit.Actor{Kind: "user", ID: "u1", Name: "alice@example.org"}, Action: "key.rotate",
			Object: audit.Object{Kind: "key", ID: "k1", Version: 3}, Outcome: audit.Denied, Code: "scope_missing", RequestID: "r1",
			Address: netip.AddrFrom16(address.As16()), // as a dual-stack socket has it
			Fields:  []audit.Field{audit.Text("reason", "<b>\x00\u2028"), audit.Number("limit", 7), audit.Flag("dry_run", true)},
		}
		r.record(e)
		e.Tenant = "other"
		r.record(e)
		r.sequence()
		export := r.export("acme")
		assert.NotContains(t, export, "alice")
		assert.NotContains(t, export, "203.0.113")
		event, other := r.intact("acme")[0], r.intact("other")[0]
		addressHash, nameHash := event["address_hash"], event["actor"].(map[string]any)["name_hash"]
		assert.Len(t, addressHash, 22, "128 bits")
		assert.Len(t, nameHash, 22)
		assert.NotEqual(t, addressHash, nameHash)
		assert.NotEmpty(t, event["id"])
		delete(event, "id")
		assert.Equal(t, map[string]any{
			"tenant": "acme", "time": "2030-01-02T03:04:05.000006Z", "action": "key.rotate", "outcome": "denied", "code": "scope_missing",
			"actor":  map[string]any{"kind": "user", "id": "u1", "name_hash": nameHash},
			"object": map[string]any{"kind": "key", "id": "k1", "version": 3.0}, "request_id": "r1", "address_hash": addressHash,
			"fields": map[string]any{"reason": "<b>\ufffd\u2028", "limit": 7.0, "dry_run": true},
		}, event)
		assert.NotEqual(t, addressHash, other["address_hash"], "tenants' hashes cannot be compared")
		assert.NotEqual(t, nameHash, other["actor"].(map[string]any)["name_hash"])
	})
}

func TestRecord_EventsOfOneAddressOrNameCanBeToldToBelongTogether(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		address := netip.MustParseAddr("203.0.113.77")
		for _, e := range []audit.Event{
			{Address: address, Actor: audit.Actor{Name: "alice"}},
			{Address: netip.AddrFrom16(address.As16()), Actor: audit.Actor{Name: "bob"}}, // as a dual-stack socket has it
			{Address: netip.MustParseAddr("203.0.113.78"), Actor: audit.Actor{Name: "alice"}},
		} {
			e.Action = "login"
			r.record(e)
		}
		r.sequence()
		events := r.intact("acme")
		require.Len(t, events, 3)
		name := func(i int) any { return events[i]["actor"].(map[string]any)["name_hash"] }
		assert.Equal(t, events[0]["address_hash"], events[1]["address_hash"])
		assert.NotEqual(t, events[0]["address_hash"], events[2]["address_hash"])
		assert.Equal(t, name(0), name(2))
		assert.NotEqual(t, name(0), name(1))
	})
}

func TestRecord_RefusesWhatIsNoEvent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		for name, e := range map[string]audit.Event{
			"no action": {Tenant: "acme"}, "no tenant": {Action: "a"}, "all tenants": {Action: "a", Tenant: database.AllTenants},
			"outcome": {Action: "a", Tenant: "acme", Outcome: "perhaps"},
			"fields":  {Action: "a", Tenant: "acme", Fields: []audit.Field{audit.Text("a", ""), audit.Flag("a", true)}},
		} {
			err := r.db.InTx(t.Context(), func(ctx context.Context) error { return r.Record(ctx, e) })
			require.Error(t, err, name)
		}
	})
}

func TestRecord_TakesWhateverACallerHasSent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		for _, text := range []string{"\x00", "\xff\xfe", strings.Repeat("ä", 100_000), "a\nb", "\u202e", `"\`, "</script>"} {
			r.record(audit.Event{
				Action: text, Actor: audit.Actor{Kind: text, ID: text, Name: text}, Object: audit.Object{Kind: text, ID: text}, Code: text, RequestID: text,
				Fields: []audit.Field{audit.Text(text, text)},
			})
		}
		r.sequence()
		assert.Len(t, r.intact("acme"), 7)
		assert.Less(t, len(r.export("acme")), 30_000)
		entries, err := r.List(t.Context(), "acme", audit.Filter{}, 0, 100)
		require.NoError(t, err)
		for _, e := range entries {
			assert.True(t, e.Intact)
		}
	})
}

func TestRecord_FailsWhileSealedAndNothingIsLost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.record(audit.Event{Action: "before"})
		r.barrier.Seal()
		err := r.db.InTx(t.Context(), func(ctx context.Context) error { return r.Record(ctx, audit.Event{Tenant: "acme", Action: "refused"}) })
		require.ErrorIs(t, err, barrier.ErrSealed)
		require.ErrorIs(t, r.Sequence(t.Context(), unfenced), barrier.ErrSealed)
		require.NoError(t, r.RecordNow(t.Context(), audit.Event{Tenant: audit.System, Action: "unseal", Actor: audit.Actor{Name: "root"}}))
		r.Observe(audit.Observation{Event: audit.Event{Tenant: "acme", Action: "key.list", Outcome: audit.Denied, Code: "sealed"}, Known: true})
		require.ErrorIs(t, r.Flush(t.Context()), barrier.ErrSealed)
		require.ErrorIs(t, r.TakeOver(t.Context()), barrier.ErrSealed)

		require.NoError(t, r.barrier.Unseal(t.Context(), unsealKey, "unseal"))
		require.NoError(t, r.TakeOver(t.Context()))
		require.NoError(t, r.TakeOver(t.Context()))
		r.sequence()
		assert.Equal(t, []string{"before", "key.list"}, actions(r.intact("acme")))
		system := r.intact(audit.System)
		assert.Equal(t, []string{"unseal"}, actions(system))
		require.NoError(t, r.RecordNow(t.Context(), audit.Event{Tenant: audit.System, Action: "seal", Actor: audit.Actor{Name: "root"}}))
		r.sequence()
		again := r.intact(audit.System)[1]
		assert.Equal(t, again["actor"], system[0]["actor"], "hashed once there is a key")
	})
}

func TestPrepare_RefusesNewKeysForOldChains(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(1)
		r.exec("DELETE FROM audit_keys")
		other := newReplica(t, r.db)
		require.ErrorIs(t, other.Prepare(t.Context()), audit.ErrKeysLost)
	})
}

func TestPrepare_ReplicasShareKeys(t *testing.T) {
	t.Parallel()
	dbtestEach(t, func(t *testing.T, db *database.DB) {
		replicas := []*replica{newReplica(t, db), newReplica(t, db), newReplica(t, db)}
		failed := make(chan error, len(replicas))
		for _, r := range replicas {
			go func() { failed <- r.Prepare(t.Context()) }()
		}
		for range replicas {
			require.NoError(t, <-failed)
		}
		assert.Equal(t, replicas[0].keys()[0].ThumbprintSHA256(), replicas[1].keys()[0].ThumbprintSHA256())
		assert.Equal(t, replicas[0].keys()[0].ThumbprintSHA256(), replicas[2].keys()[0].ThumbprintSHA256())
		replicas[0].record(audit.Event{Action: "a"})
		replicas[1].sequence()
		assert.Equal(t, []string{"a"}, actions(replicas[2].intact("acme")))
	})
}

func TestUse_EachIsCommittedBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		const callers, uses = 8, 25
		failed := make(chan error, callers)
		for range callers {
			go func() {
				var err error
				for range uses {
					if err == nil {
						err = r.Use(t.Context(), audit.Observation{Event: audit.Event{Tenant: "acme", Action: "encrypt"}})
					}
				}
				failed <- err
			}()
		}
		for range callers {
			require.NoError(t, <-failed)
		}
		assert.Equal(t, callers*uses, r.count("SELECT count(*) FROM audit_pending"))
		r.barrier.Seal()
		require.Error(t, r.Use(t.Context(), audit.Observation{Event: audit.Event{Tenant: "acme", Action: "encrypt"}}))
	}, func(c *audit.Config) { c.DataPlane = audit.Each })
}

func TestRecordNow_IsRefusedInsideATransaction(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		began := time.Now()
		require.NoError(t, r.db.InTx(t.Context(), func(ctx context.Context) error {
			require.ErrorIs(t, r.RecordNow(ctx, audit.Event{Tenant: "acme", Action: "a"}), database.ErrInTransaction)
			return nil
		}))
		assert.Less(t, time.Since(began), 5*time.Second)
	})
}

func TestValues_AreMovedToTheNewestBarrierKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(1)
		require.NoError(t, r.barrier.Rotate(t.Context(), audit.System, barrier.LevelIntermediate))
		require.NoError(t, r.barrier.Rotate(t.Context(), audit.System, barrier.LevelContent))
		source := r.Values()
		items, err := source.Next(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, items, 2)
		wrapper, err := r.barrier.Tenant(t.Context(), audit.System)
		require.NoError(t, err)
		for _, item := range items {
			require.False(t, r.barrier.Current(audit.System, item.JWE))
			secret, err := r.barrier.Unwrap(t.Context(), item.Binding, item.JWE)
			require.NoError(t, err)
			jwe, err := wrapper.Wrap(item.Binding, secret)
			require.NoError(t, err)
			replaced, err := source.Replace(t.Context(), item, jwe)
			require.NoError(t, err)
			require.True(t, replaced)
			replaced, err = source.Replace(t.Context(), item, jwe)
			require.NoError(t, err)
			require.False(t, replaced, "another one stands there now")
			require.True(t, r.barrier.Current(audit.System, jwe))
		}
		items, err = source.Next(t.Context(), items[0].Position, 1)
		require.NoError(t, err)
		require.Len(t, items, 1)
		items, err = source.Next(t.Context(), items[0].Position, 1)
		require.NoError(t, err)
		require.Empty(t, items)
		other := newReplica(t, r.db)
		assert.Equal(t, r.keys()[0].ThumbprintSHA256(), other.keys()[0].ThumbprintSHA256())
		other.recorded(1)
		assert.Len(t, other.intact("acme"), 2)
	})
}

// A request that uses something many times is one event, or one count, of just as many.
func TestUse_CountsExactlyInBothModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{audit.Aggregate, audit.Each} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, r *replica) {
				use := audit.Observation{Count: 100, Event: audit.Event{Tenant: "acme", Action: "encrypt", RequestID: "r"}}
				other := use
				other.Count, other.Action = 0, "decrypt"
				require.NoError(t, r.Use(t.Context(), use, other))
				require.NoError(t, r.Use(t.Context(), use))
				require.NoError(t, r.Use(t.Context()))
				require.NoError(t, r.Flush(t.Context()))
				r.sequence()
				assert.Equal(t, 201, total(r.intact("acme")))
			}, func(c *audit.Config) { c.DataPlane = mode })
		})
	}
}
