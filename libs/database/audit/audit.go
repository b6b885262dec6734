// Package audit records who did what, so that nobody can change it unnoticed afterwards, not even with write access to the database.
//
// [Log.Record] puts an event into the transaction of the change that it tells. [Log.Observe] counts what changes nothing and stores the
// counts every second; it never blocks. One replica at a time, the sequencer, gives each event its number and the hash of the one
// before, a chain per tenant, and signs checkpoints (package auditchain), which also go to the log. [Log.Export] writes a chain for
// verification offline.
//
// Where an event cannot be stored, because the database is away or the barrier is sealed, it goes to a local journal (package
// journal) and is taken over later, exactly once.
package audit

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// System is the chain of what belongs to no tenant: failures whose tenant is not known, and the service itself. It is no slug, so no
// tenant has this name.
const System = "_system"

// How observations of the data plane are stored.
const (
	// Aggregate stores one event per second for what is equal, with an exact count.
	Aggregate = "aggregate"
	// Each stores every one by itself.
	Each = "each"
)

// Lease gives work to one replica at a time; package lease has it.
type Lease interface {
	// Hold runs fn if this replica gets the lease, and cancels fn's context when it is lost. It tries once.
	Hold(ctx context.Context, name string, ttl time.Duration, fn func(ctx context.Context) error) error
	// Fence fails, inside a transaction of fn, when the lease has gone to another.
	Fence(ctx context.Context) error
}

// Config is what a Log needs; everything without a remark is required.
type Config struct {
	// DB has database.PlatformMigrations applied.
	DB *database.DB
	// Barrier keeps the log's own keys.
	Barrier *barrier.Barrier
	Lease   Lease
	// Log takes the checkpoints as well: keep it where the database's administrators cannot write.
	Log *slog.Logger
	Now func() time.Time
	// Service names the service in checkpoints: "kms".
	Service string
	// DataPlane is Aggregate, which is the default, or Each.
	DataPlane string
	// JournalFile is the local journal; its folder must exist.
	JournalFile string
	// Retention is how long events are kept; 0 is for ever.
	Retention time.Duration
	// Known tells whether a tenant exists that a caller has named who is not authenticated; failures of others go to the system chain.
	// It may read the database. Nil knows none.
	Known func(ctx context.Context, tenant string) bool
}

// Log records events. It may be used by many goroutines.
type Log struct {
	cfg Config
}

// New makes a Log.
func New(cfg Config) (*Log, error) {
	return &Log{cfg: cfg}, nil
}

// Prepare opens the log's keys, and makes them at the first start. Call it once the barrier is unsealed; Run does so too.
func (l *Log) Prepare(ctx context.Context) error { return errors.New("not yet") }

// Run stores observations, takes over the journal and, while it holds the lease, numbers events and signs checkpoints, until ctx ends.
// It stores what it has before it returns.
func (l *Log) Run(ctx context.Context) error { return errors.New("not yet") }

// Record stores an event in the transaction of ctx: both are there, or neither. Outside of a transaction it is refused. When it fails the
// change must not be committed either.
func (l *Log) Record(ctx context.Context, e Event) error { return errors.New("not yet") }

// RecordNow stores an event by itself, outside of any transaction: in the database, and where that cannot be, in the journal.
func (l *Log) RecordNow(ctx context.Context, e Event) error { return errors.New("not yet") }

// RecordLocal stores an event in the journal and returns when it is on disk.
func (l *Log) RecordLocal(e Event) error { return errors.New("not yet") }

// Observe takes note of what has happened. It neither blocks nor fails; a crash may lose the last second.
func (l *Log) Observe(o Observation) {}

// Use is Observe for an operation of the data plane that is about to be answered: with Config.DataPlane Each it returns once the event is
// committed, and the answer may only go out after nil. Otherwise it counts and returns nil.
func (l *Log) Use(ctx context.Context, e Event) error { return errors.New("not yet") }

// Export writes a tenant's events and checkpoints as JSON lines that auditchain.Verify reads, widened to checkpoints. A range that includes the
// newest event ends with a checkpoint of this moment.
func (l *Log) Export(ctx context.Context, tenant string, r Range, w io.Writer) error {
	return errors.New("not yet")
}

// List returns numbered events of a tenant that match the filter, beginning after the number given (0 for the beginning), at most limit.
func (l *Log) List(ctx context.Context, tenant string, f Filter, after int64, limit int) ([]Entry, error) {
	return nil, errors.New("not yet")
}

// CheckpointKeys is the JWK Set of the public keys that verify checkpoints.
func (l *Log) CheckpointKeys(ctx context.Context) ([]byte, error) { return nil, errors.New("not yet") }

// CloseChain is for a tenant that is about to be removed: it numbers what is pending, and puts the chain's last checkpoint into the system chain, against
// which an export that was kept can still be verified. It may be called again.
func (l *Log) CloseChain(ctx context.Context, tenant string) error { return errors.New("not yet") }
