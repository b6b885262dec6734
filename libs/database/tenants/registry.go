package tenants

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// ChangeKind is the kind under which changes of tenants are noted.
const ChangeKind = "tenant"

// Config is what a Registry needs. DB, Log and Now are required.
type Config struct {
	// DB has database.PlatformMigrations applied.
	DB *database.DB
	// Sets are all sets that the service applies; those with PerTenant go into the schemas of tenants.
	Sets []database.Set
	// Notify notes a change in the transaction of ctx, so that other replicas learn of it: changes.Note. Without it they do not.
	Notify func(ctx context.Context, tenant, kind, id string) error
	// Forget drops what this process holds open of a tenant, such as its barrier's keys, before the tenant's rows are removed.
	Forget func(ctx context.Context, tenant string) error
	Log    *slog.Logger
	Now    func() time.Time
	// Wait is how long a deleted tenant can be called back; seven days when zero.
	Wait time.Duration
	// Settle is how long after the removal began no request of the tenant can be at work any more; two minutes when zero.
	Settle time.Duration
}

// Registry is the table of tenants. It may be used by many goroutines.
type Registry struct {
	cfg Config
}

// New makes a Registry.
func New(cfg Config) (*Registry, error) {
	if cfg.DB == nil || cfg.Log == nil || cfg.Now == nil {
		return nil, errors.New("tenants: database, log and clock are required")
	}
	return &Registry{cfg: cfg}, nil
}

// Create adds an active tenant. With [IsolationSchema] its schema is made and migrated first; it must not run in a transaction then.
// The errors are [ErrInvalid], [ErrExists], [ErrLimit] and [ErrSchemaUnsupported].
func (r *Registry) Create(ctx context.Context, id, name string, isolation Isolation) (Tenant, error) {
	return Tenant{}, errors.ErrUnsupported
}

// Import adds those of the tenants that are absent, with row isolation, and the default one; it changes none. Names may be empty.
func (r *Registry) Import(ctx context.Context, names map[string]string) error {
	return errors.ErrUnsupported
}

// Get returns a tenant that is not deleted; [ErrNotFound].
func (r *Registry) Get(ctx context.Context, id string) (Tenant, error) {
	return Tenant{}, errors.ErrUnsupported
}

// List returns up to limit tenants with ids after the given one, in order of their ids, without the deleted ones.
func (r *Registry) List(ctx context.Context, after string, limit int) ([]Tenant, error) {
	return nil, errors.ErrUnsupported
}

// Rename changes the display name. In this and what follows, version is the one that the caller has seen, 0 for any; another one in the
// table is [ErrStale].
func (r *Registry) Rename(ctx context.Context, id, name string, version int64) (Tenant, error) {
	return Tenant{}, errors.ErrUnsupported
}

// Suspend has all requests of the tenant refused, on every replica within a second.
func (r *Registry) Suspend(ctx context.Context, id string, version int64) (Tenant, error) {
	return Tenant{}, errors.ErrUnsupported
}

// Resume ends a suspension.
func (r *Registry) Resume(ctx context.Context, id string, version int64) (Tenant, error) {
	return Tenant{}, errors.ErrUnsupported
}

// Delete suspends the tenant and has its rows removed after the waiting period.
func (r *Registry) Delete(ctx context.Context, id string, version int64) (Tenant, error) {
	return Tenant{}, errors.ErrUnsupported
}

// Restore calls a deleting tenant back, as a suspended one; [ErrState] once its rows are being removed.
func (r *Registry) Restore(ctx context.Context, id string, version int64) (Tenant, error) {
	return Tenant{}, errors.ErrUnsupported
}

// Tenant is nil while the tenant is active; otherwise [ErrNotFound] or [ErrSuspended], or an error with the code state_unavailable.
func (r *Registry) Tenant(ctx context.Context, id string) error {
	return errors.ErrUnsupported
}

// Each calls fn for each tenant that is not deleted, with a context bound to it: work that spans tenants and whose tables may lie in
// their schemas.
func (r *Registry) Each(ctx context.Context, fn func(ctx context.Context, t Tenant) error) error {
	return errors.ErrUnsupported
}

// Purge removes the rows of tenants whose waiting period is over: first the keys of their barrier, then everything else. Run it under a
// lease. It may be cut off at any point, and goes on when called again.
func (r *Registry) Purge(ctx context.Context) error {
	return errors.ErrUnsupported
}
