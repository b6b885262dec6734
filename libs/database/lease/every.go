package lease

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const (
	// retryAfter is how long after a failure work is tried again, if its interval is longer.
	retryAfter = time.Minute
	// maxWait is how long a replica goes without looking whether work is due: so late, at worst, does it notice that clocks were set.
	maxWait = time.Minute
	// maxLead is how much further ahead than its interval the next run may lie before it counts as due: then the interval was longer before, or the
	// clock was set. It is longer than any statement takes, which compares a time with what was written meanwhile.
	maxLead = time.Minute
	// minWait keeps replicas that wait for the same moment from asking all the time.
	minWait = 10 * time.Millisecond
)

// Every runs fn once per interval across all replicas that call it with the name, until ctx ends; it blocks, and returns nil then. The
// first run is at once. The time of the next run is remembered in the database, so restarts and more replicas make no more runs. If the
// holder dies in the middle, another one runs fn within the TTL; so fn may run more than once, and fences what must not be done twice. A
// run that fails is logged and tried again after a minute, or the interval if that is less. The error is for arguments that make no sense.
func (l *Leases) Every(ctx context.Context, name string, interval time.Duration, fn func(ctx context.Context) error) error {
	if name == "" || interval <= 0 {
		return fmt.Errorf("run %q every %v: it needs a name and an interval", name, interval)
	}
	ctx, err := l.outside(ctx)
	if err != nil {
		return fmt.Errorf("run %q every %v: %w", name, interval, err)
	}
	away := false
	for ctx.Err() == nil {
		wait, err := l.turn(ctx, name, interval, fn)
		if err != nil && ctx.Err() == nil && !away {
			l.log.Warn("scheduled work cannot be looked up", "name", name, "error", err.Error())
		}
		away = err != nil
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// turn runs fn if it is due and nobody else does, and returns when to look again.
func (l *Leases) turn(ctx context.Context, name string, interval time.Duration, fn func(context.Context) error) (time.Duration, error) {
	wait, err := l.due(ctx, name, interval)
	if err != nil {
		return min(time.Second, interval), err
	}
	if wait > 0 {
		return wait, nil
	}
	g, err := l.acquire(ctx, name, l.ttl, interval)
	if errors.Is(err, ErrHeld) {
		return minWait, nil // somebody was quicker
	}
	if err != nil {
		return min(time.Second, interval), err
	}
	began := time.Now()
	err = l.work(ctx, g, l.ttl, fn, func(failed error) {
		pause := interval
		switch {
		case failed != nil && ctx.Err() != nil:
			return // cut off by shutdown: it is due for another replica
		case failed != nil:
			pause = min(interval, retryAfter)
		}
		l.done(ctx, g, pause-time.Since(began))
	})
	if err != nil && ctx.Err() == nil {
		l.log.Error("scheduled work failed", "name", name, "error", err.Error())
	}
	return minWait, nil
}

// due is how long until the work may be run: until its time, or until the lease of the one who runs it ends.
func (l *Leases) due(ctx context.Context, name string, interval time.Duration) (time.Duration, error) {
	var expires, due int64
	err := l.db.QueryRow(ctx, `SELECT expires_at, due_at FROM leases WHERE name = $1`, name).Scan(&expires, &due)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	now, err := l.clock(ctx)
	if err != nil {
		return 0, err
	}
	if due > now+(interval+maxLead).Microseconds() {
		due = now
	}
	wait := time.Duration(max(expires, due)-now) * time.Microsecond
	if wait <= 0 {
		return 0, nil
	}
	return min(max(wait, minWait), maxWait), nil
}

// done remembers when the work is due again, a time from now. If that fails, the work runs again too early, as it would after a crash.
func (l *Leases) done(ctx context.Context, g *grant, after time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	err := l.db.InTx(ctx, func(ctx context.Context) error {
		now, err := l.clock(ctx)
		if err == nil {
			_, err = l.touch(ctx, `UPDATE leases SET due_at = $3 WHERE name = $1 AND token = $2`, g.name, g.token, now+after.Microseconds())
		}
		return err
	})
	if err != nil {
		l.log.Warn("the next run of scheduled work was not noted", "name", g.name, "error", err.Error())
	}
}
