// Package directory keeps users, clients, API tokens, roles and grants in SQL. Its main type is [Directory], which is an auth.Realm and an
// auth.PasswordStore, and has the operations by which all of these are administered.
//
// Facts are cached under the change sequence (package changes) and so may lag by a second; the operations of administration read what is
// committed. Each of them is one transaction with its audit event and its note to other replicas.
//
// Nobody gives away what he does not have: whoever makes, changes or gets hold of an account, a role or a grant must have every scope that
// comes with it. Names and e-mail addresses of people are stored wrapped by the barrier; they are found by a keyed hash (a blind index) whose
// key is wrapped too.
package directory

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// RealmName is the directory's name in a principal.
const RealmName = "database"

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the directory's schema.
func Migrations() (database.Set, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return database.Set{}, fmt.Errorf("open migrations: %w", err)
	}
	return database.Set{Name: "auth", FS: files}, nil
}

// Barrier wraps what must not stand in the database in clear. barrier.Barrier is one.
type Barrier interface {
	Tenant(ctx context.Context, tenant string) (*barrier.Wrapper, error)
	Unwrap(ctx context.Context, binding barrier.Binding, jwe string) ([]byte, error)
}

// Event is a change that was made, for the audit trail.
type Event struct {
	// Action is such as "client.rotate_secret".
	Action     string
	By         *server.Principal
	ObjectKind string
	ObjectID   string
	// Scopes are those that were given or taken.
	Scopes []string
}

// Config is what a Directory needs. All but End and Record is required.
type Config struct {
	DB      *database.DB
	Barrier Barrier
	Changes *changes.Follower
	// Secrets and Passwords are the registries of kind high and low entropy random.
	Secrets, Passwords *secrethash.Registry
	// Product is the first part of the scopes that can be given.
	Product string
	// Roles are the built-in roles.
	Roles []auth.Role
	// Record stores an event in the transaction of ctx.
	Record func(ctx context.Context, e Event) error
	// End ends the sessions of a principal, in the transaction of ctx: its password was set anew, or it was disabled or deleted.
	End func(ctx context.Context, tenant, kind, id string) error
	Now func() time.Time
	Log *slog.Logger
	// Cache is how many facts of each kind are kept in memory; 0 for DefaultCache.
	Cache int
}

// DefaultCache bounds the facts of each kind in memory, at some hundred bytes each.
const DefaultCache = 20_000

// Directory is the realm in SQL. It is safe for concurrent use.
type Directory struct {
	cfg    Config
	db     *database.DB
	caches caches
	roles  map[string]*auth.Role // built in, by name

	mu        sync.Mutex
	loginKeys map[string][]byte // opened, by tenant; guarded by mu
}

// New makes a Directory. The Follower must not run yet.
func New(cfg Config) (*Directory, error) {
	if cfg.DB == nil || cfg.Barrier == nil || cfg.Changes == nil || cfg.Secrets == nil || cfg.Passwords == nil || cfg.Product == "" ||
		cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("new directory: DB, Barrier, Changes, Secrets, Passwords, Product, Now and Log are required")
	}
	if cfg.Cache == 0 {
		cfg.Cache = DefaultCache
	}
	d := &Directory{cfg: cfg, db: cfg.DB, roles: map[string]*auth.Role{}, loginKeys: map[string][]byte{}}
	for _, role := range cfg.Roles {
		d.roles[role.ID] = &role
	}
	d.caches = newCaches(cfg.Changes, cfg.Cache)
	return d, nil
}

// change runs a change with its event and its notes in one transaction, and lets this replica know at once where it can. What fn returns is
// noted last, because a note holds up other transactions until the end.
func (d *Directory) change(ctx context.Context, tenant string, fn func(ctx context.Context) (Event, []note, error)) error {
	ctx = database.WithTenant(ctx, tenant)
	err := d.db.InTx(ctx, func(ctx context.Context) error {
		event, notes, err := fn(ctx)
		if err != nil {
			return err
		}
		if d.cfg.Record != nil && event.Action != "" {
			if err := d.cfg.Record(ctx, event); err != nil {
				return fmt.Errorf("record %s: %w", event.Action, err)
			}
			server.Annotate(ctx, event.ObjectKind, event.ObjectID, 0)
		}
		for _, n := range notes {
			if err := changes.Note(ctx, d.db, n.tenant, n.kind, n.id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := d.cfg.Changes.CatchUp(ctx); err != nil && !errors.Is(err, database.ErrInTransaction) {
		d.cfg.Log.DebugContext(ctx, "own change not read back at once", "error", err)
	}
	return nil
}

// newID is a UUIDv7.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return id.String(), nil
}

// isID tells whether a reference is a UUID, and not a name.
func isID(ref string) bool {
	const length = 36
	return len(ref) == length && uuid.Validate(ref) == nil
}

func joinScopes(scopes []string) string { return strings.Join(scopes, " ") }

func splitScopes(text string) []string { return strings.Fields(text) }
