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
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit/journal"
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

// Error is an answer to the client.
type Error struct {
	code, text string
}

func (e *Error) Error() string { return e.text }

// ErrorCode is the stable code of the API.
func (e *Error) ErrorCode() string { return e.code }

// Log records events. It may be used by many goroutines.
type Log struct {
	cfg     Config
	keys    *keyring
	journal *journal.Journal
	window  *window
	writer  *writer
	chains  *chains
	toCut   map[string]int64 // what the last pass of retention has noted; of the goroutine that holds the lease
}

// New makes a Log. It opens the journal, and uses neither the database nor the barrier yet.
func New(cfg Config) (*Log, error) {
	if cfg.DB == nil || cfg.Barrier == nil || cfg.Lease == nil || cfg.Log == nil || cfg.Now == nil || cfg.Service == "" || cfg.JournalFile == "" {
		return nil, errors.New("audit: database, barrier, lease, log, clock, service and journal file are required")
	}
	if cfg.DataPlane == "" {
		cfg.DataPlane = Aggregate
	}
	if cfg.DataPlane != Aggregate && cfg.DataPlane != Each {
		return nil, fmt.Errorf("audit: data plane %q is neither %s nor %s", cfg.DataPlane, Aggregate, Each)
	}
	if cfg.Retention < 0 {
		return nil, errors.New("audit: retention must not be negative")
	}
	file, err := journal.Open(cfg.JournalFile)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	l := &Log{
		cfg:     cfg,
		keys:    &keyring{db: cfg.DB, barrier: cfg.Barrier, now: cfg.Now},
		journal: file,
		window:  newWindow(cfg.DataPlane == Each),
		chains:  newChains(),
	}
	l.writer = newWriter(l)
	return l, nil
}

// Close closes the journal. Run must have returned.
func (l *Log) Close() error { return l.journal.Close() }

// Prepare opens the log's keys, and makes them at the first start. Call it once the barrier is unsealed, outside of a transaction; Run
// does so too.
func (l *Log) Prepare(ctx context.Context) error {
	if l.keys.ready() {
		return nil
	}
	if l.cfg.Barrier.Sealed() {
		return barrier.ErrSealed
	}
	err := l.keys.make(ctx)
	if err == nil {
		err = l.keys.load(ctx)
	}
	if err != nil {
		return fmt.Errorf("prepare audit keys: %w", err)
	}
	return nil
}

// Record stores an event in the transaction of ctx: both are there, or neither. Outside of a transaction it is refused. When it fails the
// change must not be committed either.
func (l *Log) Record(ctx context.Context, e Event) error {
	if _, err := l.cfg.DB.Independent(ctx); !errors.Is(err, database.ErrInTransaction) {
		return errors.New("record audit event: not in a transaction")
	}
	if e.Tenant == "" {
		e.Tenant = database.TenantOf(ctx)
	}
	r, err := newRecord(e, l.cfg.Now())
	if err != nil {
		return fmt.Errorf("record audit event: %w", err)
	}
	var row pendingRow
	err = l.keys.use(ctx, func(k *openKeys) (err error) {
		row, err = k.finish(r)
		return err
	})
	if err == nil {
		err = l.insert(ctx, row)
	}
	if err != nil {
		return fmt.Errorf("record audit event: %w", err)
	}
	return nil
}

func (l *Log) insert(ctx context.Context, row pendingRow) error {
	_, err := l.cfg.DB.Exec(database.WithTenant(ctx, row.tenant),
		"INSERT INTO audit_pending (tenant_id, id, body, mac) VALUES ($1, $2, $3, $4)", row.tenant, row.id, string(row.body), row.mac)
	return err
}

// RecordNow stores an event by itself, outside of any transaction: in the database, and where that cannot be, in the journal. When it
// returns nil the event is durable.
func (l *Log) RecordNow(ctx context.Context, e Event) error {
	r, err := newRecord(e, l.cfg.Now())
	if err != nil {
		return fmt.Errorf("record audit event: %w", err)
	}
	err = l.writer.store(ctx, []*record{r})
	if err == nil {
		return nil
	}
	if errors.Is(err, database.ErrInTransaction) {
		return fmt.Errorf("record audit event: %w", err)
	}
	return l.toJournal(batch{records: []*record{r}})
}

// RecordLocal stores an event in the journal and returns when it is on disk.
func (l *Log) RecordLocal(e Event) error {
	r, err := newRecord(e, l.cfg.Now())
	if err != nil {
		return fmt.Errorf("record audit event: %w", err)
	}
	return l.toJournal(batch{records: []*record{r}})
}

// Use is Observe for an operation of the data plane that is about to be answered: with Config.DataPlane Each it returns once the event is
// committed, and the answer may only go out after nil. Otherwise it counts and returns nil.
//
// Equal uses of one request are one observation with their count. All are stored, or none.
func (l *Log) Use(ctx context.Context, uses ...Observation) error {
	records := make([]*record, 0, len(uses))
	for _, use := range uses {
		if l.cfg.DataPlane != Each {
			use.Known, use.DataPlane = true, true
			l.Observe(use)
			continue
		}
		r, err := newRecord(use.Event, l.cfg.Now())
		if err != nil {
			return fmt.Errorf("record use: %w", err)
		}
		if use.Count > 1 {
			r.Count = use.Count
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return nil
	}
	if err := l.writer.store(ctx, records); err != nil {
		return fmt.Errorf("record use: %w", err)
	}
	return nil
}

// instance names a process, or a part of its life, in audit_sources.
func instance() string { return "p:" + rand.Text() }
