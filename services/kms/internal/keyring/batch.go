package keyring

import (
	"context"
	"errors"
	"sync"
	"time"
)

// decisionAge is how long a decision of a batch is good for. With the time in which a replica hears of a change it stays below the second in
// which a disabled key must stop working, however long the batch takes.
const decisionAge = 250 * time.Millisecond

// Batch decides about a key as a whole and returns the caller as the one who asks for each item of a batch: what the items have in common, the
// decision about each version among it, is then computed once and not for each.
func (k *Keyring) Batch(ctx context.Context, caller Caller, op Operation, ref Ref, items int) (Caller, error) {
	if op == OpGenerateRandom {
		return caller, decideScope(caller, op)
	}
	whole := caller
	whole.asked.items = true
	if key, err := k.permitLoaded(ctx, whole, op, ref, k.keyFact); err != nil {
		k.refused(key, op, items)
		return Caller{}, err
	}
	caller.decided = &decisions{known: map[decision]decided{}}
	return caller, nil
}

// keyFact is a key as it is known together with its primary version, mostly from memory. One that has none is read.
func (k *Keyring) keyFact(ctx context.Context, tenant string, ref Ref) (ElasticKey, error) {
	key, _, err := k.store.KeyVersion(ctx, tenant, ref, 0)
	if errors.Is(err, ErrNotFound) {
		return k.store.ElasticKey(ctx, tenant, ref)
	}
	return key, err
}

// decision is what a permit is asked for.
type decision struct {
	op      Operation
	ref     Ref
	version int64
	context string // its digest, where the decision depends on it
}

// decision is what the caller asks for. What he may do by his scopes he may do with every context, and by grants with some.
func (c Caller) decision(op Operation, ref Ref, version int64) decision {
	about := decision{op: op, ref: ref, version: version}
	if decideScope(c, op) != nil {
		about.context = c.asked.digest
	}
	return about
}

// decided is the answer, and until when it is good.
type decided struct {
	permit permit
	err    error
	until  time.Time
}

// decisions are the permits of a batch by one caller. Items may ask at the same time.
type decisions struct {
	mu    sync.Mutex
	known map[decision]decided // guarded by mu
}

// permit returns the decision there is, or makes it.
func (d *decisions) permit(about decision, now func() time.Time, decide func() (permit, error)) (permit, error) {
	d.mu.Lock()
	known, ok := d.known[about]
	d.mu.Unlock()
	if ok && now().Before(known.until) {
		return known.permit, known.err
	}
	p, err := decide()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[about] = decided{permit: p, err: err, until: now().Add(decisionAge)}
	return p, err
}

// forget has the next item decide anew.
func (d *decisions) forget(about decision) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, about)
}
