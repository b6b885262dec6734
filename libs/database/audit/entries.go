package audit

import (
	"context"
	"crypto/hmac"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
)

// entryPage is how many events are read at once.
const entryPage = 500

// storedEntry is a row of audit_events.
type storedEntry struct {
	auditchain.Entry
	mac []byte
}

// genuine tells whether the row is one that this service has written, here.
func (e storedEntry) genuine(k *openKeys, tenant string) bool {
	return auditchain.Link(tenant, e.Seq, e.Prev, e.Event) == e.Hash && hmac.Equal(e.mac, k.sum(labelLink, e.Hash[:]))
}

// entries reads the first events after a number, at most limit.
func (l *Log) entries(ctx context.Context, tenant string, after int64, limit int) ([]storedEntry, error) {
	rows, err := l.cfg.DB.Query(ctx, `SELECT seq, substr(body, 1, 65536), prev, hash, mac FROM audit_events
		WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`, tenant, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read audit events: %w", err)
	}
	defer func() { _ = rows.Close() }()
	entries := make([]storedEntry, 0, limit)
	for rows.Next() {
		var e storedEntry
		var prev, hash []byte
		if err := rows.Scan(&e.Seq, &e.Event, &prev, &hash, &e.mac); err != nil {
			return nil, fmt.Errorf("read audit events: %w", err)
		}
		e.Prev, e.Hash = hashFrom(prev), hashFrom(hash)
		entries = append(entries, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read audit events: %w", err)
	}
	return entries, nil
}
