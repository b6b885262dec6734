// Package session keeps the sessions of browsers and programs. Its main type is [Manager].
//
// Every session is a row, and ends at once when the row does. What its holder presents has one of three formats: an opaque credential
// (cu_st_...), a JWS (RFC 7515) or a JWE (RFC 7516) of type cu-session+jwt whose issuer and audience are both the service, so that it is
// never taken for an access token (RFC 8725 section 3.11). All three carry 256 random bits of which the row has a hash: neither a signing
// key nor the table is enough to make one up.
//
// A session says who somebody is. What he may do is asked on each request ([Principals]), and is never more than when the session began:
// rights that are taken away are gone at once, rights that are added count from the next login, which comes with a new session id.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Types of clients.
const (
	ClientBrowser = server.ClientBrowser
	ClientService = server.ClientService
)

// ChangeKind is the kind of the changes that are noted when a session ends.
const ChangeKind = "session"

// Deps are what a Manager stands on. Recorder may be nil; the rest is mandatory.
type Deps struct {
	DB *database.DB
	// Hashes is the registry for random secrets of high entropy.
	Hashes     Hashes
	Barrier    Barrier
	Principals Principals
	Recorder   Recorder
	// Service is the name that issuer, audience and cookies carry, such as "kms": lower-case letters, digits, hyphens.
	Service string
	Now     func() time.Time
	Log     *slog.Logger
}

// Hashes hashes random secrets for storage.
type Hashes interface {
	Hash(ctx context.Context, secret []byte) (string, error)
	// Matches tells whether the text is a hash of the secret.
	Matches(ctx context.Context, secret []byte, text string) (bool, error)
}

// Barrier keeps keys at rest. [barrier.Barrier] is one.
type Barrier interface {
	Tenant(ctx context.Context, tenant string) (*barrier.Wrapper, error)
	Unwrap(ctx context.Context, binding barrier.Binding, jwe string) ([]byte, error)
}

// Principals says who somebody is now.
type Principals interface {
	// Principal returns the principal with its present scopes, roles and expiry. The error has the code unauthenticated when it is gone,
	// disabled or expired, and may have any other (state_unavailable).
	Principal(ctx context.Context, tenant, realm, kind, id string) (*server.Principal, error)
}

// Event is what happened to a session.
type Event struct {
	// Action is "session.begin", "session.rotate" or "session.end".
	Action    string
	Tenant    string
	SessionID string
	// Owner is whose session it is; nil where several were ended together.
	Owner  *server.Principal
	Client string
	Reason string // of an end: "logout", "revoked", "limit", "password_changed", "rotated", ...
	Time   time.Time
}

// Recorder writes events into the transaction of ctx; an error undoes it.
type Recorder interface {
	Record(ctx context.Context, e Event) error
}

// Ask is what Create needs to know.
type Ask struct {
	// Principal is who has just been authenticated. Its AuthenticatedAt is when that began: a session is refused if all those of the
	// principal were ended since.
	Principal *server.Principal
	// Client is ClientBrowser or ClientService.
	Client string
	// Scopes narrow what the session may do; nil leaves all.
	Scopes []string
	// Lifetime shortens the configured one; zero leaves it.
	Lifetime time.Duration
	// Request is where it comes from: address and user agent are shown to the owner, and a confirmed principal's client certificate is
	// what the session is bound to. It may be nil.
	Request *http.Request
	// Address is the client's, behind trusted proxies the one that they name.
	Address string
}

// Issued is a new session. Token exists nowhere else.
type Issued struct {
	Token     string
	Format    Format
	Principal *server.Principal // SessionID, ExpiresAt and Scopes are the session's
	// IdleTimeout is after how long without a use it ends.
	IdleTimeout time.Duration
}

// String hides the token.
func (i Issued) String() string { return fmt.Sprintf("session %s", i.Principal.SessionID) }

// GoString is String, so that %#v reveals nothing.
func (i Issued) GoString() string { return i.String() }

// LogValue is String.
func (i Issued) LogValue() slog.Value { return slog.StringValue(i.String()) }

// Info is a session as its owner and administrators see it.
type Info struct {
	ID                                                string
	Client                                            string
	Format                                            Format
	Realm, Kind, PrincipalID, Name                    string
	Scopes, Methods                                   []string
	AuthenticatedAt, CreatedAt, LastUsedAt, ExpiresAt time.Time
	Address, UserAgent                                string
}

// Filter selects sessions; empty members select all.
type Filter struct {
	Kind, PrincipalID, Client string
}

// Manager begins, finds and ends sessions. It is safe for concurrent use.
type Manager struct {
	cfg  Config
	deps Deps
	mu   sync.Mutex
}

var _ server.Sessions = (*Manager)(nil)

// New makes a manager. Run does its work in the background.
func New(cfg Config, deps Deps) (*Manager, error) {
	if deps.DB == nil || deps.Hashes == nil || deps.Barrier == nil || deps.Principals == nil || deps.Now == nil || deps.Log == nil {
		return nil, errors.New("new session manager: database, hashes, barrier, principals, clock and log are mandatory")
	}
	if problems := cfg.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("new session manager: %s", problems[0])
	}
	return &Manager{cfg: cfg, deps: deps}, nil
}

var errSkeleton = errors.New("not there yet")

// Create begins a session.
func (m *Manager) Create(ctx context.Context, ask Ask) (Issued, error) { return Issued{}, errSkeleton }

// Recognizes tells whether a bearer token has the form of a session's: Authenticate decides over it, and nobody else.
func (m *Manager) Recognizes(token string) bool { return false }

// Authenticate finds the session of a program's bearer token. Errors: unauthenticated, wrong_client_type for a browser's session,
// state_unavailable.
func (m *Manager) Authenticate(ctx context.Context, r *http.Request, token string) (*server.Principal, error) {
	return nil, errSkeleton
}

// Session implements server.Sessions: it finds the session of a browser's cookie.
func (m *Manager) Session(ctx context.Context, r *http.Request) (*server.Principal, error) {
	return nil, errSkeleton
}

// Rotate gives the session of p a new id and token, as after a fresh authentication: p carries its time and methods. The old ones end at
// once; the session ends no later than it would have.
func (m *Manager) Rotate(ctx context.Context, p *server.Principal, r *http.Request) (Issued, error) {
	return Issued{}, errSkeleton
}

// Revoke ends one session; an error with the code not_found if the tenant has none of that id.
func (m *Manager) Revoke(ctx context.Context, tenant, id, reason string) error { return errSkeleton }

// RevokeAll ends all sessions of a principal but the one with the id except ("" spares none), and those that are about to begin with an
// authentication from before. It returns how many there were.
func (m *Manager) RevokeAll(ctx context.Context, tenant, kind, principalID, except, reason string) (int, error) {
	return 0, errSkeleton
}

// List returns up to limit sessions in force, in the order of their ids after the id given.
func (m *Manager) List(ctx context.Context, tenant string, f Filter, after string, limit int) ([]Info, error) {
	return nil, errSkeleton
}

// Cookie is the one that brings the token of a browser's session back.
func (m *Manager) Cookie(issued Issued) *http.Cookie { return nil }

// ClearCookie removes the cookie of a tenant's session from the browser.
func (m *Manager) ClearCookie(tenant string) *http.Cookie { return nil }

// Run writes uses, sweeps what has expired and renews keys until ctx ends.
func (m *Manager) Run(ctx context.Context) error { return errSkeleton }
