package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// maxList is the length of the longest list: a page of the API, and one more that tells whether it is the last.
const maxList = 1001

// Filter selects events; empty members select all.
type Filter struct {
	// Since and Until bound the time of the event: from Since on, before Until.
	Since, Until time.Time
	Action       string
	Outcome      string
	ActorID      string
	ObjectKind   string
	ObjectID     string
	// Newest lists backwards; after is then the number before which the list begins, 0 for the end.
	Newest bool
}

// Entry is a numbered event.
type Entry struct {
	Seq int64
	// Event is the event's JSON object (docs/audit.md has its members).
	Event []byte
	// Intact tells that the row is what was recorded. False means that somebody else has written to the database.
	Intact bool
}

// List returns numbered events of a tenant that match the filter, beginning after the number given (0 for the beginning), at most limit,
// which is 1 to 1001.
func (l *Log) List(ctx context.Context, tenant string, f Filter, after int64, limit int) ([]Entry, error) {
	if limit < 1 || limit > maxList {
		return nil, fmt.Errorf("list audit events: limit %d is not 1 to %d", limit, maxList)
	}
	ctx = database.WithTenant(ctx, tenant)
	var found []Entry
	err := l.keys.use(ctx, func(k *openKeys) (err error) {
		found, err = l.list(ctx, k, tenant, f, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list audit events: %w", err)
	}
	return found, nil
}

func (l *Log) list(ctx context.Context, k *openKeys, tenant string, f Filter, after int64, limit int) (found []Entry, err error) {
	query, args := f.query(tenant, after, limit)
	rows, err := l.cfg.DB.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var e storedEntry
		var at int64
		var prev, hash []byte
		var columns [5]string
		err := rows.Scan(&e.Seq, &e.Event, &prev, &hash, &e.mac, &at, &columns[0], &columns[1], &columns[2], &columns[3], &columns[4])
		if err != nil {
			return nil, err
		}
		e.Prev, e.Hash = hashFrom(prev), hashFrom(hash)
		found = append(found, Entry{Seq: e.Seq, Event: e.Event, Intact: e.genuine(k, tenant) && sameColumns(e.Event, at, columns)})
	}
	return found, rows.Err()
}

// query is the statement for a filter. The texts are constants, what they compare with are parameters.
func (f Filter) query(tenant string, after int64, limit int) (string, []any) {
	args := []any{tenant}
	where := []string{"tenant_id = $1"}
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, condition+" $"+strconv.Itoa(len(args)))
	}
	order := "seq"
	if f.Newest {
		order = "seq DESC"
		if after <= 0 {
			after = math.MaxInt64
		}
		add("seq <", after)
	} else {
		add("seq >", after)
	}
	if !f.Since.IsZero() {
		add("at >=", database.Micros(f.Since))
	}
	if !f.Until.IsZero() {
		add("at <", database.Micros(f.Until))
	}
	for _, c := range []struct{ condition, value string }{
		{"action =", f.Action}, {"outcome =", f.Outcome}, {"actor_id =", f.ActorID}, {"object_kind =", f.ObjectKind}, {"object_id =", f.ObjectID},
	} {
		if c.value != "" {
			add(c.condition, clean(c.value, maxText))
		}
	}
	args = append(args, limit)
	return "SELECT seq, substr(body, 1, 65536), prev, hash, mac, at, action, outcome, actor_id, object_kind, object_id FROM audit_events WHERE " +
		strings.Join(where, " AND ") + " ORDER BY " + order + " LIMIT $" + strconv.Itoa(len(args)), args
}

// sameColumns tells whether the columns by which events are found repeat what the event says.
func sameColumns(event []byte, at int64, columns [5]string) bool {
	r := &record{}
	if json.Unmarshal(event, r) != nil {
		return false
	}
	return r.at() == at && r.columns() == columns
}

// columns are those of audit_events that repeat the event, without the time.
func (r *record) columns() [5]string {
	c := [5]string{0: r.Action, 1: r.Outcome}
	if r.Actor != nil {
		c[2] = r.Actor.ID
	}
	if r.Object != nil {
		c[3], c[4] = r.Object.Kind, r.Object.ID
	}
	return c
}

// CheckpointKeys is the JWK Set (RFC 7517 section 5) of the public keys that verify checkpoints.
func (l *Log) CheckpointKeys(ctx context.Context) (set []byte, err error) {
	err = l.keys.use(ctx, func(k *openKeys) (err error) {
		members := make([]json.RawMessage, len(k.publics))
		for i, key := range k.publics {
			if members[i], err = key.MarshalPublic(); err != nil {
				return err
			}
		}
		set, err = json.Marshal(map[string]any{"keys": members})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("checkpoint keys: %w", err)
	}
	return set, nil
}
