package issuance

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// maxGroup bounds how many callers share a transaction.
const maxGroup = 128

// group gathers what callers of one tenant write at the same time into one transaction, so that they share its commit. Nobody waits for a timer: while
// one transaction is under way, the next one gathers. There is no goroutine of its own: one of the callers leads.
type group[T any] struct {
	// write stores items of one tenant: all of them, or none. Its context ends with nobody.
	write func(ctx context.Context, tenant string, items []T) error

	mu     sync.Mutex
	queues map[string]*queue[T] // by tenant, while somebody leads; guarded by mu
}

// queue is what waits for a transaction.
type queue[T any] struct{ waiting []*entry[T] }

// entry is one caller's.
type entry[T any] struct {
	item T
	// turn gets true when the caller is to lead, and false when it is done, with err set.
	turn chan bool
	err  error
}

func newGroup[T any](write func(ctx context.Context, tenant string, items []T) error) *group[T] {
	return &group[T]{write: write, queues: map[string]*queue[T]{}}
}

// do stores one item and returns when that is durable, or has failed. A caller who goes away is waited for: the outcome would be unknown.
func (g *group[T]) do(ctx context.Context, tenant string, item T) error {
	own := &entry[T]{item: item, turn: make(chan bool, 1)}
	g.mu.Lock()
	q, led := g.queues[tenant]
	if !led {
		q = &queue[T]{}
		g.queues[tenant] = q
	}
	q.waiting = append(q.waiting, own)
	g.mu.Unlock()
	if !led || <-own.turn {
		g.lead(context.WithoutCancel(ctx), tenant, q, own)
	}
	return own.err
}

// lead writes one batch, which the leader's own entry begins, and passes the lead on.
func (g *group[T]) lead(ctx context.Context, tenant string, q *queue[T], own *entry[T]) {
	g.mu.Lock()
	batch := q.waiting[:min(len(q.waiting), maxGroup)]
	q.waiting = q.waiting[len(batch):]
	g.mu.Unlock()

	g.settle(ctx, tenant, batch)
	for _, e := range batch {
		if e != own {
			e.turn <- false
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(q.waiting) == 0 {
		delete(g.queues, tenant)
		return
	}
	q.waiting[0].turn <- true
}

// settle writes a batch. If it fails, each item is tried by itself: one that cannot be stored does not spoil the others.
func (g *group[T]) settle(ctx context.Context, tenant string, batch []*entry[T]) {
	items := make([]T, len(batch))
	for i, e := range batch {
		items[i] = e.item
	}
	err := g.guarded(ctx, tenant, items)
	for i, e := range batch {
		e.err = err
		if err != nil && len(batch) > 1 {
			e.err = g.guarded(ctx, tenant, items[i:i+1])
		}
	}
}

// errPanicked keeps the others of a batch from waiting for ever.
var errPanicked = errors.New("the transaction has panicked")

// guarded is write, with a panic made an error: the callers of the same batch must hear of it.
func (g *group[T]) guarded(ctx context.Context, tenant string, items []T) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errPanicked, cause)
		}
	}()
	return g.write(ctx, tenant, items)
}
