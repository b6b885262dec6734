package acme

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// Validator looks at challenges and CAA records; *validation.Panel is one. Errors about an identifier are of type *validation.Error.
type Validator interface {
	Prove(ctx context.Context, attempt validation.Attempt) (validation.Corroboration, error)
	Allowed(ctx context.Context, attempt validation.Attempt) (validation.Corroboration, error)
}

// Config is what a Server needs. Everything is required except what says otherwise.
type Config struct {
	Store       Store
	Directories Directories
	Issuer      Issuer
	Validator   Validator
	Barrier     Barrier
	Limits      Limits
	Events      Events
	// Tenants lists tenants: up to limit, in order, after the given one.
	Tenants func(ctx context.Context, after string, limit int) ([]string, error)
	Now     func() time.Time
	Log     *slog.Logger
	// Poll is how often the database is asked for work that others have left (0: 15 s).
	Poll time.Duration
	// Quick is how long a request waits for its certificate (0: 3 s); after that the client asks again.
	Quick time.Duration
	// JobTime bounds one look at a challenge, and one attempt at a certificate (0, or more: 45 s).
	JobTime time.Duration
	// Retries are the pauses before further looks at a challenge that may pass, and before further attempts at a certificate (nil: 3 s, 10 s, 30 s).
	Retries []time.Duration
}

// Server is the ACME server. It may be used by many goroutines at once, and by any number of replicas on one database.
type Server struct {
	store       Store
	directories Directories
	issuer      Issuer
	validator   Validator
	barrier     Barrier
	limits      Limits
	events      Events
	tenants     func(ctx context.Context, after string, limit int) ([]string, error)
	now         func() time.Time
	log         *slog.Logger

	nonces       *Nonces
	work         *queue
	every, quick time.Duration
	jobTime      time.Duration
	retries      []time.Duration
}

const (
	defaultPoll  = 15 * time.Second
	defaultQuick = 3 * time.Second
)

// New makes a Server. Its work is done while [Server.Run] runs.
func New(c Config) (*Server, error) {
	if c.Store == nil || c.Directories == nil || c.Issuer == nil || c.Validator == nil || c.Barrier == nil || c.Limits == nil || c.Events == nil ||
		c.Tenants == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("new ACME server: a dependency is missing")
	}
	now := func() time.Time { return c.Now().UTC().Truncate(time.Microsecond) } // as it is stored
	nonces, err := NewNonces(c.Barrier, now)
	if err != nil {
		return nil, err
	}
	s := &Server{
		store: c.Store, directories: c.Directories, issuer: c.Issuer, validator: c.Validator, barrier: c.Barrier, limits: c.Limits, events: c.Events,
		tenants: c.Tenants, now: now, log: c.Log, nonces: nonces, work: newQueue(), every: c.Poll, quick: c.Quick,
		jobTime: c.JobTime, retries: slices.Clone(c.Retries),
	}
	if s.every <= 0 {
		s.every = defaultPoll
	}
	if s.quick <= 0 {
		s.quick = defaultQuick
	}
	if s.jobTime <= 0 || s.jobTime > defaultJob {
		s.jobTime = defaultJob
	}
	if c.Retries == nil {
		s.retries = []time.Duration{3 * time.Second, 10 * time.Second, 30 * time.Second}
	}
	return s, nil
}

// Site finds a directory. base is the URL under which the client has reached the server, such as https://ca.example or https://ca.example/t/acme.
func (s *Server) Site(ctx context.Context, tenant, name, base string) (Site, error) {
	directory, err := s.directories.Directory(ctx, tenant, name)
	if errors.Is(err, ErrNotFound) {
		return Site{}, notFound("directory")
	}
	if err != nil {
		return Site{}, err
	}
	if len(directory.Profiles) == 0 {
		return Site{}, errors.New("the directory " + name + " has no profile")
	}
	return Site{Tenant: tenant, Directory: directory, Base: base + "/acme/" + name}, nil
}

// Now is the time as the server sees it.
func (s *Server) Now() time.Time { return s.now() }

// newID makes the id of a new object. It is no secret.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// isID tells whether a text has the form of an id.
func isID(text string) bool {
	parsed, err := uuid.Parse(text)
	return err == nil && parsed.String() == text
}

// isSerial tells whether a text has the form of a serial number.
func isSerial(text string) bool {
	const longest = 40
	_, err := hex.DecodeString(text)
	return err == nil && text != "" && len(text) <= longest && strings.ToLower(text) == text
}
