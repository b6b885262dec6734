package keyring

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// tally counts in memory what versions do, until Flush stores it: no request waits for a statement. A crash loses what was counted since; what
// must not be under is counted by useCounter.
type tally struct {
	mu     sync.RWMutex // held for reading while something is added, so that nothing is added to what has been taken out
	counts map[slot]*counts
}

// counts is what one version did.
type counts struct {
	tenant      string
	of          VersionUses // what it is that counts; its numbers are not used
	uses, bytes atomic.Int64
	last        atomic.Int64 // microseconds since 1970, UTC
}

func newTally() *tally { return &tally{counts: map[slot]*counts{}} }

// slotOfKey is where what concerns the key as a whole is counted.
func slotOfKey(key ElasticKey) slot { return slot{tenant: key.Tenant, id: key.ID} }

// add counts uses of what is at the slot.
func (t *tally) add(at slot, of VersionUses, uses, bytes int64, now time.Time) {
	t.mu.RLock()
	c := t.counts[at]
	if c != nil {
		c.add(uses, bytes, now)
	}
	t.mu.RUnlock()
	if c != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c = t.counts[at]; c == nil {
		c = &counts{tenant: at.tenant, of: of}
		t.counts[at] = c
	}
	c.add(uses, bytes, now)
}

func (c *counts) add(uses, bytes int64, now time.Time) {
	c.uses.Add(uses)
	c.bytes.Add(bytes)
	c.last.Store(now.UnixMicro())
}

// take empties the tally.
func (t *tally) take() map[string][]VersionUses {
	t.mu.Lock()
	taken := t.counts
	t.counts = make(map[slot]*counts, len(taken))
	t.mu.Unlock()
	byTenant := map[string][]VersionUses{}
	for _, c := range taken {
		uses := c.of
		uses.Uses = Uses{Count: c.uses.Load(), Bytes: c.bytes.Load(), LastUsedAt: time.UnixMicro(c.last.Load()).UTC()}
		byTenant[c.tenant] = append(byTenant[c.tenant], uses)
	}
	return byTenant
}

// count counts a use of a permit's version and the bytes that it worked on.
func (k *Keyring) count(p permit, bytes int) {
	of := VersionUses{ElasticKeyID: p.key.ID, Version: p.version.Version, Counted: p.spec.DirectUse && p.op.attributes().makes}
	at := slotOf(p.version)
	if of.Counted {
		at.id += "/counted" // what is made and what is read of such a key are counted apart
	}
	k.tally.add(at, of, 1, int64(bytes), k.instant())
}

// Flush stores what was counted since the last time. What cannot be stored is counted again.
func (k *Keyring) Flush(ctx context.Context) error {
	var failure error
	for tenant, uses := range k.tally.take() {
		err := k.store.AddUses(ctx, tenant, uses)
		if err == nil {
			continue
		}
		failure = fmt.Errorf("store uses of tenant %s: %w", tenant, err)
		for _, of := range uses {
			at := slot{tenant: tenant, id: fmt.Sprintf("%s.%d/%t", of.ElasticKeyID, of.Version, of.Counted)}
			k.tally.add(at, of, of.Count, of.Bytes, of.LastUsedAt)
		}
	}
	return failure
}
