package barrier

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SuccessionTime is how long a new root key stays stored under the one before it. Who has
// the former root key, from the memory of a process, can open the new one for that long.
const SuccessionTime = time.Hour

// Follow takes over keys that other replicas made since the last call, so that this one
// wraps under the newest: root keys, and those of tenants that are in memory. Call it every
// few seconds; with nothing new it is one read of one row. A sealed barrier has nothing to do.
// ErrBehind needs an operator.
func (b *Barrier) Follow(ctx context.Context) error {
	e := b.open.Load()
	if e == nil {
		return nil
	}
	if err := b.follow(ctx, e); err != nil {
		return fmt.Errorf("follow barrier keys: %w", err)
	}
	return nil
}

func (b *Barrier) follow(ctx context.Context, e *epoch) error {
	generation, err := b.store.Generation(ctx)
	if err != nil {
		return err
	}
	var tenants []string
	var known int64
	var expiry time.Time
	err = e.use(func() error {
		known, expiry = e.generation, e.expiry
		for tenant := range e.tenants {
			tenants = append(tenants, tenant)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if known == generation && (expiry.IsZero() || b.now().Before(expiry)) {
		return nil
	}
	if err := b.followRoots(ctx, e); err != nil {
		return err
	}
	for _, tenant := range tenants {
		if _, err := b.reload(ctx, e, tenant, false); err != nil {
			return err
		}
	}
	if expiry, err = b.expireSuccessions(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.generation, e.expiry = generation, expiry
	return nil
}

// followRoots takes over root keys by their successions, each from the one before.
func (b *Barrier) followRoots(ctx context.Context, e *epoch) error {
	roots, err := b.store.Keys(ctx, LevelRoot, "")
	if err != nil {
		return fmt.Errorf("read %s keys: %w", LevelRoot, err)
	}
	missing, err := e.unknownRoots(roots)
	if err != nil || len(missing) == 0 {
		return err
	}
	successions, err := b.store.Keys(ctx, LevelSuccession, "")
	if err != nil {
		return fmt.Errorf("read %s keys: %w", LevelSuccession, err)
	}
	slices.SortFunc(successions, func(x, y WrappedKey) int { return cmp.Compare(x.Version, y.Version) })
	for _, row := range successions {
		if err := e.succeed(row); err != nil {
			return err
		}
	}
	if missing, err = e.unknownRoots(roots); err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("root key %s: %w", missing[0].ID, ErrBehind)
	}
	return nil
}

func (e *epoch) unknownRoots(rows []WrappedKey) (unknown []WrappedKey, err error) {
	err = e.use(func() error {
		for _, row := range rows {
			if _, present := e.root.keys[row.ID]; !present {
				unknown = append(unknown, row)
			}
		}
		return nil
	})
	return unknown, err
}

// succeed takes over one root key, if the one before it is there.
func (e *epoch) succeed(row WrappedKey) error {
	row.Level, row.Tenant = LevelSuccession, ""
	id := strings.TrimPrefix(row.ID, successionID(""))
	skip := false
	err := e.use(func() error {
		_, present := e.root.keys[id]
		_, parent := e.root.keys[row.ParentID]
		skip = present || !parent
		return nil
	})
	if err != nil || skip {
		return err
	}
	secret, err := openRow(e, row, e.root)
	if err != nil {
		return err
	}
	defer clear(secret)
	key, err := newWrappingKey(id, secret)
	if err != nil {
		return fmt.Errorf("open %s key %s: %w", row.Level, row.ID, err)
	}
	loaded := newRing()
	loaded.add(ringKey{row.Version, key})
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		loaded.zero()
		return ErrSealed
	}
	e.root.merge(loaded)
	return nil
}

// expireSuccessions removes those that every replica has had the time to follow, and returns when there will be the next one to remove.
func (b *Barrier) expireSuccessions(ctx context.Context) (next time.Time, err error) {
	rows, err := b.store.Keys(ctx, LevelSuccession, "")
	if err != nil {
		return time.Time{}, fmt.Errorf("read %s keys: %w", LevelSuccession, err)
	}
	now, expired := b.now(), false
	for _, row := range rows {
		ends := row.CreatedAt.Add(SuccessionTime)
		switch {
		case !now.Before(ends):
			expired = true
		case next.IsZero() || ends.Before(next):
			next = ends
		}
	}
	if expired {
		err = b.store.Expire(ctx, LevelSuccession, now.Add(-SuccessionTime))
	}
	return next, err
}
