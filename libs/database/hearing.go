package database

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

const (
	// askAgain is the time between two questions to a server that does not answer, and how long one waits.
	askAgain    = 250 * time.Millisecond
	askPatience = time.Second
)

// errSilent is why nothing is asked of a server.
var errSilent = errors.New("the server has not answered for some time")

// hearing knows whether the server answers. One connection that hears nothing for [maxSilence] is the suspicion, a question on another one that is not
// answered within a second the proof. From then on nobody else is made to wait: statements are refused at once, until a question is answered.
type hearing struct {
	ask func(ctx context.Context) error // one question

	silent  atomic.Bool
	asking  atomic.Bool
	closing context.Context //nolint:containedctx // the life of the pool
	close   context.CancelFunc
}

func newHearing() *hearing {
	h := &hearing{}
	h.closing, h.close = context.WithCancel(context.Background())
	return h
}

// refusal is the error of a statement that would not be answered. A nil hearing always hears.
func (h *hearing) refusal() error {
	if h == nil || !h.silent.Load() {
		return nil
	}
	return &UnavailableError{Err: errSilent}
}

// suspect asks until the server answers, while a connection is said to hear nothing.
func (h *hearing) suspect() {
	if h.closing.Err() != nil || !h.asking.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer h.asking.Store(false)
		defer h.silent.Store(false)
		ticker := time.NewTicker(askAgain)
		defer ticker.Stop()
		for h.isUnanswered() {
			h.silent.Store(true)
			select {
			case <-h.closing.Done():
				return
			case <-ticker.C:
			}
		}
	}()
}

func (h *hearing) isUnanswered() bool {
	ctx, cancel := context.WithTimeout(h.closing, askPatience)
	defer cancel()
	return h.ask(ctx) != nil
}
