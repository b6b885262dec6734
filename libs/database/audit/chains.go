package audit

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
)

// head is a row of audit_chains: the end of a chain.
type head struct {
	tenant string
	seq    int64
	hash   auditchain.Hash
	// cut is the last number that retention has removed, signed that of the newest checkpoint.
	cut, signed int64
	// openSince is when the first event after the checkpoint was numbered, in microseconds.
	openSince int64
	// mac is what the row has; nil when there is no row.
	mac []byte
}

// sum authenticates the row.
func (h head) sum(k *openKeys) []byte {
	var numbers []byte
	for _, n := range []int64{h.seq, h.cut, h.signed, h.openSince} {
		numbers = binary.BigEndian.AppendUint64(numbers, uint64(n)) //nolint:gosec // the bit pattern is what counts
	}
	return k.sum(labelChain, []byte(h.tenant), h.hash[:], numbers)
}

// chains remembers the ends of chains as this process has committed them, and so notices when the database goes back.
type chains struct {
	mu    sync.Mutex
	heads map[string]head // guarded by mu
}

func newChains() *chains { return &chains{heads: map[string]head{}} }

func (c *chains) get(tenant string) head {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heads[tenant]
}

func (c *chains) put(h head) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.seq >= c.heads[h.tenant].seq {
		c.heads[h.tenant] = h
	}
}

// readHead reads the row of a chain. Whether its MAC is right is authentic.
func (l *Log) readHead(ctx context.Context, k *openKeys, tenant string) (h head, authentic bool, err error) {
	h.tenant = tenant
	var hash []byte
	err = l.cfg.DB.QueryRow(ctx, "SELECT seq, hash, cut_seq, signed_seq, open_since, mac FROM audit_chains WHERE tenant_id = $1", tenant).
		Scan(&h.seq, &hash, &h.cut, &h.signed, &h.openSince, &h.mac)
	if errors.Is(err, sql.ErrNoRows) {
		return head{tenant: tenant}, false, nil
	}
	if err != nil {
		return head{}, false, fmt.Errorf("read audit chain: %w", err)
	}
	h.hash = hashFrom(hash)
	return h, len(hash) == len(h.hash) && hmac.Equal(h.mac, h.sum(k)), nil
}

// hashFrom is a hash of the right length whatever the database holds.
func hashFrom(stored []byte) (h auditchain.Hash) {
	if len(stored) == len(h) {
		copy(h[:], stored)
	}
	return h
}

// saveHead writes the row unless another process has done so since it was read.
func (l *Log) saveHead(ctx context.Context, k *openKeys, h head) (head, error) {
	old := h.mac
	h.mac = h.sum(k)
	var result sql.Result
	var err error
	if old == nil {
		result, err = l.cfg.DB.Exec(ctx, `INSERT INTO audit_chains (tenant_id, seq, hash, cut_seq, signed_seq, open_since, mac)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id) DO NOTHING`,
			h.tenant, h.seq, h.hash[:], h.cut, h.signed, h.openSince, h.mac)
	} else {
		result, err = l.cfg.DB.Exec(ctx, `UPDATE audit_chains SET seq = $2, hash = $3, cut_seq = $4, signed_seq = $5, open_since = $6, mac = $7
			WHERE tenant_id = $1 AND mac = $8`, h.tenant, h.seq, h.hash[:], h.cut, h.signed, h.openSince, h.mac, old)
	}
	if err != nil {
		return head{}, fmt.Errorf("write audit chain: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return head{}, errors.Join(errConflict, err)
	}
	return h, nil
}

// errConflict says that another process works on the same chain. Its work counts.
var errConflict = errors.New("another process numbers the same audit events")

// end finds where a chain goes on. reason is empty, or says how the database differs from what was written there; the head is then where to
// go on all the same, behind everything that this service has written: the break stays visible, and what comes after it is linked again.
func (l *Log) end(ctx context.Context, k *openKeys, tenant string) (h head, reason string, foreign int64, err error) {
	h, authentic, err := l.readHead(ctx, k, tenant)
	if err != nil {
		return head{}, "", 0, err
	}
	if !authentic {
		row := h.mac
		if row != nil {
			reason = "the row of the chain's end was changed"
		}
		if h, err = l.newestCheckpoint(ctx, k, tenant); err != nil {
			return head{}, "", 0, err
		}
		h.mac = row
	} else if reason, err = l.checkLast(ctx, h); err != nil {
		return head{}, "", 0, err
	}
	began := h.seq
	if h, foreign, err = l.beyond(ctx, k, h); err != nil {
		return head{}, "", 0, err
	}
	if known := l.chains.get(tenant); known.seq > h.seq {
		reason = fmt.Sprintf("the database went back from event %d to %d", known.seq, h.seq)
		known.mac = h.mac
		h = known
	}
	switch {
	case reason == "" && h.mac == nil && h.seq > 0:
		reason = "the row of the chain's end was removed"
	case reason == "" && h.seq > began:
		reason = "the row of the chain's end is an old one"
	case reason == "" && foreign > 0:
		reason = "events were inserted"
	}
	return h, reason, foreign, nil
}

// checkLast looks for the event that a head names.
func (l *Log) checkLast(ctx context.Context, h head) (string, error) {
	if h.seq == h.cut {
		return "", nil
	}
	var hash []byte
	err := l.cfg.DB.QueryRow(ctx, "SELECT hash FROM audit_events WHERE tenant_id = $1 AND seq = $2", h.tenant, h.seq).Scan(&hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "the last event was removed", nil
	case err != nil:
		return "", fmt.Errorf("read audit chain: %w", err)
	case hashFrom(hash) != h.hash:
		return "the last event was changed", nil
	}
	return "", nil
}

// newestCheckpoint is the head that the newest genuine checkpoint in the database tells of.
func (l *Log) newestCheckpoint(ctx context.Context, k *openKeys, tenant string) (h head, err error) {
	rows, err := l.cfg.DB.Query(ctx, "SELECT jws FROM audit_checkpoints WHERE tenant_id = $1 ORDER BY seq DESC", tenant)
	if err != nil {
		return head{}, fmt.Errorf("read audit checkpoints: %w", err)
	}
	defer func() { _ = rows.Close() }()
	h = head{tenant: tenant}
	for rows.Next() {
		var jws string
		if err := rows.Scan(&jws); err != nil {
			return head{}, fmt.Errorf("read audit checkpoints: %w", err)
		}
		c, err := auditchain.OpenCheckpoint(jws, k.publics)
		if err == nil && c.Chain == tenant && c.Service == l.cfg.Service {
			h.seq, h.hash, h.cut, h.signed = c.Seq, c.Hash, c.First-1, c.Seq
			break
		}
	}
	return h, rows.Err()
}

// beyond moves a head behind all genuine events after it, and removes and counts those after that: nobody but this service numbers events.
func (l *Log) beyond(ctx context.Context, k *openKeys, h head) (head, int64, error) {
	var foreign int64
	for at := h.seq; ; {
		rows, err := l.entries(ctx, h.tenant, at, entryPage)
		if err != nil {
			return head{}, 0, err
		}
		for _, e := range rows {
			at = e.Seq
			if foreign++; e.genuine(k, h.tenant) {
				h.seq, h.hash, foreign = e.Seq, e.Hash, 0
			}
		}
		if len(rows) < entryPage {
			break
		}
	}
	if foreign == 0 {
		return h, 0, nil
	}
	_, err := l.cfg.DB.Exec(ctx, "DELETE FROM audit_events WHERE tenant_id = $1 AND seq > $2", h.tenant, h.seq)
	if err != nil {
		return head{}, 0, fmt.Errorf("remove foreign audit events: %w", err)
	}
	return h, foreign, nil
}
