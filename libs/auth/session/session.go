// Package session keeps the sessions of browsers and programs. Its main type is [Manager].
//
// Every session is a row, and ends at once when the row does. What its holder presents has one of three formats: an opaque credential
// (cu_st_...), a JWS (RFC 7515) or a JWE (RFC 7516) of type cu-session+jwt whose issuer and audience are both the service, so that it is
// never taken for an access token (RFC 8725 section 3.11). All three carry 256 random bits of which the row has a hash: neither a signing
// key nor the table is enough to make one up.
//
// A session says who somebody is. What he may do is asked on each request ([Principals]), and is never more than when the session began:
// rights that are taken away are gone at once, rights that are added count from the next authentication, which comes with a new id. Nor does
// a session outlive what it began with: it ends with the secret, password or certificate, if the realm knows which that was.
package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Types of clients that a session may be for.
const (
	ClientBrowser = server.ClientBrowser
	ClientService = server.ClientService
)

// Kinds of what is noted in the change sequence.
const (
	changeSession = "session"
	changeKey     = "session_key"
)

const (
	// cachedSessions is how many sessions are kept in memory, cachedKeys how many keys; each is about a kilobyte.
	cachedSessions = 20_000
	cachedKeys     = 1_000
)

var serviceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// Deps are what a Manager stands on. Recorder, LocalRealms and AdminScope may be left out; the rest is mandatory.
type Deps struct {
	// DB has database.PlatformMigrations and [Migrations] applied.
	DB *database.DB
	// Changes tells what other replicas have changed. The manager is made before it runs.
	Changes *changes.Follower
	// Leases gives the sweeping to one replica.
	Leases Leases
	// Hashes is the registry for random secrets of high entropy.
	Hashes     Hashes
	Barrier    Barrier
	Principals Principals
	Recorder   Recorder
	// Service is the name that issuer, audience and cookies carry, such as "kms": lower-case letters, digits, hyphens.
	Service string
	// LocalRealms are those whose logins end when the service becomes federated; nil for "file" and "database".
	LocalRealms []string
	// AdminScope tells which scopes are administrative; nil for those that end in ":admin" or ":tenants".
	AdminScope func(scope string) bool
	Now        func() time.Time
	Log        *slog.Logger
}

// Leases runs work once across all replicas. [lease.Leases] is one.
type Leases interface {
	// Every runs fn once per interval until ctx ends.
	Every(ctx context.Context, name string, interval time.Duration, fn func(ctx context.Context) error) error
}

// Hashes hashes random secrets for storage. [secrethash.Registry] of the kind HighEntropyRandom is one.
type Hashes interface {
	Hash(ctx context.Context, secret []byte) (string, error)
	Verify(ctx context.Context, secret []byte, text string) (secrethash.Result, error)
}

// Barrier keeps keys at rest. [barrier.Barrier] is one.
type Barrier interface {
	Tenant(ctx context.Context, tenant string) (*barrier.Wrapper, error)
	Unwrap(ctx context.Context, binding barrier.Binding, jwe string) ([]byte, error)
}

// Principals says who somebody is now.
type Principals interface {
	// Continue returns the principal that was authenticated when a session began with its present scopes, roles and expiry. Of was tenant, realm,
	// kind, id and credential count; r is the request that the session comes with. The error has the code unauthenticated when the principal is
	// gone, disabled or expired or has another credential now, and may have any other (state_unavailable).
	Continue(ctx context.Context, r *http.Request, was *server.Principal) (*server.Principal, error)
}

// Manager begins, finds and ends sessions. It is safe for concurrent use.
type Manager struct {
	cfg   Config
	deps  Deps
	facts *changes.Cache[*record]
	keys  *changes.Cache[*tokenKey]
	read  *readings
	uses  *uses
	mode  mode
}

var _ server.Sessions = (*Manager)(nil)

// New makes a manager. [Manager.Run] does its work in the background.
func New(cfg Config, deps Deps) (*Manager, error) {
	if deps.DB == nil || deps.Changes == nil || deps.Leases == nil || deps.Hashes == nil || deps.Barrier == nil || deps.Principals == nil || deps.Now == nil || deps.Log == nil {
		return nil, errors.New("new session manager: database, changes, leases, hashes, barrier, principals, clock and log are mandatory")
	}
	if !serviceName.MatchString(deps.Service) {
		return nil, fmt.Errorf("new session manager: service %q: want a-z, 0-9 and hyphens, at most 31", deps.Service)
	}
	if problems := cfg.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("new session manager: %s", problems[0])
	}
	if deps.LocalRealms == nil {
		deps.LocalRealms = []string{"file", "database"}
	}
	if deps.AdminScope == nil {
		deps.AdminScope = func(scope string) bool {
			return strings.HasSuffix(scope, ":admin") || strings.HasSuffix(scope, ":tenants")
		}
	}
	m := &Manager{cfg: cfg, deps: deps, read: newReadings(), uses: newUses()}
	m.facts = changes.NewCache[*record](deps.Changes, []string{changeSession}, cachedSessions)
	m.keys = changes.NewCache[*tokenKey](deps.Changes, []string{changeKey}, cachedKeys)
	deps.Changes.Subscribe(changeKey, func(changes.Change) { m.read.clear() })
	return m, nil
}

// Forget drops keys and sessions from memory, as when the barrier is sealed.
func (m *Manager) Forget() {
	m.keys.Clear()
	m.facts.Clear()
	m.read.clear()
}
