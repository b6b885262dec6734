package lease

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	// renewals is how many times a lease is renewed within its ttl: two may fail before it is lost.
	renewals = 3
	// releaseTimeout bounds the giving back. What cannot be given back expires.
	releaseTimeout = 5 * time.Second
	// minTTL is what a database on a busy machine can keep up with.
	minTTL = 100 * time.Millisecond
)

// grant is a lease as its holder knows it.
type grant struct {
	db     *database.DB
	name   string
	token  int64
	outer  *grant    // the lease within which this one was taken
	expiry time.Time // on this process's clock, no later than the database's
}

type grantKey struct{}

func grantOf(ctx context.Context) *grant {
	g, _ := ctx.Value(grantKey{}).(*grant)
	return g
}

// Hold runs fn while it holds the lease, and gives it back. It tries once: if another holder has the lease, be it in this process, it
// returns [ErrHeld] and does not run fn. The lease is renewed three times per ttl. If it is lost, the context of fn is cancelled with the
// cause [ErrLost], which Hold then returns whatever fn does. It is refused inside a transaction, which could not see the lease change.
func (l *Leases) Hold(ctx context.Context, name string, ttl time.Duration, fn func(ctx context.Context) error) error {
	if name == "" || ttl < minTTL {
		return fmt.Errorf("hold lease %q: it needs a name and at least %v", name, minTTL)
	}
	ctx, err := l.outside(ctx)
	if err != nil {
		return fmt.Errorf("hold lease %q: %w", name, err)
	}
	g, err := l.acquire(ctx, name, ttl, forever)
	if err != nil {
		return fmt.Errorf("hold lease %q: %w", name, err)
	}
	if err := l.work(ctx, g, ttl, fn, func(error) {}); err != nil {
		return fmt.Errorf("under lease %q: %w", name, err)
	}
	return nil
}

// outside is ctx without its transaction and tenant: a lease belongs to none.
func (l *Leases) outside(ctx context.Context) (context.Context, error) {
	ctx, err := l.db.Independent(ctx)
	if err != nil {
		return nil, err
	}
	return database.WithTenant(ctx, ""), nil
}

// forever as an interval takes a lease whenever it is free.
const forever time.Duration = -1

// acquire takes the lease if it is free and, unless the interval is forever, the work is due: its time has come, or lies too far ahead.
func (l *Leases) acquire(ctx context.Context, name string, ttl, interval time.Duration) (*grant, error) {
	g := &grant{db: l.db, name: name, outer: grantOf(ctx), expiry: time.Now().Add(ttl)}
	err := l.db.InTx(ctx, func(ctx context.Context) error {
		now, err := l.clock(ctx)
		if err != nil {
			return err
		}
		return l.db.QueryRow(ctx, `INSERT INTO leases (name, owner, token, expires_at, due_at) VALUES ($1, $2, 1, $3, $4)
			ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, token = leases.token + 1, expires_at = excluded.expires_at
			WHERE leases.expires_at <= $4 AND ($5 OR leases.due_at <= $4 OR leases.due_at > $6)
			RETURNING token`,
			name, l.owner, now+ttl.Microseconds(), now, interval == forever, now+(interval+maxLead).Microseconds(),
		).Scan(&g.token)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrHeld
	}
	return g, err
}

// clock is the time that all replicas share, in microseconds.
func (l *Leases) clock(ctx context.Context) (int64, error) {
	if l.now != nil {
		return database.Micros(l.now()), nil
	}
	var now int64
	err := l.db.QueryRow(ctx, `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&now)
	return now, err
}

// work runs fn under the lease, renews it meanwhile, calls ended with the outcome while the lease is still held, and gives it back.
func (l *Leases) work(ctx context.Context, g *grant, ttl time.Duration, fn func(context.Context) error, ended func(error)) (err error) {
	work, lose := context.WithCancelCause(context.WithValue(ctx, grantKey{}, g))
	// While fn winds down after the end of ctx the lease is still needed.
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	var renewing sync.WaitGroup
	renewing.Go(func() { l.renew(alive, g, ttl, lose) })
	defer func() { // also when fn panics
		stop()
		renewing.Wait()
		l.release(ctx, g)
		lose(nil)
	}()
	err = fn(work)
	if cause := context.Cause(work); errors.Is(cause, ErrLost) {
		return errors.Join(cause, err)
	}
	ended(err)
	return err
}

// renew moves the expiry until ctx ends, and calls lose when another holder has the lease or the ttl has passed without success.
func (l *Leases) renew(ctx context.Context, g *grant, ttl time.Duration, lose context.CancelCauseFunc) {
	ticker := time.NewTicker(ttl / renewals)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		expiry := time.Now().Add(ttl)
		held, err := l.extend(ctx, g, ttl)
		switch {
		case err == nil && held:
			g.expiry = expiry
		case err == nil:
			lose(fmt.Errorf("%w: another holder took it", ErrLost))
			return
		case !time.Now().Before(g.expiry):
			lose(fmt.Errorf("%w: it could not be renewed: %w", ErrLost, err))
			return
		}
	}
}

// extend renews once. It gives up when the lease expires.
func (l *Leases) extend(ctx context.Context, g *grant, ttl time.Duration) (held bool, err error) {
	ctx, cancel := context.WithDeadline(ctx, g.expiry)
	defer cancel()
	err = l.db.InTx(ctx, func(ctx context.Context) error {
		now, err := l.clock(ctx)
		if err != nil {
			return err
		}
		held, err = l.touch(ctx, `UPDATE leases SET expires_at = $3 WHERE name = $1 AND token = $2`, g.name, g.token, now+ttl.Microseconds())
		return err
	})
	return held, err
}

// release gives the lease back, unless somebody else has it. An error has no taker: the lease then expires.
func (l *Leases) release(ctx context.Context, g *grant) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	_, _ = l.touch(ctx, `UPDATE leases SET expires_at = 0 WHERE name = $1 AND token = $2`, g.name, g.token)
}

// touch says whether the statement changed a row.
func (l *Leases) touch(ctx context.Context, statement string, args ...any) (bool, error) {
	result, err := l.db.Exec(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
