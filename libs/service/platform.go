package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/database/idempotency"
	"github.com/cryptoutil/cryptoutil/libs/database/lease"
	"github.com/cryptoutil/cryptoutil/libs/database/ratelimit"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/telemetry"
)

// Platform is what a domain stands on.
type Platform struct {
	Log       *slog.Logger
	Telemetry *telemetry.Telemetry
	// Now is the clock.
	Now func() time.Time
	// DB is open and migrated.
	DB *database.DB
	// Barrier keeps keys and secrets encrypted at rest. It may be sealed.
	Barrier *barrier.Barrier
	// Changes tells what other replicas have changed. Caches are made on it in Build; it runs later.
	Changes *changes.Follower
	// Leases gives work to one replica at a time.
	Leases *lease.Leases
	// Audit takes events; see Record.
	Audit *audit.Log
	// Access decides about single resources.
	Access *auth.Access
	// Approvals are what quorums have agreed to; a domain that asks for them states Domain.Rules.
	Approvals *quorum.Approvals
	// Generator makes keys, from pools where it can.
	Generator *keygen.Pool
	// Cursors are for lists.
	Cursors *page.Cursors
	// Federation has the peers that the configuration names.
	Federation *federation.Federation

	description Description
	dev         bool
	eachUse     bool // audit.data_plane is each

	tls       certificates
	operator  *unseal.Operator
	store     *barrierstore.Store
	hashes    *secrethash.Set
	limiter   *ratelimit.Limiter
	tenants   *tenants.Registry
	file      *auth.FileRealm // nil without a realm file
	directory *directory.Directory
	gate      *auth.Gate
	sessions  *session.Manager
	passwords *auth.Passwords
	answers   *idempotency.Runner
	rewrap    *rewrap.Rewrapper

	installation string // the identity that all replicas share
	dependencies *dependencies
}

// Installation is the identity of the installation, which all its replicas share and no other has.
func (p *Platform) Installation() string { return p.installation }

// GrantsOn are the grants on single resources of a kind, for the domain that decides about these.
func (p *Platform) GrantsOn(kind string) *directory.ResourceGrants { return p.directory.On(kind) }

// Limiter counts exactly across all replicas: for what protects a secret, or what a replica cannot count by itself.
func (p *Platform) Limiter() *ratelimit.Limiter { return p.limiter }

// open builds the platform in order; the first failure is returned. What was opened by then close ends.
func (p *Platform) open(ctx context.Context, cfg *Config) error {
	for _, step := range []struct {
		name string
		do   func(context.Context, *Config) error
	}{
		{"certificates", p.openTLS},
		{"federation", p.openFederation},
		{"database", p.openDatabase},
		{"barrier", p.openBarrier},
		{"shared state", p.openState},
		{"audit trail", p.openAudit},
		{"tenants", p.openTenants},
		{"realms", p.openRealms},
		{"sessions", p.openSessions},
		{"approvals", p.openApprovals},
	} {
		if err := step.do(ctx, cfg); err != nil {
			return fmt.Errorf("open %s: %w", step.name, err)
		}
	}
	var err error
	if p.Generator, err = keygen.NewPool(keygen.Config{Depths: cfg.KeyPools}); err != nil {
		return fmt.Errorf("start key pools: %w", err)
	}
	return nil
}

func (p *Platform) openFederation(_ context.Context, cfg *Config) (err error) {
	p.Federation, err = federation.Open(cfg.Federation, federation.Deps{
		Log: p.Log, Meter: p.Telemetry.Meter(p.description.Name), Now: p.Now, Status: p.tls.peers,
		Changed: func(name string, up bool) { p.Log.Info("features that need a peer", "peer", name, "available", up) },
	})
	return err
}

// openDatabase opens and migrates the database.
func (p *Platform) openDatabase(ctx context.Context, cfg *Config) error {
	db, err := database.Open(ctx, cfg.Database, database.Options{Log: p.Log, Application: p.description.Name})
	if err != nil {
		return err
	}
	p.DB = db
	sets, err := p.description.Sets()
	if err != nil {
		return err
	}
	return db.Migrate(ctx, sets...)
}

// Sets are the schema changes of the platform and of the service, in the order in which they are applied.
func (d Description) Sets() ([]database.Set, error) {
	users, err := directory.Migrations()
	if err != nil {
		return nil, err
	}
	approvals, err := quorum.Migrations()
	if err != nil {
		return nil, err
	}
	own, err := d.Migrations()
	return []database.Set{database.PlatformMigrations(), users, session.Migrations(), approvals, own}, err
}

// openState opens what replicas agree by.
func (p *Platform) openState(_ context.Context, _ *Config) (err error) {
	if p.Changes, err = changes.New(changes.Config{DB: p.DB, Log: p.Log, Now: p.Now}); err != nil {
		return err
	}
	if p.Leases, err = lease.New(lease.Config{DB: p.DB, Owner: owner(), Log: p.Log}); err != nil {
		return err
	}
	if p.limiter, err = ratelimit.New(ratelimit.Config{DB: p.DB, Keys: p.Barrier}); err != nil {
		return err
	}
	if p.answers, err = idempotency.New(idempotency.Config{DB: p.DB, Barrier: p.Barrier, Now: p.Now}); err != nil {
		return err
	}
	p.Cursors, err = page.New(p.Barrier)
	return err
}

// owner names this process to people.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8])
}

func (p *Platform) openAudit(ctx context.Context, cfg *Config) (err error) {
	p.eachUse = cfg.Audit.DataPlane == audit.Each
	open := audit.Config{
		DB: p.DB, Barrier: p.Barrier, Lease: p.Leases, Log: p.Log, Now: p.Now, Service: p.description.Product,
		DataPlane: cfg.Audit.DataPlane, Retention: cfg.Audit.Retention,
		Known: func(ctx context.Context, tenant string) bool { return p.tenants.Tenant(ctx, tenant) == nil },
	}
	for n := 1; n <= maxJournals; n++ {
		open.JournalFile = filepath.Join(cfg.DataDir.String(), journal(n))
		if p.Audit, err = audit.New(open); !errors.Is(err, syscall.EAGAIN) {
			break
		}
	}
	if err != nil {
		return err
	}
	return p.unsealed(ctx)
}

// maxJournals is how many processes may share a data directory.
const maxJournals = 16

// journal is the name of the nth journal of events that could not be stored, in the data directory: each process has its own.
func journal(n int) string {
	if n == 1 {
		return "audit.journal"
	}
	return fmt.Sprintf("audit-%d.journal", n)
}

func (p *Platform) openTenants(_ context.Context, cfg *Config) error {
	sets, err := p.description.Sets()
	if err != nil {
		return err
	}
	p.tenants, err = tenants.New(tenants.Config{
		DB: p.DB, Sets: sets, Follower: p.Changes, Log: p.Log, Now: p.Now, Wait: cfg.Tenancy.DeletionWait,
		Forget: func(_ context.Context, tenant string) error { p.Barrier.Forget(tenant); return nil },
		Keep:   []string{"audit_pending", "audit_events", "audit_checkpoints", "audit_chains"}, // the trail outlives its tenant
	})
	p.Changes.Subscribe(tenants.ChangeKind, func(change changes.Change) {
		if !change.All {
			p.Barrier.Forget(change.ID)
		}
	})
	return err
}

// closeTimeout bounds how long the last telemetry may take to be sent.
const closeTimeout = 5 * time.Second

// close ends what open opened, last first.
func (p *Platform) close() error {
	var ends []func() error
	end := func(there bool, f func() error) {
		if there {
			ends = append(ends, f)
		}
	}
	end(p.Telemetry != nil, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		return p.Telemetry.Shutdown(ctx)
	})
	end(p.tls.revocation != nil, func() error { p.tls.revocation.Close(); return nil })
	end(p.tls.peers != nil, func() error { p.tls.peers.Close(); return nil })
	end(p.DB != nil, func() error { return p.DB.Close() })
	end(p.Audit != nil, func() error { return p.Audit.Close() })
	end(p.Generator != nil, func() error { p.Generator.Close(); return nil })
	var errs []error
	for _, f := range slices.Backward(ends) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}
