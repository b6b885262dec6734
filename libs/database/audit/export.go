package audit

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// ErrCutMeanwhile says that retention has removed events that an export was about to read.
var ErrCutMeanwhile = errors.New("retention has removed events meanwhile: export again")

// Range selects what to export. Numbers and times are bounds together; zero is no bound.
type Range struct {
	// From and To are numbers of events, both included.
	From, To int64
	// Since and Until bound the time of the event: from Since on, before Until.
	Since, Until time.Time
}

// Export writes a tenant's events and checkpoints as JSON lines that auditchain.Verify reads. It widens the range to checkpoints, so that every
// event is under one; if it includes the newest event, it ends with a checkpoint of this moment. It holds few events in memory and no
// transaction open.
func (l *Log) Export(ctx context.Context, tenant string, r Range, w io.Writer) error {
	ctx = database.WithTenant(ctx, tenant)
	err := l.keys.use(ctx, func(k *openKeys) error {
		e := &exporter{log: l, k: k, tenant: tenant, w: bufio.NewWriterSize(w, 64<<10)}
		if err := e.run(ctx, r); err != nil {
			return err
		}
		return e.w.Flush()
	})
	if err != nil {
		return fmt.Errorf("export audit events: %w", err)
	}
	return nil
}

type exporter struct {
	log    *Log
	k      *openKeys
	tenant string
	w      *bufio.Writer
	buf    []byte
}

func (e *exporter) run(ctx context.Context, r Range) error {
	h, authentic, err := e.log.readHead(ctx, e.k, e.tenant)
	if err != nil {
		return err
	}
	if h.mac != nil && !authentic {
		e.log.cfg.Log.Error("audit chain is damaged", "chain", e.tenant, "reason", "the row of the chain's end was changed")
	}
	from, to, err := e.bounds(ctx, h, r)
	if err != nil {
		return err
	}
	from, signed, err := e.base(ctx, h, from)
	if err != nil {
		return err
	}
	if to, err = e.lastCheckpoint(ctx, h, to); err != nil {
		return err
	}
	for next := from; next <= to; {
		page, err := e.log.entries(ctx, e.tenant, next-1, int(min(entryPage, to-next+1)))
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break // they were removed, which the reader finds out
		}
		if page[0].Seq != next {
			if err := e.cutMeanwhile(ctx, next); err != nil {
				return err
			}
		}
		if signed, err = e.page(ctx, page, signed); err != nil {
			return err
		}
		next = page[len(page)-1].Seq + 1
	}
	if to == h.seq && signed < h.seq || h.mac == nil {
		return e.sign(ctx, h, authentic)
	}
	return nil
}

// bounds turns the range into numbers of events.
func (e *exporter) bounds(ctx context.Context, h head, r Range) (from, to int64, err error) {
	from, to = max(r.From, h.cut+1), h.seq
	if r.To > 0 {
		to = min(to, r.To)
	}
	if !r.Since.IsZero() {
		var first int64
		err := e.log.cfg.DB.QueryRow(ctx, "SELECT coalesce(min(seq), $3) FROM audit_events WHERE tenant_id = $1 AND at >= $2",
			e.tenant, database.Micros(r.Since), h.seq+1).Scan(&first)
		if err != nil {
			return 0, 0, fmt.Errorf("read audit events: %w", err)
		}
		from = max(from, first)
	}
	if !r.Until.IsZero() {
		var last int64
		err := e.log.cfg.DB.QueryRow(ctx, "SELECT coalesce(max(seq), 0) FROM audit_events WHERE tenant_id = $1 AND at < $2",
			e.tenant, database.Micros(r.Until)).Scan(&last)
		if err != nil {
			return 0, 0, fmt.Errorf("read audit events: %w", err)
		}
		to = min(to, last)
	}
	return from, to, nil
}

// base writes the newest checkpoint before the range and widens the range to begin after it.
func (e *exporter) base(ctx context.Context, h head, from int64) (first, signed int64, err error) {
	var jws string
	err = e.log.cfg.DB.QueryRow(ctx, `SELECT seq, jws FROM audit_checkpoints WHERE tenant_id = $1 AND seq < $2 AND seq >= $3
		ORDER BY seq DESC LIMIT 1`, e.tenant, from, h.cut).Scan(&signed, &jws)
	if errors.Is(err, sql.ErrNoRows) {
		return h.cut + 1, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read audit checkpoints: %w", err)
	}
	e.buf = auditchain.AppendCheckpointLine(e.buf[:0], jws)
	_, err = e.w.Write(e.buf)
	return signed + 1, signed, err
}

// lastCheckpoint widens the range to end with a checkpoint, or with the chain.
func (e *exporter) lastCheckpoint(ctx context.Context, h head, to int64) (int64, error) {
	err := e.log.cfg.DB.QueryRow(ctx, "SELECT coalesce(min(seq), $3) FROM audit_checkpoints WHERE tenant_id = $1 AND seq >= $2", e.tenant, to, h.seq).Scan(&to)
	if err != nil {
		return 0, fmt.Errorf("read audit checkpoints: %w", err)
	}
	return min(to, h.seq), nil
}

// page writes events and the checkpoints between them.
func (e *exporter) page(ctx context.Context, page []storedEntry, signed int64) (int64, error) {
	first, last := page[0].Seq, page[len(page)-1].Seq
	checkpoints, err := e.checkpoints(ctx, max(first, signed+1), last)
	if err != nil {
		return 0, err
	}
	for _, entry := range page {
		e.buf = entry.AppendLine(e.buf[:0])
		for len(checkpoints) > 0 && checkpoints[0].seq <= entry.Seq {
			e.buf = auditchain.AppendCheckpointLine(e.buf, checkpoints[0].jws)
			signed, checkpoints = checkpoints[0].seq, checkpoints[1:]
		}
		if _, err := e.w.Write(e.buf); err != nil {
			return 0, err
		}
	}
	return signed, nil
}

type checkpointRow struct {
	seq int64
	jws string
}

func (e *exporter) checkpoints(ctx context.Context, from, to int64) (found []checkpointRow, err error) {
	rows, err := e.log.cfg.DB.Query(ctx, "SELECT seq, jws FROM audit_checkpoints WHERE tenant_id = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq", e.tenant, from, to)
	if err != nil {
		return nil, fmt.Errorf("read audit checkpoints: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c checkpointRow
		if err := rows.Scan(&c.seq, &c.jws); err != nil {
			return nil, fmt.Errorf("read audit checkpoints: %w", err)
		}
		found = append(found, c)
	}
	return found, rows.Err()
}

func (e *exporter) cutMeanwhile(ctx context.Context, next int64) error {
	h, _, err := e.log.readHead(ctx, e.k, e.tenant)
	if err == nil && h.cut >= next {
		err = ErrCutMeanwhile
	}
	return err
}

// sign ends the export with a checkpoint of the chain's end, unless the database has been tampered with there.
func (e *exporter) sign(ctx context.Context, h head, authentic bool) error {
	if h.mac != nil {
		reason, err := e.log.checkLast(ctx, h)
		if err != nil {
			return err
		}
		if !authentic || reason != "" {
			return nil
		}
	}
	c, err := e.log.checkpoint(e.k, h)
	if err != nil {
		return err
	}
	e.log.announce(c)
	e.buf = auditchain.AppendCheckpointLine(e.buf[:0], c.jws)
	_, err = e.w.Write(e.buf)
	return err
}
