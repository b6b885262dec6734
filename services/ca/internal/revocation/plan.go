package revocation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
)

// completePeriod is how often the list of all shards of a CA that has several is made anew while certificates are revoked: who wants to know sooner
// asks for the shard's.
const completePeriod = time.Hour

// deltaShare is how small a part of the whole list its delta must be: 1 in so many.
const deltaShare = 4

// PublishNow makes all lists of a CA anew, by command: the only way by which those of a root are made.
func (p *Publisher) PublishNow(ctx context.Context, caller access.Caller, id string) error {
	if err := access.Decide(caller, access.Manage); err != nil {
		return err
	}
	issuer, err := p.cfg.Issuers.Issuer(ctx, caller.Tenant, id)
	if errors.Is(err, ErrNotFound) {
		return problem.New(problem.NotFound, "no such CA, or it has no certificate yet")
	}
	if err != nil {
		return fmt.Errorf("load CA: %w", err)
	}
	if !issuer.Signs {
		return problem.New("ca_offline", "the key of the CA is not here: its lists are signed where it is kept")
	}
	if err := p.publish(ctx, issuer, true); err != nil {
		return fmt.Errorf("publish lists: %w", err)
	}
	return nil
}

// publish makes the lists of a CA that are due, or all.
func (p *Publisher) publish(ctx context.Context, issuer *Issuer, all bool) error {
	now := p.cfg.Now()
	lists, err := p.cfg.Store.Lists(ctx, issuer.Tenant, issuer.ID, now)
	if err != nil {
		return fmt.Errorf("read lists: %w", err)
	}
	shards := shardsOf(issuer, lists)
	s := set{issuer: issuer, shards: shards, scoped: shards > 1, lists: lists}
	if shards == 1 || issuer.BaseURL != "" { // a shard without a distribution point would pass for the whole
		for s.shard = range shards {
			if err := p.shard(ctx, s, all); err != nil {
				return fmt.Errorf("list of shard %d: %w", s.shard, err)
			}
		}
	}
	if shards > 1 {
		s.shard, s.scoped = Complete, false
		if err := p.complete(ctx, s, all); err != nil {
			return fmt.Errorf("list of all shards: %w", err)
		}
	}
	return nil
}

// shardsOf is how many shards a CA has, or had: certificates stay in theirs.
func shardsOf(issuer *Issuer, lists []List) int {
	shards := max(issuer.Shards, 1)
	for _, l := range lists {
		shards = max(shards, l.Shard+1)
	}
	return shards
}

// shard makes the list of a shard or its delta, if one is due.
func (p *Publisher) shard(ctx context.Context, s set, all bool) error {
	now := p.cfg.Now()
	whole, found := current(s.lists, s.shard, false)
	if all || !found || p.due(whole, now) || whole.Scoped != s.scoped {
		return p.whole(ctx, s)
	}
	delta, hasDelta := current(s.lists, s.shard, true)
	covered := whole.Covers
	if hasDelta {
		covered = max(covered, delta.Covers)
	}
	pending, err := p.pending(ctx, s, covered, 1)
	switch {
	case err != nil:
		return err
	case !whole.Freshest && pending == 0:
		return nil
	case !whole.Freshest:
		return p.whole(ctx, s)
	case pending == 0 && hasDelta && delta.Number > whole.Number && now.Before(delta.ThisUpdate.Add(p.cfg.Settings.DeltaPeriod)):
		return nil
	}
	limit := int(whole.Entries)/deltaShare + 1
	since, err := p.pending(ctx, s, whole.Covers, limit)
	if err != nil {
		return err
	}
	if since >= limit { // the delta has become too long
		return p.whole(ctx, s)
	}
	return p.delta(ctx, s, whole)
}

// pending counts the revocations of a set after a revision, up to limit.
func (p *Publisher) pending(ctx context.Context, s set, after int64, limit int) (int, error) {
	n, err := p.cfg.Store.Pending(ctx, s.issuer.Tenant, s.issuer.ID, s.shard, after, limit)
	if err != nil {
		return 0, fmt.Errorf("look for revocations: %w", err)
	}
	return n, nil
}

// due tells whether a list's period is over, or clocks were set.
func (p *Publisher) due(l List, now time.Time) bool {
	const skew = time.Minute
	return !now.Before(l.ThisUpdate.Add(p.cfg.Settings.Period)) || now.Before(l.ThisUpdate.Add(-skew))
}

// complete makes the list of all shards, if it is due.
func (p *Publisher) complete(ctx context.Context, s set, all bool) error {
	now := p.cfg.Now()
	whole, found := current(s.lists, Complete, false)
	if all || !found || p.due(whole, now) {
		return p.whole(ctx, s)
	}
	if now.Before(whole.ThisUpdate.Add(completePeriod)) && !s.alone() {
		return nil
	}
	pending, err := p.pending(ctx, s, whole.Covers, 1)
	if err != nil || pending == 0 {
		return err
	}
	return p.whole(ctx, s)
}
