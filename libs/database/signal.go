package database

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// signalTimeout bounds what is done after a commit on behalf of a request whose answer waits for it.
const signalTimeout = 2 * time.Second

// listeners are called after commits that were signalled.
type listeners struct {
	mu   sync.Mutex
	next int                           // guarded by mu
	all  map[int]func(context.Context) // guarded by mu
}

// OnSignal has listen called after each commit of a transaction of this process in which [DB.Signal] was called, before InTx, or the
// unit's Commit, returns. stop ends that.
func (db *DB) OnSignal(listen func(ctx context.Context)) (stop func()) {
	l := &db.listeners
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[int]func(context.Context){}
	}
	id := l.next
	l.next++
	l.all[id] = listen
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.all, id)
	}
}

// Signal has the listeners called once the transaction of ctx is committed. It fails with [ErrEnded] outside of a transaction.
func (db *DB) Signal(ctx context.Context) error {
	t := db.scope(ctx).tx
	if t == nil || t.ended.Load() {
		return ErrEnded
	}
	t.open.signals.Store(true)
	return nil
}

// tell calls the listeners. They see neither the transaction nor the caller's cancellation: the change has happened.
func (db *DB) tell(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithValue(context.WithoutCancel(ctx), scopeKey{db}, scope{}), signalTimeout)
	defer cancel()
	db.listeners.mu.Lock()
	all := slices.Collect(maps.Values(db.listeners.all))
	db.listeners.mu.Unlock()
	for _, listen := range all {
		listen(ctx)
	}
}
