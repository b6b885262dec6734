package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"
)

// Exec runs a statement in the transaction of ctx; without one it commits by itself. If the caller's context ends meanwhile, or the
// error is [ErrOutcomeUnknown], it may have been committed or not.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	var result sql.Result
	switch s := db.scope(ctx); {
	case s.tx != nil:
		return s.tx.exec(ctx, query, args)
	case s.unit != nil:
		err := s.unit.inTx(ctx, func(ctx context.Context) (err error) {
			result, err = db.Exec(ctx, query, args...)
			return err
		})
		return result, err
	}
	err := db.retry(ctx, func() (err error) {
		result, err = db.autocommit(ctx, query, args)
		return err
	})
	return result, err
}

// autocommit runs a statement on a connection of its own choice: sql.DB would repeat it on another one where the driver says that it
// was not sent, on which pgx cannot be relied.
func (db *DB) autocommit(ctx context.Context, query string, args []any) (sql.Result, error) {
	if err := db.hearing.refusal(); err != nil {
		return nil, err
	}
	connection, err := db.writer.Conn(ctx)
	if err != nil {
		return nil, asUnavailable(err)
	}
	defer func() { _ = connection.Close() }() // returns it to the pool
	result, err := connection.ExecContext(ctx, query, args...)
	if err == nil || ctx.Err() != nil {
		return result, err
	}
	return result, commitError(err)
}

// Query reads rows in the transaction of ctx, or outside of one. The caller closes them and asks Err at the end.
func (db *DB) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	t, err := db.reading(ctx)
	if err != nil {
		return nil, err
	}
	if t != nil {
		rows, err := t.sql.QueryContext(ctx, query, args...)
		return rows, t.breaks(t.reason(ctx, err))
	}
	rows, err := db.query(ctx, query, args)
	return rows, readReason(err)
}

// QueryRow is Query for at most one row.
func (db *DB) QueryRow(ctx context.Context, query string, args ...any) *Row {
	t, err := db.reading(ctx)
	switch {
	case err != nil:
		return &Row{err: err}
	case t != nil:
		return &Row{row: t.sql.QueryRowContext(ctx, query, args...), reason: func(err error) error { return t.breaks(t.reason(ctx, err)) }}
	}
	row, err := db.queryRow(ctx, query, args)
	if err != nil {
		err = readReason(err)
	}
	return &Row{row: row, err: err, reason: readReason}
}

// Row is the answer to [DB.QueryRow].
type Row struct {
	row    *sql.Row
	err    error
	reason func(error) error
}

// Scan copies the columns of the row into dest, as sql.Row does; sql.ErrNoRows if there is none.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	err := r.row.Scan(dest...)
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return r.reason(err)
}

// reading is the transaction in which ctx reads, nil for none.
func (db *DB) reading(ctx context.Context) (*transaction, error) {
	s := db.scope(ctx)
	t := s.tx
	if s.unit != nil {
		if s.unit.over.Load() {
			return nil, ErrEnded
		}
		t = s.unit.active.Load()
	}
	if t == nil {
		return nil, nil
	}
	err := t.usable()
	return t, err
}

func (t *transaction) exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	result, err := t.sql.ExecContext(ctx, query, args...)
	return result, t.breaks(t.reason(ctx, err))
}

// reason explains the error of a statement in a transaction that database/sql has rolled back meanwhile.
func (t *transaction) reason(ctx context.Context, err error) error {
	if !errors.Is(err, sql.ErrTxDone) {
		return asUnavailable(err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("transaction rolled back: %w", context.Cause(ctx))
	}
	return ErrEnded
}

func readReason(err error) error {
	if code, ok := sqliteCode(err); ok && code&0xff == sqlite3.SQLITE_READONLY {
		return fmt.Errorf("outside a transaction only Exec writes: %w", err)
	}
	return asUnavailable(err)
}
