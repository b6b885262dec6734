package database

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// maxSilence is how long PostgreSQL may leave a client without a word that waits for an answer: longer than any statement may take. Whoever
// hears nothing for so long talks to a server that hangs, or to a network that loses everything, of which TCP alone tells after a
// quarter of an hour (RFC 1122 section 4.2.3.5).
const maxSilence = statementTimeout + 2*time.Second

// keepAlive has connections that nobody uses end when the other side is gone.
const keepAlive = 30 * time.Second

func dialer() *net.Dialer { return &net.Dialer{KeepAlive: keepAlive} }

// dialImpatient connects, and has reads fail that hear nothing for too long, of which tell is told.
func dialImpatient(tell func()) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer().DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &impatientConn{Conn: conn, patience: maxSilence, tell: tell}, nil
	}
}

// impatientConn bounds each read for which its user has set no deadline. The user is pgx, which reads only while it waits for an answer, and
// sets a deadline to interrupt that.
type impatientConn struct {
	net.Conn
	patience time.Duration
	tell     func() // that it has run out

	mu    sync.Mutex // held while a deadline is set, so that the user's is never replaced
	bound bool       // the user has set one; guarded by mu
}

// Read implements net.Conn.
func (c *impatientConn) Read(p []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.isBound() {
		c.tell()
	}
	return n, err
}

func (c *impatientConn) isBound() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bound
}

func (c *impatientConn) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bound {
		return nil
	}
	return c.Conn.SetReadDeadline(time.Now().Add(c.patience))
}

// SetReadDeadline implements net.Conn.
func (c *impatientConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound = !t.IsZero()
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *impatientConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound = !t.IsZero()
	return c.Conn.SetDeadline(t)
}
