package revocation

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/crl"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/signing"
)

const (
	// PartSize bounds a part of a list, in bytes: neither writing nor reading a list needs more of it in memory.
	PartSize = 256 << 10
	// partsAtOnce is how many parts one transaction stores.
	partsAtOnce = 8
	// pageSize is how many revocations are read at once.
	pageSize = 20_000
)

// set is what a list and its delta are about.
type set struct {
	issuer *Issuer
	shard  int // or Complete
	// shards is how many there are.
	shards int
	// scoped sets have an issuing distribution point.
	scoped bool
	// lists are all of the CA.
	lists []List
}

// members are the shards of the set.
func (s set) members() []int {
	if s.shard != Complete {
		return []int{s.shard}
	}
	all := make([]int, s.shards)
	for i := range all {
		all[i] = i
	}
	return all
}

// alone tells whether no other list tells of the same certificates.
func (s set) alone() bool { return s.shard != Complete || s.issuer.BaseURL == "" }

// whole makes the complete list of a set.
func (p *Publisher) whole(ctx context.Context, s set) error {
	before, found := current(s.lists, s.shard, false)
	if found && s.alone() {
		// What stood in a list that was made after its certificate had expired has been told for long enough (RFC 5280 section 3.3).
		if err := p.cfg.Store.Prune(ctx, s.issuer.Tenant, s.issuer.ID, s.shard, before.Covers, before.ThisUpdate); err != nil {
			return fmt.Errorf("remove what has expired: %w", err)
		}
	}
	var l List
	if err := p.build(ctx, s, &l, 0, before.ID); err != nil {
		return err
	}
	if !l.Freshest {
		return nil
	}
	if found {
		before.SupersededAt = l.ThisUpdate
		s.lists = append([]List{before}, s.lists...)
	}
	return p.delta(ctx, s, l)
}

// delta makes the delta of a set. Its base is the list before the current one while that is valid, so that it is of use to those who have
// either.
func (p *Publisher) delta(ctx context.Context, s set, whole List) error {
	base := whole
	if older, found := previous(s.lists, s.shard); found && older.Scoped == whole.Scoped && p.cfg.Now().Before(older.NextUpdate) {
		base = older
	}
	before, _ := current(s.lists, s.shard, true)
	return p.build(ctx, s, &List{Delta: true, Base: base.Number}, base.Covers, before.ID)
}

// build makes a list of the revocations after a revision and publishes it in place of another. l is completed.
func (p *Publisher) build(ctx context.Context, s set, l *List, since int64, before string) (err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make id: %w", err)
	}
	l.Tenant, l.CAID, l.ID, l.Shard, l.Scoped = s.issuer.Tenant, s.issuer.ID, id.String(), s.shard, s.scoped
	defer func() {
		if err != nil {
			const cleaning = 10 * time.Second
			clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleaning)
			defer cancel()
			err = errors.Join(err, p.cfg.Store.DropParts(clean, l.Tenant, l.ID))
		}
	}()
	if l.Covers, err = p.cfg.Store.Revision(ctx, l.Tenant, l.CAID); err != nil {
		return fmt.Errorf("read revision: %w", err)
	}
	l.ThisUpdate = p.cfg.Now().UTC().Truncate(time.Second)
	if err := p.write(ctx, l, s.members(), since); err != nil {
		return err
	}
	if l.Number, err = p.cfg.Store.NextNumber(ctx, l.Tenant, l.CAID); err != nil {
		return fmt.Errorf("take a number: %w", err)
	}
	if err := p.sign(ctx, s.issuer, l); err != nil {
		return err
	}
	err = p.cfg.InTx(ctx, func(ctx context.Context) error {
		if err := p.cfg.Store.Publish(ctx, *l, before); err != nil {
			return err
		}
		return p.cfg.Events.Record(ctx, Event{Tenant: l.Tenant, Action: ActionPublish, CAID: l.CAID, Detail: strconv.FormatInt(l.Number, 10)})
	})
	if err != nil {
		return fmt.Errorf("publish list %d: %w", l.Number, err)
	}
	return nil
}

// write stores the encoded entries of shards as parts from 1 on.
func (p *Publisher) write(ctx context.Context, l *List, shards []int, since int64) error {
	w := &partWriter{store: p.cfg.Store, list: l}
	for _, shard := range shards {
		for after := []byte(nil); ; {
			page, err := p.cfg.Store.Revocations(ctx, l.Tenant, l.CAID, shard, since, after, pageSize)
			if err != nil {
				return fmt.Errorf("read revocations: %w", err)
			}
			for i := range page {
				if page[i].Reason == reason.RemoveFromCRL && !l.Delta {
					continue
				}
				if err := w.add(ctx, &page[i]); err != nil {
					return err
				}
			}
			if len(page) < pageSize {
				break
			}
			after = page[len(page)-1].Serial
		}
	}
	return w.flush(ctx)
}

// partWriter cuts a list's entries into parts and stores some at once.
type partWriter struct {
	store ListStore
	list  *List
	parts [][]byte // the last one is not full
}

func (w *partWriter) add(ctx context.Context, entry *crl.Entry) (err error) {
	if n := len(w.parts); n == 0 || len(w.parts[n-1])+crl.MaxEntry > PartSize {
		if n == partsAtOnce {
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
		w.parts = append(w.parts, make([]byte, 0, PartSize))
	}
	last := len(w.parts) - 1
	if w.parts[last], err = entry.Append(w.parts[last]); err != nil {
		return err
	}
	w.list.Entries++
	return nil
}

func (w *partWriter) flush(ctx context.Context) error {
	if len(w.parts) == 0 {
		return nil
	}
	if err := w.store.AddParts(ctx, w.list.Tenant, w.list.ID, w.list.Parts+1, w.parts); err != nil {
		return fmt.Errorf("store parts: %w", err)
	}
	for _, part := range w.parts {
		w.list.Size += int64(len(part))
	}
	w.list.Parts += len(w.parts)
	w.parts = w.parts[:0]
	return nil
}

// sign reads the entries back, signs, and stores what stands around them as part 0 and the last one.
func (p *Publisher) sign(ctx context.Context, issuer *Issuer, l *List) error {
	key, release, err := p.cfg.Issuers.Signer(ctx, issuer.Tenant, issuer.ID)
	if err != nil {
		return fmt.Errorf("open the CA's key: %w", err)
	}
	defer release()
	signer, err := signing.New(key, issuer.Algorithm)
	if err != nil {
		return err
	}
	w, err := crl.Start(p.template(issuer, l), l.Size, signer)
	if err != nil {
		return err
	}
	entries := l.Parts
	for part := 1; part <= entries; part++ {
		body, err := p.cfg.Store.Part(ctx, l.Tenant, l.ID, part)
		if err != nil {
			return fmt.Errorf("read part back: %w", err)
		}
		if _, err := w.Write(body); err != nil {
			return err
		}
	}
	frame, err := w.Finish()
	if err != nil {
		return err
	}
	l.Parts = entries + 2 //nolint:mnd // head and tail
	l.Size += int64(len(frame.Head) + len(frame.Tail))
	l.Digest = frame.Digest
	if err := p.cfg.Store.AddParts(ctx, l.Tenant, l.ID, 0, [][]byte{frame.Head}); err != nil {
		return fmt.Errorf("store part: %w", err)
	}
	if err := p.cfg.Store.AddParts(ctx, l.Tenant, l.ID, entries+1, [][]byte{frame.Tail}); err != nil {
		return fmt.Errorf("store part: %w", err)
	}
	return nil
}

// template is what the list says apart from its entries.
func (p *Publisher) template(issuer *Issuer, l *List) crl.List {
	s := p.cfg.Settings
	period, overlap := s.Period, s.Overlap
	switch {
	case l.Delta:
		period, overlap = s.DeltaPeriod, min(s.Overlap, s.DeltaPeriod)
	case issuer.Manual:
		period, overlap = s.RootPeriod, 0
	}
	l.NextUpdate = l.ThisUpdate.Add(period + overlap)
	t := crl.List{
		Issuer: issuer.Certificate.RawSubject, AuthorityKeyID: issuer.Certificate.SubjectKeyId, Number: big.NewInt(l.Number),
		ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate,
	}
	if l.Delta {
		t.Base = big.NewInt(l.Base)
	}
	if l.Scoped {
		t.Scope = &crl.Scope{URLs: []string{issuer.at().CRL(l.Shard)}}
	}
	if !l.Delta && !issuer.Manual && issuer.BaseURL != "" && l.Shard != Complete && s.DeltaFrom > 0 && l.Entries >= int64(s.DeltaFrom) {
		l.Freshest = true
		t.Freshest = []string{issuer.at().DeltaCRL(l.Shard)}
	}
	return t
}
