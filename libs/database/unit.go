package database

import (
	"context"
	"fmt"
	"sync/atomic"
)

// The statements around a part of a unit of work.
const (
	beginPart = "SAVEPOINT part"
	keepPart  = "RELEASE SAVEPOINT part"
	undoPart  = "ROLLBACK TO SAVEPOINT part"
)

// Unit is a unit of work: the transactions of one request made into one, which is committed together with something that the caller
// adds at the end. Under a unit
//   - the first [DB.InTx] begins the transaction, and leaves it open after success;
//   - a later InTx runs in it behind a savepoint, so that its failure undoes its own part only, as it would without a unit;
//   - Exec counts as an InTx of one statement; Query and QueryRow read in the transaction while it is open.
//
// On SQLite an open unit holds the only writer: finish it soon. Like a transaction it is for one goroutine at a time. It ends with
// [Unit.Commit] or [Unit.Rollback], or with the context of [DB.WithUnit]; statements in its context are then refused with [ErrEnded].
type Unit struct {
	db     *DB
	inside error                           // why it cannot begin a transaction: it lies inside one
	bind   func(cancel func()) func() bool // binds to the context of WithUnit; the result undoes it
	turn   chan struct{}                   // holds one token, taken by who works on the fields below
	open   *openTx                         // nil until the first InTx has succeeded
	ended  bool

	active atomic.Pointer[transaction] // what Query uses between two InTx; nil while no transaction is open
	over   atomic.Bool                 // ended, for readers without the token
}

// WithUnit returns a context for a new unit of work. It costs nothing until the first InTx. Inside an open transaction there can be no
// unit: its InTx fail with [ErrInTransaction].
func (db *DB) WithUnit(ctx context.Context) (context.Context, *Unit) {
	u := &Unit{db: db, turn: make(chan struct{}, 1)}
	u.turn <- struct{}{}
	_, u.inside = db.Independent(ctx)
	u.bind = func(cancel func()) func() bool { return context.AfterFunc(ctx, cancel) }
	return context.WithValue(ctx, scopeKey{db}, scope{unit: u}), u
}

// Commit runs fn in the unit's transaction, or in a new one if none is open, and commits. If fn or the commit fails, nothing of the
// unit remains. With no transaction open fn may run more than once, as in [DB.InTx].
func (u *Unit) Commit(ctx context.Context, fn func(ctx context.Context) error) error {
	if err := u.take(ctx); err != nil {
		return err
	}
	defer u.give()
	defer u.end()
	if u.open == nil {
		return u.db.InTx(context.WithValue(ctx, scopeKey{u.db}, scope{}), fn)
	}
	open := u.open
	if err := u.intact(); err != nil {
		return err
	}
	if err := open.run(ctx, fn); err != nil {
		open.rollback()
		return fmt.Errorf("unit of work: %w", asUnavailable(err))
	}
	return open.commit(ctx)
}

// Rollback undoes everything of the unit. After Commit, or a second time, it does nothing.
func (u *Unit) Rollback() {
	<-u.turn
	defer u.give()
	if !u.ended && u.open != nil {
		u.open.rollback()
	}
	u.end()
}

// take waits for the goroutine that works on the unit.
func (u *Unit) take(ctx context.Context) error {
	select {
	case <-u.turn:
	case <-ctx.Done():
		return fmt.Errorf("wait for the unit of work: %w", context.Cause(ctx))
	}
	if u.ended {
		u.give()
		return ErrEnded
	}
	if u.inside != nil {
		u.give()
		return u.inside
	}
	return nil
}

func (u *Unit) give() { u.turn <- struct{}{} }

func (u *Unit) end() {
	u.ended, u.open = true, nil
	u.over.Store(true)
	u.active.Store(nil)
}

func (u *Unit) isOpen() bool { return u.active.Load() != nil }

// inTx is InTx in the unit's context.
func (u *Unit) inTx(ctx context.Context, fn func(context.Context) error) error {
	if err := u.take(ctx); err != nil {
		return err
	}
	defer u.give()
	if u.open != nil {
		return u.inSavepoint(ctx, fn)
	}
	return u.db.retry(ctx, func() error { return u.first(ctx, fn) })
}

// intact ends the unit if a read between two InTx has failed: PostgreSQL then refuses everything but a rollback.
func (u *Unit) intact() error {
	err := u.active.Load().doomed()
	if err != nil {
		u.open.rollback()
		u.end()
	}
	return err
}

// first begins the transaction. While fn runs it is bound to the caller's context, which may end early; afterwards to the unit's.
func (u *Unit) first(ctx context.Context, fn func(context.Context) error) error {
	open, err := u.db.begin(ctx)
	if err != nil {
		return err
	}
	if err := open.run(ctx, fn); err != nil {
		open.rollback()
		return err
	}
	if !open.unbind() {
		open.rollback()
		return fmt.Errorf("unit of work: %w", ended(ctx))
	}
	open.unbind = u.bind(open.cancel)
	u.open = open
	u.active.Store(&transaction{sql: open.sql, open: open})
	return nil
}

// inSavepoint runs fn behind a savepoint. It is not repeated: what came before it cannot be.
func (u *Unit) inSavepoint(ctx context.Context, fn func(context.Context) error) error {
	if err := u.intact(); err != nil {
		return err
	}
	open := u.open
	known := false // whether the state of the transaction is; if not, nothing of it may be committed
	defer func() {
		if !known {
			open.rollback()
			u.end()
		}
	}()
	if _, err := open.sql.ExecContext(ctx, beginPart); err != nil {
		return fmt.Errorf("begin part of a unit of work: %w", asUnavailable(err))
	}
	failed := open.run(ctx, fn)
	end := keepPart
	if failed != nil {
		end = undoPart
	}
	if _, err := open.sql.ExecContext(context.WithoutCancel(ctx), end); err != nil {
		if failed == nil {
			failed = fmt.Errorf("end part of a unit of work: %w", err)
		}
		return asUnavailable(failed)
	}
	known = true
	return asUnavailable(failed)
}
