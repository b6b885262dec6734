// Package rewrap moves what the barrier protects under its newest keys, and removes the keys that nothing uses any more. Its main type is
// [Rewrapper].
//
// Values move by themselves when their owners write them anew. What a rotation must not wait for is moved here: intermediate keys under the
// newest root key, content keys under the newest intermediate key, and the values of every [Source] under the newest content key. One
// replica works at a time; how far it is stands in the database, so that after a crash another one goes on.
package rewrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
)

// Item is one wrapped value.
type Item struct {
	// Position is its place in the source's order; a non-empty text that does not change.
	Position string
	// Binding is what the value is bound to, as its owner unwraps it.
	Binding barrier.Binding
	// JWE is the value as it is stored.
	JWE string
}

// Source is a table with wrapped values. Its methods are called from one goroutine at a time, and see what was committed before.
type Source interface {
	// Name is unique and stable, such as "kms/material-keys": progress is kept under it.
	Name() string
	// Next returns up to limit items of all tenants whose positions follow after, in order; "" is before the first. None is the end.
	Next(ctx context.Context, after string, limit int) ([]Item, error)
	// Replace puts the new JWE in the place of item.JWE, in a statement that compares the old one; false if it is not what is stored any
	// more, because its owner changed or removed it.
	Replace(ctx context.Context, item Item, jwe string) (bool, error)
}

// Lease gives the work to one replica at a time. [lease.Leases] is one.
type Lease interface {
	// Hold runs fn while this replica holds the lease, and returns lease.ErrHeld at once if another one does.
	Hold(ctx context.Context, name string, ttl time.Duration, fn func(ctx context.Context) error) error
	// Fence, in a transaction, fails if the lease was lost.
	Fence(ctx context.Context) error
}

// The defaults of [Config].
const (
	DefaultRate  = 500
	DefaultGrace = 48 * time.Hour
)

const (
	leaseName = "barrier/rewrap"
	leaseTTL  = 15 * time.Second
	// batch is how many items are read, moved and accounted for at a time.
	batch = 100
	// pollInterval is how often Run looks for a run that was started, or left, by another replica.
	pollInterval = 5 * time.Second
)

// Config is what a Rewrapper needs.
type Config struct {
	// DB has database.PlatformMigrations applied; DB, Store, Barrier, Lease, Now and Log are required.
	DB      *database.DB
	Store   *barrierstore.Store
	Barrier *barrier.Barrier
	Lease   Lease
	Now     func() time.Time
	Log     *slog.Logger
	// Sources are all tables with wrapped values that live longer than Grace. Content keys are kept while there is a purpose of values
	// (barrier.Binding) that no source has shown.
	Sources []Source
	// Transient are the purposes of values that live shorter than Grace, and need no source.
	Transient []string
	// Rate is how many items are read in a second at most; DefaultRate when zero.
	Rate int
	// Grace is how long a key must have been superseded before it is removed: DefaultGrace when zero. It is longer than any process goes on with
	// keys that it does not compare with the database, and than any value lives that no source has.
	Grace time.Duration
}

// Rewrapper does the re-wrapping of one service.
type Rewrapper struct {
	config Config
	kick   chan struct{}
	// recorded are purposes that are stored. The goroutine of Run, or the one that calls Work, owns it.
	recorded []string
}

// New checks the configuration.
func New(cfg Config) (*Rewrapper, error) {
	if cfg.DB == nil || cfg.Store == nil || cfg.Barrier == nil || cfg.Lease == nil || cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("rewrap: database, store, barrier, lease, clock and log are required")
	}
	if cfg.Rate == 0 {
		cfg.Rate = DefaultRate
	}
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	if cfg.Rate < 0 || cfg.Grace < barrier.SuccessionTime {
		return nil, fmt.Errorf("rewrap: want a rate above 0 and a grace of at least %s", barrier.SuccessionTime)
	}
	seen := map[string]bool{keysSource: true, retireSource: true}
	for _, source := range cfg.Sources {
		if name := source.Name(); name == "" || seen[name] {
			return nil, fmt.Errorf("rewrap: source %q has no name of its own", name)
		}
		seen[source.Name()] = true
	}
	return &Rewrapper{config: cfg, kick: make(chan struct{}, 1)}, nil
}

// Start begins a run, unless one is under way, which it then joins. The work is done by [Rewrapper.Run] of any replica. retire says whether
// content keys that nothing uses any more are removed at the end; it does not change a run that it joins.
func (r *Rewrapper) Start(ctx context.Context, retire bool) (Status, error) {
	if r.config.Barrier.Sealed() {
		return Status{}, barrier.ErrSealed
	}
	status, err := r.begin(ctx, retire)
	if err != nil {
		return Status{}, fmt.Errorf("start re-wrapping: %w", err)
	}
	select {
	case r.kick <- struct{}{}:
	default:
	}
	return status, nil
}

// Run works on runs until ctx ends, whichever replica started them.
func (r *Rewrapper) Run(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if err := r.Work(ctx); err != nil && ctx.Err() == nil {
			r.config.Log.ErrorContext(ctx, "re-wrap", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
		case <-ticker.C:
		}
	}
}

// Work goes on with the run under way until it is finished; it is for one goroutine at a time. There is nothing to do for a sealed barrier, nor while another replica works.
func (r *Rewrapper) Work(ctx context.Context) error {
	if err := r.recordPurposes(ctx); err != nil {
		return err
	}
	open, err := r.unfinished(ctx)
	if err != nil || len(open) == 0 || r.config.Barrier.Sealed() {
		return err
	}
	err = r.config.Lease.Hold(ctx, leaseName, leaseTTL, r.work)
	if errors.Is(err, lease.ErrHeld) {
		return nil
	}
	return err
}

func (r *Rewrapper) work(ctx context.Context) error {
	open, err := r.unfinished(ctx)
	for _, p := range open {
		if err == nil {
			err = r.advance(ctx, p)
		}
		if err != nil {
			return fmt.Errorf("re-wrap %s: %w", p.Source, err)
		}
	}
	return err
}

// advance works on one source to its end.
func (r *Rewrapper) advance(ctx context.Context, p Progress) error {
	switch p.Source {
	case keysSource:
		return r.pages(ctx, p, r.keys)
	case retireSource:
		return r.retire(ctx, p)
	}
	for _, source := range r.config.Sources {
		if source.Name() == p.Source {
			return r.pages(ctx, p, func(ctx context.Context, p *Progress) (bool, error) { return r.values(ctx, source, p) })
		}
	}
	// A service of another release began the run: its values are not known here.
	p.note("this release has no such source")
	p.FinishedAt = r.config.Now()
	return r.save(ctx, p)
}

// pages works page by page and saves the progress after each.
func (r *Rewrapper) pages(ctx context.Context, p Progress, page func(context.Context, *Progress) (more bool, err error)) error {
	for {
		began, before := time.Now(), p.Scanned
		more, err := page(ctx, &p)
		if err != nil {
			return err
		}
		if !more {
			p.FinishedAt = r.config.Now()
		}
		if err := r.save(ctx, p); err != nil || !more {
			return err
		}
		pause := time.Duration(p.Scanned-before)*time.Second/time.Duration(r.config.Rate) - time.Since(began)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(max(0, pause)):
		}
	}
}
