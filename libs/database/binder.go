package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// The statements that bind a transaction. The third argument, is_local, has the setting end with the transaction, so that a connection
// carries nothing from one tenant to the next.
const (
	bindTenant = "SELECT set_config('" + tenantSetting + "', $1, true)"
	bindSchema = "SELECT set_config('" + tenantSetting + "', $1, true), set_config('search_path', $2, true)"
	// selectIsolation reads what tenancy.isolated keeps.
	selectIsolation = "SELECT isolation FROM tenants WHERE id = $1"
)

// binder opens connections that bind each statement to the tenant of its context.
type binder struct {
	driver.Connector
	tenancy *tenancy
}

// Connect implements driver.Connector.
func (b binder) Connect(ctx context.Context) (driver.Conn, error) {
	made, err := b.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := made.(*stdlib.Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("unexpected connection %T", made), made.Close())
	}
	return &boundConn{Conn: conn, tenancy: b.tenancy}, nil
}

// boundConn sends the statement that binds in front of the one that is asked for, in the same round trip. Outside a transaction the two are one
// implicit transaction, which ends with their common Sync (PostgreSQL 15 section 55.2.3). Inside one, the first statement of each
// tenant is preceded by it. database/sql has one goroutine at a time use it.
type boundConn struct {
	*stdlib.Conn
	tenancy *tenancy

	open  bool    // between BEGIN and its end
	bound binding // what the open transaction was told
}

// ResetSession implements driver.SessionResetter. A connection that was idle for long is asked whether it lives, and gets little time to
// answer: the statement that is to be sent on it can have another one.
func (c *boundConn) ResetSession(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return c.Conn.ResetSession(ctx)
}

// BeginTx implements driver.ConnBeginTx.
func (c *boundConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	c.open, c.bound = true, binding{}
	return boundTx{Tx: tx, conn: c}, nil
}

type boundTx struct {
	driver.Tx
	conn *boundConn
}

// Commit implements driver.Tx.
func (t boundTx) Commit() error {
	t.conn.open, t.conn.bound = false, binding{}
	return t.Tx.Commit()
}

// Rollback implements driver.Tx.
func (t boundTx) Rollback() error {
	t.conn.open, t.conn.bound = false, binding{}
	return t.Tx.Rollback()
}

// missing is the binding to send before a statement; false if there is none to send.
func (c *boundConn) missing(ctx context.Context, query string) (binding, bool, error) {
	switch {
	case !c.tenancy.bound.Load():
		return binding{}, false, nil
	case query == undoPart: // with what the part did, its bindings are undone
		c.bound = unknown()
		return binding{}, false, nil
	case query == beginPart, query == keepPart:
		return binding{}, false, nil
	}
	want, err := c.tenancy.binding(ctx, c.isolation)
	return want, want != c.bound, err
}

func (c *boundConn) isolation(ctx context.Context, tenant string) (isolation string, err error) {
	err = c.Conn.Conn().QueryRow(ctx, selectIsolation, tenant).Scan(&isolation)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", sql.ErrNoRows
	}
	return isolation, err
}

// send sends the binding and the statement, and reads the answer to the first.
func (c *boundConn) send(ctx context.Context, want binding, query string, args []driver.NamedValue) (pgx.BatchResults, error) {
	batch := &pgx.Batch{}
	switch {
	case want.path != "":
		batch.Queue(bindSchema, want.tenant, want.path)
	case c.bound.path != "":
		batch.Queue(bindSchema, want.tenant, c.tenancy.path)
	default:
		batch.Queue(bindTenant, want.tenant)
	}
	values := make([]any, len(args))
	for i, arg := range args {
		values[i] = arg.Value
	}
	batch.Queue(query, values...)
	results := c.Conn.Conn().SendBatch(ctx, batch)
	if _, err := results.Exec(); err != nil {
		_ = results.Close() // its error is the same
		return nil, err
	}
	if c.open {
		c.bound = want
	}
	return results, nil
}

// ExecContext implements driver.ExecerContext.
func (c *boundConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	want, missing, err := c.missing(ctx, query)
	if err != nil {
		return nil, err
	}
	if !missing {
		return c.Conn.ExecContext(ctx, query, args)
	}
	if c.Conn.Conn().IsClosed() {
		return nil, driver.ErrBadConn
	}
	results, err := c.send(ctx, want, query, args)
	if err != nil {
		return nil, err
	}
	tag, err := results.Exec()
	if closeErr := results.Close(); err == nil {
		err = closeErr // the implicit transaction ends here, so that this is where a deferred constraint fails
	}
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

// QueryContext implements driver.QueryerContext.
func (c *boundConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	want, missing, err := c.missing(ctx, query)
	if err != nil {
		return nil, err
	}
	if !missing {
		return c.Conn.QueryContext(ctx, query, args)
	}
	if c.Conn.Conn().IsClosed() {
		return nil, driver.ErrBadConn
	}
	results, err := c.send(ctx, want, query, args)
	if err != nil {
		if pgconn.SafeToRetry(err) {
			return nil, driver.ErrBadConn
		}
		return nil, err
	}
	return readRows(c.Conn.Conn().TypeMap(), results)
}
