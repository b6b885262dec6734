// Package quorum keeps what several people must agree to before it is done: m of n approvals. Its main type is [Approvals].
//
// Somebody who may do an operation asks for it, with the object and the exact parameters; the service says who must agree ([Rules]). Approvers,
// who are people with a fresh authentication and never the one who asks, approve or reject. The operation then names the request in its
// header Approval and spends it ([Approvals.Spend]) in its own transaction: once, by the same caller, for the same object and parameters.
// The rule that holds at that moment decides as well, so that approvals under a weaker one are worth nothing.
//
// States are pending, approved, used, rejected, cancelled and expired. What may change into what is said by the WHERE of each UPDATE.
package quorum

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// DefaultLifetime is how long a request can be approved and used.
const DefaultLifetime = 24 * time.Hour

// ChangeKind is the kind under which requests stand in the change sequence.
const ChangeKind = "auth/approval"

// objectKind is the kind of object that a request is in the audit trail.
const objectKind = "approval"

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the schema of requests.
func Migrations() (database.Set, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return database.Set{}, fmt.Errorf("open migrations: %w", err)
	}
	return database.Set{Name: "approvals", FS: files}, nil
}

// Rule is m of n approvals.
type Rule struct {
	// Approvals is how many different approvers must agree, from 1.
	Approvals int
	// Approvers are the ids of the people who may.
	Approvers []string
}

// Ask is what somebody wants to do.
type Ask struct {
	// Operation is the operationId in the service's document.
	Operation string
	// Resource names the object as the operation's path does.
	Resource string
	// Parameters is a JSON object with what else settles what happens; nil for none.
	Parameters json.RawMessage
}

// Subject is an Ask as the service understands it.
type Subject struct {
	Operation string
	// Kind and Resource are the object's kind and its id, however it was called.
	Kind, Resource string
	// Parameters is JSON that is the same text whenever the same is meant.
	Parameters []byte
	// Rule says who must agree now; nil: nobody can agree to this.
	Rule *Rule
}

// Rules are the service's own.
type Rules interface {
	// Subject finds the object of an operation that needs approvals, for a caller who may do it. Errors are what the operation would answer,
	// and validation_failed for an operation that takes no approvals.
	Subject(ctx context.Context, by *server.Principal, ask Ask) (Subject, error)
}

// Event is a change of a request, for the audit trail.
type Event struct {
	// Action is approval.request, approval.approve, approval.reject, approval.cancel or approval.use.
	Action string
	By     *server.Principal
	// Request is the one that changed.
	Request Request
}

// Config is what Approvals need. DB, Now and Log are required.
type Config struct {
	DB  *database.DB
	Now func() time.Time
	Log *slog.Logger
	// Lifetime is how long a request lasts; DefaultLifetime if 0.
	Lifetime time.Duration
	// Administer is the scope that lets a caller see all requests of its tenant; "" for none. It approves nothing.
	Administer string
	// Record stores an event in the transaction of ctx.
	Record func(ctx context.Context, e Event) error
	// Owner is the id of the person for whom a caller acts; "" for nobody. Whoever acts by such a credential is that person.
	Owner func(ctx context.Context, by *server.Principal) (string, error)
}

// Approvals are the requests and their approvals. It is safe for concurrent use.
type Approvals struct {
	cfg Config
	db  *database.DB
}

// New returns Approvals on a migrated database.
func New(cfg Config) (*Approvals, error) {
	if cfg.DB == nil || cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("new approvals: DB, Now and Log are required")
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = DefaultLifetime
	}
	return &Approvals{cfg: cfg, db: cfg.DB}, nil
}

// check holds a rule to what can come about.
func (r *Rule) check() error {
	if r.Approvals < 1 || r.Approvals > len(r.Approvers) || slices.Contains(r.Approvers, "") {
		return fmt.Errorf("a rule of %d approvals by %d approvers", r.Approvals, len(r.Approvers))
	}
	return nil
}

// fingerprint is the SHA-256 of what was asked for, each part with its length, in base64url.
func (s Subject) fingerprint() string {
	digest := sha256.New()
	for _, part := range []string{s.Operation, s.Kind, s.Resource, string(s.Parameters)} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		digest.Write(size[:])
		digest.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(digest.Sum(nil))
}

// change runs a change with its event and its note in one transaction.
func (a *Approvals) change(ctx context.Context, by *server.Principal, action string, fn func(ctx context.Context) (Request, error)) (r Request, err error) {
	err = a.db.InTx(database.WithTenant(ctx, by.Tenant), func(ctx context.Context) error {
		if r, err = fn(ctx); err != nil {
			return err
		}
		return a.note(ctx, Event{Action: action, By: by, Request: r})
	})
	return r, err
}

// note records an event and tells other replicas, in the transaction of ctx.
func (a *Approvals) note(ctx context.Context, e Event) error {
	if a.cfg.Record != nil {
		if err := a.cfg.Record(ctx, e); err != nil {
			return fmt.Errorf("record %s: %w", e.Action, err)
		}
	}
	return changes.Note(ctx, a.db, e.By.Tenant, ChangeKind, e.Request.ID)
}

func (a *Approvals) instant() time.Time { return a.cfg.Now().UTC().Truncate(time.Microsecond) }

// newID is a UUIDv7.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return id.String(), nil
}

func errNotFound() error { return problem.New(problem.NotFound, "there is no such request") }
