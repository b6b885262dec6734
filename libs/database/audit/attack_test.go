package audit_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
)

// Somebody who can write to the database, but has no key, does what he can.

func TestAttack_AlteredEvent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(5)
		r.signed()
		r.exec("UPDATE audit_events SET body = replace(body, 'key.create', 'key.delete') WHERE tenant_id = 'acme' AND seq = 3")
		r.broken(auditchain.Altered, 3)
		entries, err := r.List(t.Context(), "acme", audit.Filter{}, 0, 10)
		require.NoError(t, err)
		for _, e := range entries {
			assert.Equal(t, e.Seq != 3, e.Intact)
		}
	})
}

func TestAttack_HiddenFromSearch(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(3)
		r.exec("UPDATE audit_events SET action = 'key.read' WHERE tenant_id = 'acme' AND seq = 2")
		entries, err := r.List(t.Context(), "acme", audit.Filter{Action: "key.read"}, 0, 10)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		assert.False(t, entries[0].Intact)
		assert.Len(t, r.intact("acme"), 3, "the event itself is what it was")
	})
}

func TestAttack_RemovedEvents(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(6)
		r.signed()
		r.exec("DELETE FROM audit_events WHERE tenant_id = 'acme' AND seq IN (3, 4)")
		r.broken(auditchain.Missing, 3)
	})
}

func TestAttack_RemovedBeginning(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(3)
		r.signed()
		r.recorded(3)
		r.signed()
		r.exec("DELETE FROM audit_events WHERE tenant_id = 'acme' AND seq <= 3")
		r.exec("UPDATE audit_chains SET cut_seq = 3 WHERE tenant_id = 'acme'")
		r.broken(auditchain.Missing, 1)
		r.recorded(1)
		assert.Contains(t, r.log.String(), "audit chain is damaged")
		r.broken(auditchain.Missing, 1)
	})
}

func TestAttack_RenumberedAndReordered(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(6)
		r.signed()
		r.exec("DELETE FROM audit_events WHERE tenant_id = 'acme' AND seq = 3")
		for seq := 4; seq <= 6; seq++ {
			r.exec("UPDATE audit_events SET seq = $1 WHERE tenant_id = 'acme' AND seq = $2", seq-1, seq)
		}
		r.broken(auditchain.Altered, 3)
	})
	each(t, func(t *testing.T, r *replica) {
		r.recorded(6)
		r.signed()
		for _, move := range [][2]int{{2, 100}, {4, 2}, {100, 4}} {
			r.exec("UPDATE audit_events SET seq = $2 WHERE tenant_id = 'acme' AND seq = $1", move[0], move[1])
		}
		r.broken(auditchain.Altered, 2)
	})
}

func TestAttack_InsertedIntoPending(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.record(audit.Event{Action: "genuine"})
		for i := range 3 {
			r.exec("INSERT INTO audit_pending (tenant_id, id, body, mac) VALUES ('acme', $1, $2, $3)",
				fmt.Sprint("forged", i), `{"id":"forged","tenant":"acme","action":"forged"}`, make([]byte, 32))
		}
		r.exec("INSERT INTO audit_pending (tenant_id, id, body, mac) VALUES ('nobody', 'x', 'no json', $1)", []byte("short"))
		r.sequence()
		assert.Equal(t, []string{"genuine"}, actions(r.intact("acme")))
		system := r.intact(audit.System)
		assert.Equal(t, []string{"audit.forged_event"}, actions(system))
		assert.InDelta(t, 4, system[0]["fields"].(map[string]any)["rows"], 0)
		assert.Contains(t, r.log.String(), "audit events were forged")
		assert.Zero(t, r.count("SELECT count(*) FROM audit_pending"))
		assert.Zero(t, r.count("SELECT count(*) FROM audit_chains WHERE tenant_id = 'nobody'"))
	})
}

func TestAttack_MovedToAnotherTenantOrAlteredWhilePending(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.record(audit.Event{Action: "moved"})
		r.exec("UPDATE audit_pending SET tenant_id = 'other'")
		r.sequence()
		r.record(audit.Event{Action: "altered"})
		r.exec("UPDATE audit_pending SET body = replace(body, 'allowed', 'refused')")
		r.sequence()
		assert.Empty(t, r.intact("other"))
		assert.Equal(t, []string{"audit.forged_event", "audit.forged_event"}, actions(r.intact(audit.System)))
	})
}

func TestAttack_Replayed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.record(audit.Event{Action: "once"})
		r.exec("CREATE TABLE kept (tenant_id TEXT, id TEXT, body TEXT, mac BYTEA)")
		r.exec("INSERT INTO kept SELECT tenant_id, id, body, mac FROM audit_pending")
		r.sequence()
		r.exec("INSERT INTO audit_pending (tenant_id, id, body, mac) SELECT tenant_id, id, body, mac FROM kept")
		r.sequence()
		assert.Equal(t, []string{"once"}, actions(r.intact("acme")))
		assert.Equal(t, []string{"audit.forged_event"}, actions(r.intact(audit.System)))
	})
}

func TestAttack_InsertedBehindTheEnd(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(2)
		for _, seq := range []int64{3, 4, 1 << 62} {
			r.exec(`INSERT INTO audit_events (tenant_id, seq, id, at, action, outcome, actor_id, object_kind, object_id, body, prev, hash, mac)
				SELECT tenant_id, $1, $2, at, action, outcome, actor_id, object_kind, object_id, body, prev, hash, mac FROM audit_events WHERE seq = 2`,
				seq, fmt.Sprint("forged", seq))
		}
		r.recorded(1)
		assert.Equal(t, []string{"key.create", "key.create", "audit.chain_damaged", "key.create"}, actions(r.intact("acme")))
	})
}

func TestAttack_CutTailIsFoundByTheLog(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(4)
		r.signed()
		r.exec("CREATE TABLE kept (seq BIGINT, hash BYTEA, cut_seq BIGINT, signed_seq BIGINT, open_since BIGINT, mac BYTEA)")
		r.exec("INSERT INTO kept SELECT seq, hash, cut_seq, signed_seq, open_since, mac FROM audit_chains")
		r.recorded(4)
		r.signed()
		logged := r.logged()

		// The whole database of a minute ago, as far as the chain is concerned.
		r.exec("DELETE FROM audit_events WHERE seq > 4")
		r.exec("DELETE FROM audit_checkpoints WHERE seq > 4")
		r.exec("DELETE FROM audit_chains")
		r.exec("INSERT INTO audit_chains SELECT 'acme', seq, hash, cut_seq, signed_seq, open_since, mac FROM kept")
		export := r.export("acme")
		_, err := r.verify(export)
		require.NoError(t, err, "nothing in the database tells")
		_, err = r.verify(export, logged...)
		var b *auditchain.BreakError
		require.ErrorAs(t, err, &b)
		assert.Equal(t, auditchain.Cut, b.Kind)
		assert.Equal(t, int64(5), b.Seq)

		// Another process, which knows nothing of it, goes on there; the log still tells.
		other := newReplica(t, r.db)
		other.recorded(5)
		other.signed()
		export = other.export("acme")
		_, err = other.verify(export)
		require.NoError(t, err)
		_, err = other.verify(export, logged...)
		require.ErrorAs(t, err, &b)
		assert.Equal(t, auditchain.Rewritten, b.Kind)
		assert.Equal(t, int64(5), b.Seq)
	})
}

func TestAttack_CutTailIsNoticedByTheProcessThatWroteIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(4)
		r.exec("CREATE TABLE kept (seq BIGINT, hash BYTEA, cut_seq BIGINT, signed_seq BIGINT, open_since BIGINT, mac BYTEA)")
		r.exec("INSERT INTO kept SELECT seq, hash, cut_seq, signed_seq, open_since, mac FROM audit_chains")
		r.recorded(4)
		r.exec("DELETE FROM audit_events WHERE seq > 4")
		r.exec("DELETE FROM audit_chains")
		r.exec("INSERT INTO audit_chains SELECT 'acme', seq, hash, cut_seq, signed_seq, open_since, mac FROM kept")
		r.recorded(1)
		assert.Contains(t, r.log.String(), "the database went back from event 8 to 4")
		r.broken(auditchain.Missing, 5)
	})
}

func TestAttack_LastEventRemovedOrEndChanged(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]struct {
		query  string
		reason string
	}{
		"last event removed": {"DELETE FROM audit_events WHERE seq = 4", "the last event was removed"},
		"last event changed": {"UPDATE audit_events SET hash = prev WHERE seq = 4", "the last event was changed"},
		"end changed":        {"UPDATE audit_chains SET seq = 2", "the row of the chain's end was changed"},
		"end removed":        {"DELETE FROM audit_chains", "the row of the chain's end was removed"},
		"signing prevented":  {"UPDATE audit_chains SET signed_seq = 1000", "the row of the chain's end was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, r *replica) {
				r.recorded(4)
				r.exec(attack.query)
				other := newReplica(t, r.db) // it knows only what the database says
				other.recorded(1)
				assert.Contains(t, other.log.String(), attack.reason)
				names := actions(events(t, other.export("acme")))
				assert.Equal(t, []string{"audit.chain_damaged", "key.create"}, names[len(names)-2:])
				other.signed()
				assert.Equal(t, 1, strings.Count(other.log.String(), attack.reason), "told once")
				assert.Positive(t, other.count("SELECT count(*) FROM audit_checkpoints"), "it is signed again")
			})
		})
	}
}

func TestAttack_ForgedCheckpoint(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(4)
		r.signed()
		r.recorded(2)
		r.exec("UPDATE audit_checkpoints SET jws = replace(jws, '.', '.x')")
		r.broken(auditchain.Forged, 5)

		// A checkpoint that says that everything is old makes retention remove nothing.
		r.exec("UPDATE audit_checkpoints SET at = 0")
		for range 3 {
			require.NoError(t, r.Retain(t.Context(), unfenced))
		}
		assert.Equal(t, 6, r.count("SELECT count(*) FROM audit_events"))
	}, func(c *audit.Config) { c.Retention = 24 * time.Hour })
}

func TestAttack_RewrittenTailWithoutKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, r *replica) {
		r.recorded(3)
		r.signed()
		r.recorded(3)
		r.signed()
		logged := r.logged()
		// Event 5 is altered, and everything after it is made to fit; the checkpoints after it are taken away.
		prev := r.hash(4)
		for seq := int64(5); seq <= 6; seq++ {
			var body string
			require.NoError(t, r.db.QueryRow(t.Context(), "SELECT body FROM audit_events WHERE seq = $1", seq).Scan(&body))
			body = strings.ReplaceAll(body, "key.create", "key.read")
			hash := auditchain.Link("acme", seq, prev, []byte(body))
			r.exec("UPDATE audit_events SET body = $1, prev = $2, hash = $3, action = 'key.read' WHERE seq = $4", body, prev[:], hash[:], seq)
			prev = hash
		}
		r.exec("UPDATE audit_chains SET hash = $1", prev[:])
		r.exec("DELETE FROM audit_checkpoints WHERE seq > 3")
		entries, err := r.List(t.Context(), "acme", audit.Filter{}, 0, 10)
		require.NoError(t, err)
		assert.False(t, entries[4].Intact)
		export := r.export("acme")
		_, err = r.verify(export, logged...)
		var b *auditchain.BreakError
		require.ErrorAs(t, err, &b)
		assert.Equal(t, auditchain.Rewritten, b.Kind)
		assert.Equal(t, int64(4), b.Seq, "the first that may differ")
		result, err := r.verify(export)
		require.NoError(t, err)
		assert.Equal(t, int64(3), result.Signed, "no checkpoint vouches for it")
		assert.Equal(t, int64(6), result.Last)
	})
}

func (r *replica) hash(seq int64) auditchain.Hash {
	var hash []byte
	require.NoError(r.t, r.db.QueryRow(context.Background(), "SELECT hash FROM audit_events WHERE tenant_id = 'acme' AND seq = $1", seq).Scan(&hash))
	return auditchain.Hash(hash)
}
