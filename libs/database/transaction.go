package database

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// commitTimeout bounds a COMMIT once it is under way. From there the caller's cancellation is not heard any more: it could only
	// make the outcome unknown.
	commitTimeout = 15 * time.Second
	// beginTimeout bounds the wait for a connection and its begin: while a server is silent, those before may hold all connections.
	beginTimeout = 10 * time.Second
	// rollbackTimeout bounds a ROLLBACK; after it the connection is closed, which rolls back as well.
	rollbackTimeout = 5 * time.Second
)

// scopeKey finds in a context what belongs to one database: a process may have several.
type scopeKey struct{ db *DB }

// scope is a transaction, a unit of work, or neither.
type scope struct {
	tx   *transaction
	unit *Unit
}

func (db *DB) scope(ctx context.Context) scope {
	s, _ := ctx.Value(scopeKey{db}).(scope)
	return s
}

// InTx runs fn in a write transaction, which travels in the context that fn receives and ends with fn: it commits when fn returns nil,
// and rolls back when fn returns an error or panics. An InTx inside joins the transaction; if its fn fails, the whole transaction
// fails, whatever the outer fn makes of the error.
//
// A transaction that loses against another one (a deadlock, a serialization failure, a locked file) is repeated from the start, up to ten times, so
// fn may run more than once and must not change anything but the database. The context is for one goroutine at a time, and inside
// fn only the inner context may be used: with the outer one a statement would wait for a connection that its own goroutine holds.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	switch s := db.scope(ctx); {
	case s.tx != nil:
		return s.tx.join(ctx, fn)
	case s.unit != nil:
		return s.unit.inTx(ctx, fn)
	}
	return db.retry(ctx, func() error {
		open, err := db.begin(ctx)
		if err != nil {
			return err
		}
		if err := open.run(ctx, fn); err != nil {
			open.rollback()
			return err
		}
		return open.commit(ctx)
	})
}

// Independent returns a context outside the transaction and unit of work of ctx: what is done in it commits by itself and stays when
// they roll back. While a transaction is open it is refused with [ErrInTransaction], on both engines, because on SQLite there is one writer.
func (db *DB) Independent(ctx context.Context) (context.Context, error) {
	s := db.scope(ctx)
	if (s.tx != nil && !s.tx.ended.Load()) || (s.unit != nil && s.unit.isOpen()) {
		return nil, ErrInTransaction
	}
	if s == (scope{}) {
		return ctx, nil
	}
	return context.WithValue(ctx, scopeKey{db}, scope{}), nil
}

// InUnit tells whether ctx belongs to a unit of work ([DB.WithUnit]): what is stored in it is durable only with the unit.
func (db *DB) InUnit(ctx context.Context) bool { return db.scope(ctx).unit != nil }

// openTx is a transaction begun on the database. One goroutine owns it.
type openTx struct {
	db     *DB
	sql    *sql.Tx
	cancel context.CancelFunc // makes database/sql roll back, even while a statement runs
	unbind func() bool        // stops the context that the transaction is bound to from cancelling; false if it has done so

	signals atomic.Bool // whether listeners are told once it is committed
}

// begin starts a transaction that is rolled back when ctx ends before commit.
func (db *DB) begin(ctx context.Context) (*openTx, error) {
	if err := db.hearing.refusal(); err != nil {
		return nil, err
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unbind := context.AfterFunc(ctx, cancel)
	timer := time.AfterFunc(beginTimeout, cancel)
	tx, err := db.writer.BeginTx(own, nil)
	inTime := timer.Stop()
	if err != nil {
		unbind()
		cancel()
		switch {
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case !inTime:
			err = &UnavailableError{Err: fmt.Errorf("no connection within %s: %w", beginTimeout, err)}
		}
		return nil, fmt.Errorf("begin transaction: %w", asUnavailable(err))
	}
	return &openTx{db: db, sql: tx, cancel: cancel, unbind: unbind}, nil
}

// run gives fn the transaction. If fn panics, or ends its goroutine, it rolls back; an error it leaves to the caller.
func (o *openTx) run(ctx context.Context, fn func(context.Context) error) error {
	t := &transaction{sql: o.sql, open: o}
	returned := false
	defer func() {
		t.ended.Store(true)
		if !returned {
			o.rollback()
		}
	}()
	err := fn(context.WithValue(ctx, scopeKey{o.db}, scope{tx: t}))
	returned = true
	if err == nil {
		err = t.doomed()
	}
	return err
}

func (o *openTx) commit(ctx context.Context) error {
	if !o.unbind() {
		o.rollback()
		return fmt.Errorf("commit transaction: %w", ended(ctx))
	}
	timer := time.AfterFunc(commitTimeout, o.cancel)
	defer timer.Stop()
	defer o.cancel()
	err := o.sql.Commit()
	if o.signals.Load() { // also after an error: it may have been committed all the same
		o.db.tell(ctx)
	}
	if err != nil {
		return fmt.Errorf("commit transaction: %w", commitError(err))
	}
	return nil
}

// rollback gives up the transaction. Its own error has no taker: database/sql then closes the connection.
func (o *openTx) rollback() {
	o.unbind()
	timer := time.AfterFunc(rollbackTimeout, o.cancel)
	defer timer.Stop()
	defer o.cancel()
	_ = o.sql.Rollback()
}

// ended is why a transaction was cancelled: by ctx, or by the context of its unit of work.
func ended(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return context.Canceled
}

// transaction is what a context carries: one InTx's use of an open transaction.
type transaction struct {
	sql   *sql.Tx
	open  *openTx
	ended atomic.Bool

	mu     sync.Mutex
	doom   error // guarded by mu; the first error that the transaction cannot survive
	broken bool  // guarded by mu; whether a statement failed
}

func (t *transaction) join(ctx context.Context, fn func(context.Context) error) error {
	if err := t.usable(); err != nil {
		return err
	}
	return t.fail(fn(ctx))
}

// breaks dooms the transaction if err, a statement's, is one, and has every further statement refused. PostgreSQL does so by itself. SQLite
// goes on, and where it has rolled back by itself, as after an interruption (sqlite.org/c3ref/interrupt.html), it would commit each
// further statement at once.
func (t *transaction) breaks(err error) error {
	if t.fail(err) != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.broken = true
	}
	return err
}

// usable is the error with which to refuse a statement, if any.
func (t *transaction) usable() error {
	if t.ended.Load() {
		return ErrEnded
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.broken {
		return fmt.Errorf("refused in a transaction that failed: %w", t.doom)
	}
	return nil
}

// fail dooms the transaction if err is one, and returns it.
func (t *transaction) fail(err error) error {
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.doom == nil {
			t.doom = err
		}
	}
	return err
}

// doomed is the error with which to end a transaction whose fn returned nil.
func (t *transaction) doomed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.doom == nil {
		return nil
	}
	return fmt.Errorf("not committed, because a part of it failed: %w", t.doom)
}
