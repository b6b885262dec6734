package audit

import (
	"net/netip"
	"sync"
	"time"
)

// How many different observations a window keeps apart. Beyond that they are counted with less detail, never dropped.
const (
	maxKnown   = 4096 // of authenticated callers: each with actor, object and request
	maxUnknown = 256  // of others
	maxCoarse  = 1024 // without actor, object and request; beyond that without the tenant
)

// observed is what makes two observations equal. For the data plane, aggregated, requestID is empty.
type observed struct {
	tenant, actorKind, actorID, actorName string
	action, outcome, code                 string
	objectKind, objectID                  string
	objectVersion                         int64
	requestID                             string
	known                                 bool // the tenant exists
}

// coarse leaves out what a caller can choose.
func (o observed) coarse() observed {
	return observed{tenant: o.tenant, action: o.action, outcome: o.outcome, code: o.code, known: o.known}
}

// foreign leaves out everything that somebody who belongs to no tenant has said.
func (o observed) foreign() observed {
	return observed{tenant: System, action: o.action, outcome: o.outcome, code: o.code, known: true}
}

// tally counts equal observations.
type tally struct {
	count       int64
	first, last time.Time
	address     netip.Addr
	addresses   bool // there are several
}

// window counts observations between two flushes.
type window struct {
	each bool
	mu   sync.Mutex
	// guarded by mu
	known, unknown, coarse map[observed]*tally
	spare                  []*tally
}

func newWindow(each bool) *window {
	return &window{
		each:  each,
		known: map[observed]*tally{}, unknown: map[observed]*tally{}, coarse: map[observed]*tally{},
	}
}

// Observe takes note of what has happened. It neither blocks nor fails; a crash may lose the last second.
func (l *Log) Observe(o Observation) {
	if o.Recorded && (o.Outcome == Allowed || o.Outcome == "") {
		return
	}
	if o.Outcome == "" {
		o.Outcome = Allowed
	}
	if o.Time.IsZero() {
		o.Time = l.cfg.Now()
	}
	if o.Tenant == "" { // an operator's, if the caller is known
		o.Tenant = System
	}
	key := observed{
		tenant: o.Tenant, actorKind: o.Actor.Kind, actorID: o.Actor.ID, actorName: o.Actor.Name,
		action: o.Action, outcome: o.Outcome, code: o.Code,
		objectKind: o.Object.Kind, objectID: o.Object.ID, objectVersion: o.Object.Version, known: o.Known,
	}
	if !o.DataPlane || l.window.each {
		key.requestID = o.RequestID
	}
	if o.Tenant == System && !o.Known {
		key = key.foreign()
	}
	l.window.add(key, tally{count: max(o.Count, 1), first: o.Time, last: o.Time, address: o.Address})
}

func (w *window) add(key observed, t tally) {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts, limit := w.known, maxKnown
	if !key.known {
		counts, limit = w.unknown, maxUnknown
	}
	if have, ok := counts[key]; ok {
		have.add(t)
		return
	}
	if len(counts) >= limit {
		key = key.coarse()
		if have, ok := w.coarse[key]; ok {
			have.add(t)
			return
		}
		counts = w.coarse
		if len(counts) >= maxCoarse {
			key = key.foreign() // of which there are as many as actions, outcomes and codes
			if have, ok := counts[key]; ok {
				have.add(t)
				return
			}
		}
	}
	counts[key] = w.tally(t)
}

// tally reuses one of the window before. It is called with the lock.
func (w *window) tally(t tally) *tally {
	if n := len(w.spare); n > 0 {
		have := w.spare[n-1]
		w.spare = w.spare[:n-1]
		*have = t
		return have
	}
	return &t
}

func (t *tally) add(other tally) {
	t.count += other.count
	if other.first.Before(t.first) {
		t.first = other.first
	}
	if other.last.After(t.last) {
		t.last = other.last
	}
	t.addresses = t.addresses || other.addresses || other.address != t.address
}

// counted is one observation of a window with its count.
type counted struct {
	key observed
	tally
}

// take empties the window.
func (w *window) take() []counted {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := make([]counted, 0, len(w.known)+len(w.unknown)+len(w.coarse))
	w.spare = w.spare[:0]
	for _, counts := range []map[observed]*tally{w.known, w.unknown, w.coarse} {
		for key, t := range counts {
			taken = append(taken, counted{key, *t})
			w.spare = append(w.spare, t)
		}
		clear(counts)
	}
	return taken
}
