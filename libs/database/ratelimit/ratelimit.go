// Package ratelimit limits, exactly and across all replicas, how often something may be tried: what protects a secret, such as logins and
// one-time codes. What protects capacity is limited in process instead.
//
// The algorithm is the generic cell rate algorithm (ITU-T I.371 annex A, virtual scheduling): a key has one theoretical arrival time, and
// one statement both decides and moves it, so that any number of replicas admit together exactly the burst and then the rate. Keys are
// stored as keyed hashes.
package ratelimit

import (
	"errors"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// Rate is Limit tries per Per, of which Burst may come at once.
type Rate struct {
	Limit int
	Per   time.Duration
	Burst int
}

// Verdict is the answer to one try. It has the fields of server.Verdict, to which it can be converted.
type Verdict struct {
	Allowed bool
	// Limit is the burst, Remaining what of it is left; informational, as others may try at the same time.
	Limit, Remaining int
	// ResetAfter is when the full burst is there again; RetryAfter is when the same cost would be allowed, zero when it was.
	ResetAfter, RetryAfter time.Duration
}

// Keys derives the key of the hashes; barrier.Barrier is one. While it fails, as when sealed, so does Allow.
type Keys interface {
	DeriveKey(label string, n int) ([]byte, error)
}

// Config is what a Limiter needs.
type Config struct {
	// DB has database.PlatformMigrations applied; required.
	DB *database.DB
	// Keys derives the key under which limits are stored; required.
	Keys Keys
	// Now is the clock of all replicas; nil takes the database server's on PostgreSQL and the machine's on SQLite.
	Now func() time.Time
}

// Limiter decides. It may be used by many goroutines.
type Limiter struct {
	db   *database.DB
	keys Keys
	now  func() time.Time // nil for the database server's clock
}

// New makes a Limiter.
func New(cfg Config) (*Limiter, error) {
	if cfg.DB == nil || cfg.Keys == nil {
		return nil, errors.New("rate limiter: database and keys are required")
	}
	l := &Limiter{db: cfg.DB, keys: cfg.Keys, now: cfg.Now}
	if l.now == nil && l.db.Engine() == database.EngineSQLite {
		l.now = time.Now
	}
	return l, nil
}
