package kms

import (
	"context"
	"log/slog"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

const (
	// expireInterval is how often opened keys that are too old are forgotten.
	expireInterval = time.Minute
	// lastFlush bounds how long the end of the service waits for uses to be stored.
	lastFlush = 5 * time.Second
)

// clocks are what the KMS knows the time by.
type clocks struct {
	wall    func() time.Time     // nil for the platform's
	elapsed func() time.Duration // nil for the monotonic clock of the process
}

// open completes the clocks and makes the clock of waits of them, from where the service was last.
func (c *clocks) open(ctx context.Context, p *service.Platform, store *sqlstore.Store) (*keyring.Steady, error) {
	if c.wall == nil {
		c.wall = p.Now
	}
	if c.elapsed == nil {
		began := time.Now()
		c.elapsed = func() time.Duration { return time.Since(began) }
	}
	witness, err := store.Witness(ctx)
	if err != nil {
		return nil, err
	}
	steady, err := keyring.NewSteady(keyring.SteadyConfig{Wall: c.wall, Elapsed: c.elapsed, Witness: witness, Jumped: func(by time.Duration) {
		p.Log.Warn("the clock was set; keys are deleted, destroyed and rotated by the time that the service knows of until the clock is proven", "by", by.String())
	}})
	if err != nil {
		return nil, err
	}
	if err := steady.Check(); err != nil {
		p.Log.Warn("the clock does not fit the time at which the service last ran", "problem", err.Error())
	}
	return steady, nil
}

// each calls do at every interval until ctx ends.
func each(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// expire forgets opened keys that are too old.
func expire(ctx context.Context, keys *keyring.Keyring) { each(ctx, expireInterval, keys.Expire) }

// flush stores what keys were used for, and watches the clock. Every replica does. What the last requests did is stored at the end.
func flush(ctx context.Context, keys *keyring.Keyring, steady *keyring.Steady, interval time.Duration, log *slog.Logger) {
	failing := false
	store := func(ctx context.Context) {
		err := keys.Flush(ctx)
		if err != nil && !failing {
			log.Warn("uses of keys could not be stored; they are kept and tried again", "error", err.Error())
		}
		failing = err != nil
	}
	each(ctx, interval, func() {
		steady.Known()
		store(ctx)
	})
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
	defer cancel()
	failing = false
	store(ending)
}

// maintain does what time has come for, on one replica at a time.
func maintain(ctx context.Context, keys *keyring.Keyring, p *service.Platform, interval time.Duration) {
	leased(ctx, p, "kms-maintenance", interval, keys.Maintain)
}

// generate makes what was asked of a replica that has ended, on one replica at a time. It takes processor time, and so has a lease of its own.
func generate(ctx context.Context, keys *keyring.Keyring, p *service.Platform, interval time.Duration) {
	leased(ctx, p, "kms-generation", interval, keys.GenerateDue)
}

// leased does work for all tenants at every interval, on one replica at a time.
func leased(ctx context.Context, p *service.Platform, name string, interval time.Duration, do func(context.Context, keyring.Tenants) error) {
	err := p.Leases.Every(ctx, name, interval, func(ctx context.Context) error { return do(ctx, p.Tenants) })
	if err != nil && ctx.Err() == nil {
		p.Log.Error("a task has ended; restart the service", "task", name, "error", err)
	}
}
