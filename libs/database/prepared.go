package database

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
)

// maxPrepared bounds how many statements are kept. Their texts are constants of the program, so that there are far fewer.
const maxPrepared = 256

// prepared keeps the statements that read from SQLite compiled: to compile one costs more than to run it. pgx does the same by itself.
type prepared struct {
	pool *sql.DB

	mu         sync.RWMutex
	statements map[string]*sql.Stmt // by text; guarded by mu
}

func newPrepared(pool *sql.DB) *prepared {
	return &prepared{pool: pool, statements: map[string]*sql.Stmt{}}
}

// get returns the statement of a text, which stays open, or nil when there are too many: the text is then compiled anew. A nil receiver has none.
func (p *prepared) get(ctx context.Context, query string) (*sql.Stmt, error) {
	if p == nil {
		return nil, nil //nolint:nilnil // no statement, no error
	}
	p.mu.RLock()
	statement, full := p.statements[query], len(p.statements) >= maxPrepared
	p.mu.RUnlock()
	if statement != nil || full {
		return statement, nil
	}
	made, err := p.pool.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.statements[query]; first != nil {
		return first, made.Close() //nolint:sqlclosecheck // somebody else was first
	}
	p.statements[query] = made
	return made, nil
}

// query reads rows outside of a transaction.
func (db *DB) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	if err := db.hearing.refusal(); err != nil {
		return nil, err
	}
	statement, err := db.prepared.get(ctx, query) //nolint:sqlclosecheck // it is kept
	switch {
	case err != nil:
		return nil, err
	case statement == nil:
		return db.reader.QueryContext(ctx, query, args...)
	default:
		return statement.QueryContext(ctx, args...)
	}
}

// queryRow is query for at most one row.
func (db *DB) queryRow(ctx context.Context, query string, args []any) (*sql.Row, error) {
	if err := db.hearing.refusal(); err != nil {
		return nil, err
	}
	statement, err := db.prepared.get(ctx, query) //nolint:sqlclosecheck // it is kept
	switch {
	case err != nil:
		return nil, err
	case statement == nil:
		return db.reader.QueryRowContext(ctx, query, args...), nil
	default:
		return statement.QueryRowContext(ctx, args...), nil
	}
}
