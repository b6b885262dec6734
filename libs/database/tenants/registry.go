package tenants

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
)

// ChangeKind is the kind under which changes of tenants are noted, with the tenant's id as both tenant and id.
const ChangeKind = "tenant"

const (
	// defaultWait is long enough for somebody to notice a deletion that was a mistake.
	defaultWait = 7 * 24 * time.Hour
	// defaultSettle is more than the longest request (60 s) after the last replica has learnt of the deletion (1 s).
	defaultSettle = 2 * time.Minute
	// cacheCapacity is how many tenants are kept in memory.
	cacheCapacity = 10_000
)

// Config is what a Registry needs. DB, Log and Now are required.
type Config struct {
	// DB has database.PlatformMigrations applied.
	DB *database.DB
	// Sets are all sets that the service applies; those with PerTenant go into the schemas of tenants.
	Sets []database.Set
	// Follower lets [Registry.Tenant] keep answers in memory. Without it each is read from the table.
	Follower *changes.Follower
	// Notify notes a change in the transaction of ctx, so that other replicas learn of it; when nil it is changes.Note.
	Notify func(ctx context.Context, tenant, kind, id string) error
	// Forget drops what this process holds open of a tenant, such as keys of its barrier, before the tenant's rows are removed.
	Forget func(ctx context.Context, tenant string) error
	// Keep names tables whose rows outlive their tenant, such as an audit trail that has a retention of its own.
	Keep []string
	Log  *slog.Logger
	Now  func() time.Time
	// Wait is how long a deleted tenant can be called back; seven days when zero.
	Wait time.Duration
	// Settle is how long after the removal began no request of the tenant can be at work any more; two minutes when zero.
	Settle time.Duration
}

// Registry is the table of tenants. It may be used by many goroutines.
type Registry struct {
	cfg   Config
	db    *database.DB
	cache *changes.Cache[Tenant] // nil without a follower
}

// New makes a Registry. With a follower make it before that runs.
func New(cfg Config) (*Registry, error) {
	if cfg.DB == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("tenants: database, log and clock are required")
	}
	if cfg.Wait == 0 {
		cfg.Wait = defaultWait
	}
	if cfg.Settle == 0 {
		cfg.Settle = defaultSettle
	}
	r := &Registry{cfg: cfg, db: cfg.DB}
	if r.cfg.Notify == nil {
		r.cfg.Notify = func(ctx context.Context, tenant, kind, id string) error {
			return changes.Note(ctx, cfg.DB, tenant, kind, id)
		}
	}
	if cfg.Follower != nil {
		r.cache = changes.NewCache[Tenant](cfg.Follower, []string{ChangeKind}, cacheCapacity)
	}
	return r, nil
}

// Tenant is nil while the tenant is active; otherwise [ErrNotFound] or [ErrSuspended], or an error with the code state_unavailable.
func (r *Registry) Tenant(ctx context.Context, id string) error {
	load := func(ctx context.Context) (Tenant, error) { return r.Get(ctx, id) }
	var t Tenant
	var err error
	if r.cache != nil {
		t, err = r.cache.Get(ctx, id, id, load)
	} else {
		t, err = load(ctx)
	}
	switch {
	case err != nil:
		return err
	case t.Status != StatusActive:
		return ErrSuspended
	case t.Isolation == IsolationSchema && !r.db.TenantSchemas():
		// Another replica has made the first of them since this one started.
		r.db.UseTenantSchemas()
	}
	return nil
}

// Each calls fn for each tenant that is not deleted, with a context bound to it: for work that spans tenants and whose tables may lie in
// their schemas. It stops at the first error.
func (r *Registry) Each(ctx context.Context, fn func(ctx context.Context, t Tenant) error) error {
	const page = 100
	for after := ""; ; {
		list, err := r.List(ctx, after, page)
		if err != nil {
			return err
		}
		for _, t := range list {
			if err := fn(database.WithTenant(ctx, t.ID), t); err != nil {
				return fmt.Errorf("tenant %q: %w", t.ID, err)
			}
			after = t.ID
		}
		if len(list) < page {
			return nil
		}
	}
}

// note says in the transaction of ctx that a tenant has changed.
func (r *Registry) note(ctx context.Context, id string) error {
	if err := r.cfg.Notify(ctx, id, ChangeKind, id); err != nil {
		return fmt.Errorf("note the change of tenant %q: %w", id, err)
	}
	return nil
}
