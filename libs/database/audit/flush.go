package audit

import (
	"context"
	"time"
)

// flush stores what has been observed since the last time: in the database, else in the journal. If neither works the counts stay in
// memory, within the bounds of a window.
func (l *Log) flush(ctx context.Context) error {
	taken := l.assign(ctx, l.window.take())
	var failed error
	for len(taken) > 0 {
		n := min(len(taken), maxBatch)
		part := taken[:n]
		taken = taken[n:]
		records := make([]*record, 0, n)
		for _, c := range part {
			r, err := newRecord(c.event(), l.cfg.Now())
			if err != nil {
				l.cfg.Log.Error("audit observation refused", "action", c.key.action, "error", err)
				continue
			}
			if r.Count = c.count; c.count == 1 {
				r.Count = 0
			}
			if c.last.Sub(c.first) >= time.Microsecond {
				r.Until = c.last.UTC().Format(timeLayout)
			}
			records = append(records, r)
		}
		err := failed
		if err == nil { // one failure is enough to wait for
			err = l.writer.store(ctx, records)
		}
		if err == nil {
			continue
		}
		failed = err
		if err := l.toJournal(batch{records: records}); err != nil {
			for _, c := range part {
				l.window.add(c.key, c.tally)
			}
		}
	}
	return failed
}

// assign sends what names a tenant that does not exist to the system chain, and adds up what is the same then.
func (l *Log) assign(ctx context.Context, taken []counted) []counted {
	exists := map[string]bool{}
	strangers := map[observed]*tally{}
	kept := taken[:0]
	for _, c := range taken {
		known, asked := exists[c.key.tenant]
		switch {
		case c.key.known:
			kept = append(kept, c)
			continue
		case !asked:
			known = l.cfg.Known != nil && c.key.tenant != System && l.cfg.Known(ctx, c.key.tenant)
			exists[c.key.tenant] = known
		}
		if known {
			c.key.known = true
			kept = append(kept, c)
			continue
		}
		key := c.key.foreign()
		if have, ok := strangers[key]; ok {
			have.add(c.tally)
		} else {
			strangers[key] = &tally{}
			*strangers[key] = c.tally
		}
	}
	for key, t := range strangers {
		kept = append(kept, counted{key, *t})
	}
	return kept
}

func (c counted) event() Event {
	e := Event{
		Time: c.first, Tenant: c.key.tenant, Action: c.key.action, Outcome: c.key.outcome, Code: c.key.code, RequestID: c.key.requestID,
		Actor:  Actor{Kind: c.key.actorKind, ID: c.key.actorID, Name: c.key.actorName},
		Object: Object{Kind: c.key.objectKind, ID: c.key.objectID, Version: c.key.objectVersion},
	}
	if !c.addresses {
		e.Address = c.address
	}
	return e
}
