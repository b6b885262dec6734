package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	// writeTimeout bounds the transaction of one batch.
	writeTimeout = 10 * time.Second
	// maxBatch is how many records go into one transaction.
	maxBatch = 512
)

// writer commits records that have no transaction of their own. Callers at the same moment share one: whoever comes first commits for
// all that have come meanwhile.
type writer struct {
	log  *Log
	turn chan struct{} // holds one token, taken by who commits

	mu      sync.Mutex
	waiting []*request // guarded by mu

	source   string // of the batches of this process; with the token
	position int64  // of the last batch; with the token
}

type request struct {
	records []*record
	done    chan error // buffered
}

// batch is what one transaction, or one line of the journal, takes.
type batch struct {
	// Source and Position mark a batch whose commit was lost sight of: it may be in the database already, and then its mark is too.
	Source   string    `json:"source,omitempty"`
	Position int64     `json:"position,omitempty"`
	records  []*record // as Records
}

func newWriter(l *Log) *writer {
	w := &writer{log: l, turn: make(chan struct{}, 1), source: instance()}
	w.turn <- struct{}{}
	return w
}

// store returns nil once the records are durable. After another error than that of ctx they are not stored.
func (w *writer) store(ctx context.Context, records []*record) error {
	if _, err := w.log.cfg.DB.Independent(ctx); err != nil {
		return err // on SQLite it would wait for its own transaction
	}
	mine := &request{records: records, done: make(chan error, 1)}
	w.mu.Lock()
	w.waiting = append(w.waiting, mine)
	w.mu.Unlock()
	select {
	case err := <-mine.done:
		return err
	case <-ctx.Done():
		return w.withdraw(ctx, mine)
	case <-w.turn:
	}
	// Others' records are in the batch too, so its end does not depend on this caller.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	for w.round(work) {
		select {
		case err := <-mine.done:
			w.turn <- struct{}{}
			return err
		default:
		}
	}
	w.turn <- struct{}{}
	return <-mine.done
}

// withdraw takes a request back that nobody works on yet.
func (w *writer) withdraw(ctx context.Context, r *request) error {
	w.mu.Lock()
	for i, other := range w.waiting {
		if other == r {
			w.waiting = append(w.waiting[:i], w.waiting[i+1:]...)
			w.mu.Unlock()
			return fmt.Errorf("wait for the audit log: %w", context.Cause(ctx))
		}
	}
	w.mu.Unlock()
	return <-r.done // soon: its transaction is bounded
}

// round commits one batch of what waits; false when nothing did.
func (w *writer) round(ctx context.Context) bool {
	w.mu.Lock()
	n, size := 0, 0
	for n < len(w.waiting) && (n == 0 || size+len(w.waiting[n].records) <= maxBatch) {
		size += len(w.waiting[n].records)
		n++
	}
	taken := w.waiting[:n:n]
	w.waiting = w.waiting[n:]
	w.mu.Unlock()
	if n == 0 {
		return false
	}
	var all []*record
	for _, r := range taken {
		all = append(all, r.records...)
	}
	err := w.commit(ctx, all)
	for _, r := range taken {
		r.done <- err
	}
	return true
}

// commit stores records and the mark of their batch in one transaction. If the outcome is not known, they go to the journal with the
// mark, by which the take-over sees whether the database has them; later batches then get another source.
func (w *writer) commit(ctx context.Context, records []*record) error {
	rows, err := w.log.finish(ctx, records)
	if err != nil {
		return err
	}
	w.position++
	b := batch{Source: w.source, Position: w.position, records: records}
	err = w.log.insertBatch(ctx, b, rows)
	if err == nil || !maybeCommitted(ctx, err) {
		return err
	}
	w.source, w.position = instance(), 0
	return w.log.toJournal(b)
}

func maybeCommitted(ctx context.Context, err error) bool {
	return errors.Is(err, database.ErrOutcomeUnknown) || ctx.Err() != nil
}

// finish makes rows of records. It needs the keys.
func (l *Log) finish(ctx context.Context, records []*record) ([]pendingRow, error) {
	rows := make([]pendingRow, len(records))
	err := l.keys.use(ctx, func(k *openKeys) (err error) {
		for i, r := range records {
			if rows[i], err = k.finish(r); err != nil {
				return err
			}
		}
		return nil
	})
	return rows, err
}

// insertBatch stores rows unless the mark of their batch says that they are there.
func (l *Log) insertBatch(ctx context.Context, b batch, rows []pendingRow) error {
	ctx, err := l.cfg.DB.Independent(database.WithTenant(ctx, database.AllTenants))
	if err != nil {
		return err
	}
	return l.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		fresh, err := l.mark(ctx, b.Source, b.Position)
		if err != nil || !fresh {
			return err
		}
		return l.insertRows(ctx, rows)
	})
}

// mark notes that a source has been taken over up to a position; false if that, or more, was noted before.
func (l *Log) mark(ctx context.Context, source string, position int64) (bool, error) {
	result, err := l.cfg.DB.Exec(ctx, `INSERT INTO audit_sources (id, position, updated_at) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at
		WHERE audit_sources.position < excluded.position`, source, position, database.Micros(l.cfg.Now()))
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// insertRows stores rows of any tenants.
func (l *Log) insertRows(ctx context.Context, rows []pendingRow) error {
	return inChunks(len(rows), func(from, to int) error {
		args := make([]any, 0, 4*(to-from))
		for _, row := range rows[from:to] {
			args = append(args, row.tenant, row.id, string(row.body), row.mac)
		}
		_, err := l.cfg.DB.Exec(ctx, "INSERT INTO audit_pending (tenant_id, id, body, mac) VALUES "+tuples(to-from, 4)+
			" ON CONFLICT (tenant_id, id) DO NOTHING", args...)
		return err
	})
}

// inChunks calls fn for parts of n rows: of few different sizes, so that statements repeat, and small ones, because the time in which SQLite's
// driver binds parameters grows with their square.
func inChunks(n int, fn func(from, to int) error) error {
	for from := 0; from < n; {
		size := 1
		for _, s := range []int{16, 4} {
			if n-from >= s {
				size = s
				break
			}
		}
		if err := fn(from, from+size); err != nil {
			return err
		}
		from += size
	}
	return nil
}

// tuples is ($1, $2), ($3, $4), ... for n rows.
func tuples(n, columns int) string {
	var text strings.Builder
	for i := range n * columns {
		switch {
		case i == 0:
			text.WriteByte('(')
		case i%columns == 0:
			text.WriteString("), (")
		default:
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "$%d", i+1)
	}
	return text.String() + ")"
}

// MarshalJSON is a line of the journal.
func (b batch) MarshalJSON() ([]byte, error) {
	type plain batch
	return json.Marshal(struct {
		plain
		Records []*record `json:"records"`
	}{plain(b), b.records})
}

// UnmarshalJSON reads a line of the journal.
func (b *batch) UnmarshalJSON(text []byte) error {
	type plain batch
	var l struct {
		plain
		Records []*record `json:"records"`
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	*b = batch(l.plain)
	b.records = l.Records
	for _, r := range b.records {
		if r == nil || r.ID == "" || r.Tenant == "" {
			return errors.New("a record has no id or no tenant")
		}
	}
	return nil
}
