// Package batch works on the items of one request, some at a time. Order is kept, and one item's failure is that item's alone.
package batch

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Outcome is what became of one item: a value or an error.
type Outcome[O any] struct {
	Value O
	Err   error
}

// Each calls do for every item, for at most so many at once, and returns the outcomes in the order of the items. When ctx ends, items that were
// not begun have its error. A panic in do becomes the error of its item, with the stack for the log.
func Each[I, O any](ctx context.Context, items []I, atOnce int, do func(context.Context, I) (O, error)) []Outcome[O] {
	outcomes := make([]Outcome[O], len(items))
	var next atomic.Int64 // the item that is begun next
	work := func() {
		for i := next.Add(1) - 1; i < int64(len(items)); i = next.Add(1) - 1 {
			outcomes[i] = one(ctx, items[i], do)
		}
	}
	var workers sync.WaitGroup
	for range min(max(atOnce, 1), len(items)) - 1 {
		workers.Go(work)
	}
	work() // the caller works too
	workers.Wait()

	return outcomes
}

func one[I, O any](ctx context.Context, item I, do func(context.Context, I) (O, error)) (outcome Outcome[O]) {
	defer func() {
		if cause := recover(); cause != nil {
			outcome = Outcome[O]{Err: fmt.Errorf("panic in an item: %v\n%s", cause, debug.Stack())}
		}
	}()
	if outcome.Err = ctx.Err(); outcome.Err == nil {
		outcome.Value, outcome.Err = do(ctx, item)
	}

	return outcome
}
