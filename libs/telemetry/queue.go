package telemetry

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of a queue.
const (
	batchSize     = 512              // items in one export
	batchInterval = time.Second      // an item waits so long for others
	exportLimit   = 30 * time.Second // for one batch with the exporter's retries; then it is lost
)

// queue holds items until its worker exports them in batches. It does what the SDK's batch processors do, and counts what it drops,
// which they do not. Adding never waits.
type queue[T any] struct {
	items  chan T
	flush  chan chan<- struct{}
	stop   chan struct{}
	done   chan struct{} // closed when the worker has ended
	once   sync.Once     // closes stop
	closed atomic.Bool

	cancel context.CancelFunc // ends the export that is running
	export func(context.Context, []T) error
	lost   *atomic.Uint64
	losses *losses
}

// newQueue starts a queue whose worker runs until shutdown.
func newQueue[T any](size int, export func(context.Context, []T) error, lost *atomic.Uint64, l *losses) *queue[T] {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:gosec // shutdown calls it
	q := &queue[T]{
		items: make(chan T, size), flush: make(chan chan<- struct{}), stop: make(chan struct{}), done: make(chan struct{}),
		cancel: cancel, export: export, lost: lost, losses: l,
	}
	go q.work(ctx)
	return q
}

// add queues an item or, when there is no room, drops it.
func (q *queue[T]) add(item T) {
	if q.closed.Load() {
		return
	}
	select {
	case q.items <- item:
	default:
		q.lost.Add(1)
	}
}

// work is the worker.
func (q *queue[T]) work(ctx context.Context) {
	defer close(q.done)
	tick := time.NewTicker(batchInterval)
	defer tick.Stop()
	batch := make([]T, 0, batchSize)
	for {
		select {
		case item := <-q.items:
			if batch = append(batch, item); len(batch) == batchSize {
				batch = q.send(ctx, batch)
			}
		case <-tick.C:
			batch = q.send(ctx, batch)
			q.losses.report(false)
		case answer := <-q.flush:
			batch = q.drain(ctx, batch)
			close(answer)
		case <-q.stop:
			q.drain(ctx, batch)
			return
		}
	}
}

// drain sends everything that is queued now.
func (q *queue[T]) drain(ctx context.Context, batch []T) []T {
	for range len(q.items) {
		if batch = append(batch, <-q.items); len(batch) == batchSize {
			batch = q.send(ctx, batch)
		}
	}
	return q.send(ctx, batch)
}

// send exports a batch, counts it as lost when that fails, and returns it empty.
func (q *queue[T]) send(ctx context.Context, batch []T) []T {
	if len(batch) == 0 {
		return batch
	}
	ctx, cancel := context.WithTimeout(ctx, exportLimit)
	defer cancel()
	if err := q.export(ctx, batch); err != nil {
		q.lost.Add(uint64(len(batch)))
		q.losses.failed(err)
	}
	clear(batch)
	return batch[:0]
}

// forceFlush waits until what is queued now was exported or ctx ends.
func (q *queue[T]) forceFlush(ctx context.Context) error {
	answer := make(chan struct{})
	select {
	case q.flush <- answer:
	case <-q.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shutdown exports what is queued until ctx ends, then drops and counts the rest, and waits for the worker.
func (q *queue[T]) shutdown(ctx context.Context) error {
	q.closed.Store(true)
	q.once.Do(func() { close(q.stop) })
	defer q.cancel()
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		q.cancel()
		<-q.done
		return ctx.Err()
	}
}
