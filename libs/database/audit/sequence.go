package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	// sequenceBatch is how many events get their numbers in one transaction.
	sequenceBatch = 500
	// selectPending is completed by what to select. No event is longer, so one that is cut was not written by this service.
	selectPending = "SELECT tenant_id, id, substr(body, 1, 65536), mac FROM audit_pending WHERE "
	// checkpointEvery is how long an event waits for a checkpoint, at most.
	checkpointEvery = 60 * time.Second
)

// cursor is how far the sequencer has gone through audit_pending in this round: it goes round and round, so that no tenant waits for
// ever behind the flood of another.
type cursor struct{ tenant, id string }

// sequence numbers everything that is pending, and signs what has waited long enough. fence says in each transaction whether this process may.
func (l *Log) sequence(ctx context.Context, fence func(context.Context) error) error {
	if err := l.Prepare(ctx); err != nil {
		return err
	}
	ctx = database.WithTenant(ctx, database.AllTenants)
	var at cursor
	for l.anyPending(ctx) {
		next, n, err := l.sequenceOnce(ctx, fence, at)
		if err != nil {
			return fmt.Errorf("number audit events: %w", err)
		}
		if n < sequenceBatch {
			break // what has come meanwhile is for the next round
		}
		at = next
	}
	return l.signDue(ctx, fence)
}

// anyPending looks for something to do outside of a transaction, which on SQLite would write. An error shows in the transaction.
func (l *Log) anyPending(ctx context.Context) bool {
	var one int
	err := l.cfg.DB.QueryRow(ctx, "SELECT 1 FROM audit_pending LIMIT 1").Scan(&one)
	return !errors.Is(err, sql.ErrNoRows)
}

// sequenceOnce numbers one batch. An event that commits late is found by a later batch, whatever was numbered before: rows are taken for
// being there, not by a position in time.
func (l *Log) sequenceOnce(ctx context.Context, fence func(context.Context) error, at cursor) (next cursor, count int, err error) {
	var work *numbering
	err = l.keys.use(ctx, func(k *openKeys) error {
		return l.cfg.DB.InTx(ctx, func(ctx context.Context) error {
			work, count = l.numbering(k), 0
			if err := fence(ctx); err != nil {
				return err
			}
			rows, err := l.pending(ctx, "(tenant_id, id) > ($1, $2) ORDER BY tenant_id, id LIMIT $3", at.tenant, at.id, sequenceBatch)
			if err != nil || len(rows) == 0 {
				return err
			}
			count = len(rows)
			next = cursor{rows[count-1].tenant, rows[count-1].id}
			if err := work.number(ctx, rows); err != nil {
				return err
			}
			if err := work.write(ctx); err != nil {
				return err
			}
			return l.removePending(ctx, rows)
		})
	})
	if err != nil {
		return cursor{}, 0, err
	}
	work.committed()
	return next, count, nil
}

func (l *Log) pending(ctx context.Context, where string, args ...any) (found []pendingRow, err error) {
	rows, err := l.cfg.DB.Query(ctx, selectPending+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read pending audit events: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var row pendingRow
		if err := rows.Scan(&row.tenant, &row.id, &row.body, &row.mac); err != nil {
			return nil, fmt.Errorf("read pending audit events: %w", err)
		}
		found = append(found, row)
	}
	return found, rows.Err()
}

// number adds rows to their chains. Rows that this service has not written, or that it has numbered before, become one event of the system
// chain.
func (n *numbering) number(ctx context.Context, rows []pendingRow) error {
	repeated, err := n.log.repeated(ctx, rows)
	if err != nil {
		return err
	}
	var forged []pendingRow
	for _, row := range rows {
		r := &record{}
		genuine := hmac.Equal(row.mac, n.k.sum(labelEvent, row.body)) && json.Unmarshal(row.body, r) == nil &&
			r.Tenant == row.tenant && r.ID == row.id && !repeated[cursor{row.tenant, row.id}]
		if !genuine {
			forged = append(forged, row)
			continue
		}
		if err := n.add(ctx, r, row.body); err != nil {
			return err
		}
	}
	if len(forged) == 0 {
		return nil
	}
	n.alarms = append(n.alarms, func(log *slog.Logger) {
		log.Error("audit events were forged", "count", len(forged), "tenant", clean(forged[0].tenant, maxName), "id", clean(forged[0].id, maxID))
	})
	digest := sha256.Sum256(forged[0].body)
	return n.own(ctx, Event{
		Tenant: System, Action: "audit.forged_event", Outcome: Failed,
		Fields: []Field{
			Number("rows", int64(len(forged))), Text("first_tenant", forged[0].tenant), Text("first_id", forged[0].id),
			Text("first_sha256", base64.RawURLEncoding.EncodeToString(digest[:])),
		},
	})
}

// repeated finds rows whose event has a number already.
func (l *Log) repeated(ctx context.Context, rows []pendingRow) (map[cursor]bool, error) {
	found := map[cursor]bool{}
	err := inChunks(len(rows), func(from, to int) error {
		hits, err := l.cfg.DB.Query(ctx, "SELECT tenant_id, id FROM audit_events WHERE (tenant_id, id) IN (VALUES "+tuples(to-from, 2)+")", names(rows[from:to])...)
		if err != nil {
			return err
		}
		defer func() { _ = hits.Close() }()
		for hits.Next() {
			var c cursor
			if err := hits.Scan(&c.tenant, &c.id); err != nil {
				return err
			}
			found[c] = true
		}
		return hits.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("look for audit events: %w", err)
	}
	return found, nil
}

// removePending removes exactly the rows that were read.
func (l *Log) removePending(ctx context.Context, rows []pendingRow) error {
	return inChunks(len(rows), func(from, to int) error {
		result, err := l.cfg.DB.Exec(ctx, "DELETE FROM audit_pending WHERE (tenant_id, id) IN (VALUES "+tuples(to-from, 2)+")", names(rows[from:to])...)
		if err != nil {
			return fmt.Errorf("remove pending audit events: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n != int64(to-from) {
			return fmt.Errorf("remove pending audit events: %w", errConflict)
		}
		return nil
	})
}

func names(rows []pendingRow) []any {
	args := make([]any, 0, 2*len(rows))
	for _, row := range rows {
		args = append(args, row.tenant, row.id)
	}
	return args
}

// signDue signs the chains that have events older than checkpointEvery without a checkpoint. A time in the future is one before the clock
// was set back.
func (l *Log) signDue(ctx context.Context, fence func(context.Context) error) error {
	now := l.cfg.Now()
	due, err := l.strings(ctx, "SELECT tenant_id FROM audit_chains WHERE seq > signed_seq AND (open_since <= $1 OR open_since > $2)",
		database.Micros(now.Add(-checkpointEvery)), database.Micros(now))
	if err != nil {
		return fmt.Errorf("look for audit chains to sign: %w", err)
	}
	for _, tenant := range due {
		if err := l.signChain(ctx, fence, tenant); err != nil {
			return fmt.Errorf("sign audit chain: %w", err)
		}
	}
	return nil
}

func (l *Log) signChain(ctx context.Context, fence func(context.Context) error, tenant string) error {
	var work *numbering
	err := l.keys.use(ctx, func(k *openKeys) error {
		return l.cfg.DB.InTx(ctx, func(ctx context.Context) error {
			work = l.numbering(k)
			if err := fence(ctx); err != nil {
				return err
			}
			h, err := work.head(ctx, tenant)
			if err != nil || h.seq == h.signed {
				return err
			}
			if err := work.sign(h); err != nil {
				return err
			}
			return work.write(ctx)
		})
	})
	if err == nil {
		work.committed()
	}
	return err
}

// strings reads a column of texts.
func (l *Log) strings(ctx context.Context, query string, args ...any) (texts []string, err error) {
	rows, err := l.cfg.DB.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, rows.Err()
}
