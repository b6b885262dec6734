package changes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

const (
	defaultInterval = 250 * time.Millisecond
	defaultBound    = time.Second
)

// Config is what a Follower needs.
type Config struct {
	// DB has database.PlatformMigrations applied; required.
	DB *database.DB
	// Log hears when the sequence cannot be read, and when it can again; required.
	Log *slog.Logger
	// Now is the clock; required.
	Now func() time.Time
	// Interval is the time between two reads: 250 ms when zero.
	Interval time.Duration
	// Bound is the age of the last good read from which on facts are unavailable: one second when zero. A read that takes longer is given up.
	Bound time.Duration
}

// Follower reads the change sequence for one replica. Fresh and CatchUp may be called from many goroutines.
type Follower struct {
	db              *database.DB
	log             *slog.Logger
	now             func() time.Time
	interval, bound time.Duration
	deaf            func() // ends the listening to transactions of this process

	turn        chan struct{} // holds one token, taken by who reads and tells; it guards the fields below
	subscribers []subscriber
	positions   []position // by lane; nil before the first read

	begun atomic.Uint64             // how many reads have begun
	done  atomic.Uint64             // the number of the last good one
	last  atomic.Pointer[time.Time] // when that one began

	failed atomic.Pointer[time.Time] // when Ensure last tried in vain
}

type subscriber struct {
	kind string
	tell func(Change)
}

// position is the last number of a lane that was read, with its mark.
type position struct {
	lane, value, mark int64
}

// StaleError says that this replica has not read the change sequence lately, so that what it knows may be out of date.
type StaleError struct{}

func (*StaleError) Error() string {
	return "the change sequence was not read lately: what this replica knows may be out of date"
}

// ErrorCode is the code that a client of the API sees.
func (*StaleError) ErrorCode() string { return "state_unavailable" }

// RetryAfter is when to ask again.
func (*StaleError) RetryAfter() time.Duration { return time.Second }

// New makes a Follower, which is stale until its first read. From then on, and until Run has returned, a transaction of this process that has
// noted a change returns when the follower knows of it, so that whoever made the change sees it.
func New(cfg Config) (*Follower, error) {
	if cfg.DB == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("follow changes: database, log and clock are required")
	}
	if cfg.Interval < 0 || cfg.Bound < 0 {
		return nil, errors.New("follow changes: interval and bound must not be negative")
	}
	f := &Follower{
		db: cfg.DB, log: cfg.Log, now: cfg.Now, interval: cfg.Interval, bound: cfg.Bound,
		turn: make(chan struct{}, 1),
	}
	if f.interval == 0 {
		f.interval = defaultInterval
	}
	if f.bound == 0 {
		f.bound = defaultBound
	}
	f.turn <- struct{}{}
	f.deaf = f.db.OnSignal(func(ctx context.Context) { _ = f.CatchUp(ctx) }) // if it fails, the next read will tell why
	return f, nil
}

// Subscribe has tell called for each change of the kind, or of every kind when it is "", and for each change with All, in the order of the
// commits within a tenant, one at a time, on the goroutine of Run or CatchUp. tell must be quick and must not call the follower. The
// first read tells All. Subscribe before Run.
func (f *Follower) Subscribe(kind string, tell func(Change)) {
	<-f.turn
	defer func() { f.turn <- struct{}{} }()
	f.subscribers = append(f.subscribers, subscriber{kind, tell})
}

// Run reads until ctx ends, and returns nil then. While the database is away it goes on trying.
func (f *Follower) Run(ctx context.Context) error {
	ctx, err := f.outside(ctx)
	if err != nil {
		return fmt.Errorf("follow changes: %w", err)
	}
	defer f.deaf()
	ticker := time.NewTicker(f.interval)
	defer ticker.Stop()
	away := false
	for {
		err := f.take(ctx, f.read)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !away:
			f.log.Warn("the change sequence cannot be read: what depends on it is unavailable after a second", "error", err.Error())
		case err == nil && away:
			f.log.Info("the change sequence can be read again")
		}
		away = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Fresh is nil while the last good read began no longer ago than the bound, and otherwise a [StaleError]. It costs nanoseconds.
func (f *Follower) Fresh() error {
	last := f.last.Load()
	if last == nil {
		return &StaleError{}
	}
	// The monotonic clock stands still while a machine is suspended, and the other one may be set back.
	now := f.now()
	if max(now.Sub(*last), time.Duration(now.UnixNano()-last.UnixNano())) > f.bound {
		return &StaleError{}
	}
	return nil
}

// ensureTimeout bounds the read with which Ensure tries to become fresh.
const ensureTimeout = 500 * time.Millisecond

// Ensure is Fresh, and, where that fails, one attempt to read now: a process that was starved or suspended for a second is fresh again as soon as
// somebody asks. When an attempt fails the next one waits for an interval, so that a database that is away costs nobody any time.
func (f *Follower) Ensure(ctx context.Context) error {
	if f.Fresh() == nil {
		return nil
	}
	now := time.Now()
	if failed := f.failed.Load(); failed != nil && now.Sub(*failed) < f.interval {
		return &StaleError{}
	}
	// A caller who leaves must not fail the others: the read is everybody's.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ensureTimeout)
	defer cancel()
	if err := f.CatchUp(ctx); err != nil {
		if !errors.Is(err, database.ErrInTransaction) {
			f.failed.Store(&now)
		}
		return &StaleError{}
	}
	return f.Fresh()
}

// CatchUp reads now, so that this replica's subscribers have heard of everything committed before the call. A writer calls it after its
// transaction; while one is open in ctx it is refused with database.ErrInTransaction. Calls at the same time share a read.
func (f *Follower) CatchUp(ctx context.Context) error {
	ctx, err := f.outside(ctx)
	if err != nil {
		return fmt.Errorf("catch up with changes: %w", err)
	}
	before := f.begun.Load()
	err = f.take(ctx, func(ctx context.Context) error {
		if f.done.Load() > before {
			return nil // a read that began after this call is done already
		}
		return f.read(ctx)
	})
	if err != nil {
		return fmt.Errorf("catch up with changes: %w", err)
	}
	return nil
}

// outside is ctx without its transaction and tenant: the sequence belongs to none.
func (f *Follower) outside(ctx context.Context) (context.Context, error) {
	ctx, err := f.db.Independent(ctx)
	if err != nil {
		return nil, err
	}
	return database.WithTenant(ctx, ""), nil
}

// take runs do when its turn comes.
func (f *Follower) take(ctx context.Context, do func(context.Context) error) error {
	select {
	case <-f.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { f.turn <- struct{}{} }()
	return do(ctx)
}
