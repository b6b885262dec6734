package audit

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
)

const (
	// sequencer is the lease of who numbers events, and leaseTTL how long it stays with a replica that died.
	sequencer = "audit-sequencer"
	leaseTTL  = 10 * time.Second

	flushEvery    = time.Second
	sequenceEvery = 500 * time.Millisecond
	retainEvery   = time.Hour
	// finishTimeout bounds what Run does once its context has ended.
	finishTimeout = 10 * time.Second
)

// Run stores observations, takes over the journal and, while it holds the lease, numbers events and signs checkpoints, until ctx ends.
// Before it returns it stores what has been observed.
func (l *Log) Run(ctx context.Context) error {
	var work sync.WaitGroup
	work.Go(func() {
		state := &health{log: l, task: "store audit events"}
		repeat(ctx, flushEvery, func() {
			l.keys.forgetIfSealed()
			state.note(errors.Join(l.flush(ctx), l.takeOver(ctx)))
		})
	})
	work.Go(func() {
		state := &health{log: l, task: "number audit events"}
		repeat(ctx, flushEvery, func() {
			err := l.cfg.Lease.Hold(ctx, sequencer, leaseTTL, func(ctx context.Context) error { return l.lead(ctx, state) })
			if !errors.Is(err, lease.ErrHeld) {
				state.note(err)
			}
		})
	})
	work.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if err := l.flush(ctx); err != nil && !errors.Is(err, barrier.ErrSealed) {
		l.cfg.Log.Warn("the last audit observations are in the journal", "error", err)
	}
	return nil
}

// lead numbers events while this process holds the lease.
func (l *Log) lead(ctx context.Context, state *health) error {
	var lost error
	var retained time.Time
	own, stop := context.WithCancel(ctx)
	defer stop()
	repeat(own, sequenceEvery, func() {
		err := l.sequence(ctx, l.cfg.Lease.Fence)
		if err == nil && l.cfg.Retention > 0 && time.Since(retained) >= retainEvery {
			retained = time.Now()
			err = l.retain(ctx, l.cfg.Lease.Fence)
		}
		if errors.Is(err, lease.ErrLost) {
			lost = err
			stop()
			return
		}
		state.note(err)
	})
	return lost
}

// repeat runs fn at once and at an interval until ctx ends.
func repeat(ctx context.Context, every time.Duration, fn func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		fn()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// health logs when a task begins to fail and when it works again, not each time.
type health struct {
	log     *Log
	task    string
	failing bool
}

func (h *health) note(err error) {
	switch {
	case errors.Is(err, barrier.ErrSealed), errors.Is(err, context.Canceled):
	case err != nil && !h.failing:
		h.failing = true
		h.log.cfg.Log.Error("audit log: a task fails", "task", h.task, "error", err)
	case err == nil && h.failing:
		h.failing = false
		h.log.cfg.Log.Info("audit log: a task works again", "task", h.task)
	}
}
