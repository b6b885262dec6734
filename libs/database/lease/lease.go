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
	now   func() time.Time // nil for the database server's clock
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
	if l.now == nil && l.db.Engine() == database.EngineSQLite {
		l.now = time.Now
	}
	return l, nil
}
