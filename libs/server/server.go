// Package server is what stands between a service and its callers: a public HTTPS listener for programs (/service) and browsers
// (/browser), an optional one for programs with client certificates, an admin listener on loopback, the one pipeline that every public
// request passes, health, and an orderly end. Its main type is [Server].
//
// A service gives it OpenAPI documents and the handlers behind them ([API]), and routes that other standards fix ([Protocol]). Everything
// that a document states is enforced before a handler runs: who may call, how fresh the authentication must be, how large a body may be,
// what it looks like, that a repeated POST has one effect. Errors become problem documents (RFC 9457).
//
// A handler finds out about its request by its context: [PrincipalFrom], [TenantFrom], [AddressFrom], [PathPrefix], [RequestIDFrom]. It
// names what the request is about with [Annotate], and answers errors with [ErrorHandlers] or [Fail].
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Server serves one service. Make it with New, and start it once, with Run.
type Server struct {
	config Config
	deps   Deps
	log    *slog.Logger
	codes  problem.Table

	public      *listener
	settings    atomic.Pointer[settings]
	limiters    *limiters
	ids         *requestIDs
	faces       []*face // the prefixes, and last what lies outside them
	protocols   *protocols
	aliases     aliases
	routes      []*route
	measures    *measures
	adminToken  []byte
	adminTLS    TLS
	adminRoutes map[string]map[string]adminRoute // by pattern and method
	adminMux    *chi.Mux                         // finds the pattern of a path
	startedAt   time.Time

	inFlight atomic.Int64
	draining atomic.Bool
	stop     chan struct{} // closed when the admin listener is asked to end the process
	stopOnce sync.Once

	ready      chan struct{} // closed once all listeners accept; the URLs are written before
	publicURL  string
	mtlsURL    string
	adminURL   string
	runStarted atomic.Bool
}

// Deps are what a Server stands on.
type Deps struct {
	// Log, Tracer, Meter, TLS, Auth and API are mandatory.
	Log    *slog.Logger
	Tracer trace.Tracer
	Meter  metric.Meter
	TLS    TLS
	Auth   Authenticator
	API    API
	// Product is what scopes of the service begin with, such as "kms"; it stands for $product in platform documents.
	Product string
	// Platform are documents that are served beside API under the same prefixes.
	Platform []API
	// Protocols are the routes outside the API.
	Protocols []Protocol
	// Sessions lets browsers in; nil for a service without sessions.
	Sessions Sessions
	// Tenants is asked for the state of a caller's tenant; nil when all are active.
	Tenants Tenants
	// Auditor is told of every request; nil for silence.
	Auditor Auditor
	// Bind returns the context of a request whose tenant is known; nil to leave it as it is.
	Bind func(ctx context.Context, tenant string) context.Context
	// Features are those that are switched on or off by name; an operation whose feature is absent or off does not exist.
	Features func(name string) bool
	// MTLS is for the optional listener that demands client certificates; nil without one.
	MTLS TLS
	// AdminTLS is for the admin listener; nil to use TLS.
	AdminTLS TLS
	// AdminRoutes are those of the admin listener beside the server's own; AdminAuth lets operators into it, nil for the token alone.
	AdminRoutes []AdminRoute
	AdminAuth   AdminAuthenticator
	// Approved tells whether a quorum has approved this very request, which then needs no fresh authentication; nil when there is no quorum.
	Approved func(ctx context.Context, r *http.Request, p *Principal, operation string) (bool, error)
	// Granted tells whether the principal has one of the sets of scopes for some resource of a kind, so that an operation about one (x-resource)
	// lets it in, whose handler then decides about the resource; nil when scopes are for all resources.
	Granted func(ctx context.Context, p *Principal, scopes [][]string, kind string) (bool, error)
	// Now is the clock, for tests; nil for the machine's.
	Now func() time.Time
	// Idempotency is mandatory when the document has a POST that changes something.
	Idempotency Idempotency
	// Barrier and Operator are both there, or both nil for a service without a barrier.
	Barrier  Barrier
	Operator Operator
	// Checks are what readiness and health look at, beside the seal.
	Checks []Check
	// DataDir is the existing directory that holds admin.token.
	DataDir string
	// Dev admits a data directory that was made by dev mode.
	Dev bool
}

// New checks the service's contract against its handlers and prepares the server. It opens no listener.
func New(cfg Config, deps Deps) (*Server, error) {
	if deps.Log == nil || deps.Tracer == nil || deps.Meter == nil || deps.TLS == nil || deps.Auth == nil || deps.API.Mount == nil {
		return nil, errors.New("new server: log, tracer, meter, TLS, authenticator and API are mandatory")
	}
	if (deps.Barrier == nil) != (deps.Operator == nil) {
		return nil, errors.New("new server: a barrier needs an operator")
	}
	if problems := cfg.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("new server: %w", config.Problems(problems))
	}
	if err := CheckDataDir(deps.DataDir, deps.Dev); err != nil {
		return nil, fmt.Errorf("new server: %w", err)
	}
	s := &Server{config: cfg, deps: deps, log: deps.Log, limiters: newLimiters(), ids: newRequestIDs(), stop: make(chan struct{}), ready: make(chan struct{})}
	if s.adminTLS = deps.AdminTLS; s.adminTLS == nil {
		s.adminTLS = deps.TLS
	}
	s.public, s.startedAt = s.newListener(deps.TLS, false), s.now().UTC()
	for _, prepare := range []func() error{s.checkMTLS, s.loadSettings, s.loadCodes, s.loadAPI, s.loadMeasures, s.loadAdmin} {
		if err := prepare(); err != nil {
			return nil, fmt.Errorf("new server: %w", err)
		}
	}

	return s, nil
}

func (s *Server) loadSettings() error {
	settings, err := newSettings(s.config)
	s.settings.Store(settings)

	return err
}

func (s *Server) now() time.Time {
	if s.deps.Now == nil {
		return time.Now()
	}

	return s.deps.Now()
}

// Ready is closed once all listeners accept.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// PublicURL is the public listener's URL, with the real port, once Ready is closed.
func (s *Server) PublicURL() string {
	<-s.ready

	return s.publicURL
}

// MTLSURL is the URL of the listener that demands client certificates, with the real port, once Ready is closed; "" without one.
func (s *Server) MTLSURL() string {
	<-s.ready

	return s.mtlsURL
}

// AdminURL is the admin listener's URL, with the real port, once Ready is closed.
func (s *Server) AdminURL() string {
	<-s.ready

	return s.adminURL
}

// Shutdown asks Run to drain and return. It does not wait.
func (s *Server) Shutdown() { s.stopOnce.Do(func() { close(s.stop) }) }
