package unseal

import (
	"context"
	"errors"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

const (
	// followInterval is how often Run looks for keys that other replicas made.
	followInterval = 5 * time.Second
	// maxRetry is the longest time between two attempts to unseal.
	maxRetry = time.Minute
)

// Run does until ctx ends what time brings: it takes over keys that other replicas made, forgets shares that waited too long, and
// unseals again after a failure (the other installation of the mode KMS was away), unless an operator sealed the barrier.
func (o *Operator) Run(ctx context.Context) {
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	behind := false
	for wait, retry := time.Duration(0), followInterval; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		o.expireShares()
		if wait -= followInterval; wait <= 0 && o.shouldStart() {
			if err := o.Start(ctx); err != nil && ctx.Err() == nil {
				o.log.ErrorContext(ctx, "unseal", "error", err)
				retry = min(2*retry, maxRetry)
			} else if err == nil {
				retry = followInterval
				o.unsealed(ctx)
			}
			wait = retry
		}
		err := o.barrier.Follow(ctx)
		switch {
		case errors.Is(err, barrier.ErrBehind):
			err = o.catchUp(ctx, err)
		case errors.Is(err, barrier.ErrSealed):
			err = nil
		}
		if err != nil && ctx.Err() == nil && !behind {
			o.log.ErrorContext(ctx, "follow the barrier's keys", "error", err)
		}
		behind = err != nil
	}
}

// catchUp reads root keys with the material at hand, after too long an absence. Without any, people have to.
func (o *Operator) catchUp(ctx context.Context, behind error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.source == nil {
		return behind
	}
	if err := o.start(ctx); err != nil {
		return errors.Join(behind, err)
	}
	return nil
}

func (o *Operator) shouldStart() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.source != nil && !o.bySomebody && o.barrier.Sealed()
}

func (o *Operator) expireShares() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.collections() {
		c.expire(o.now())
	}
}
