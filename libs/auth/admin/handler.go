// Package admin serves the platform's own API under every service: who the caller is, and the administration of users, clients, API tokens,
// roles, grants, tenants, sessions and the audit trail. Its main type is [Operations]; the contract is ../api/openapi.yaml, from which
// oapi-codegen writes package adminapi. The rules are those of package directory; a handler here decodes, calls and encodes.
package admin

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/auth/api"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/auth/internal/adminapi"
	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Sessions are those of browsers and programs. session.Manager is one.
type Sessions interface {
	List(ctx context.Context, tenant string, f session.Filter, after string, limit int) ([]session.Info, error)
	// Revoke and RevokeOwn fail with the code not_found.
	Revoke(ctx context.Context, tenant, id, reason string) error
	RevokeOwn(ctx context.Context, p *server.Principal, id, reason string) error
	RevokeAll(ctx context.Context, tenant, kind, principalID, except, reason string) (int, error)
}

// Tenants is the registry of tenants. tenants.Registry is one.
type Tenants interface {
	Create(ctx context.Context, id, name string, isolation tenants.Isolation) (tenants.Tenant, error)
	Get(ctx context.Context, id string) (tenants.Tenant, error)
	List(ctx context.Context, after string, limit int) ([]tenants.Tenant, error)
	Rename(ctx context.Context, id, name string, version int64) (tenants.Tenant, error)
	Suspend(ctx context.Context, id string, version int64) (tenants.Tenant, error)
	Resume(ctx context.Context, id string, version int64) (tenants.Tenant, error)
	Restore(ctx context.Context, id string, version int64) (tenants.Tenant, error)
	Delete(ctx context.Context, id string, version int64) (tenants.Tenant, error)
}

// Audit is the audit trail. audit.Log is one.
type Audit interface {
	List(ctx context.Context, tenant string, f audit.Filter, after int64, limit int) ([]audit.Entry, error)
	Export(ctx context.Context, tenant string, r audit.Range, w io.Writer) error
	CheckpointKeys(ctx context.Context) ([]byte, error)
}

// Config is what Operations stand on. Without Sessions, Tenants or Audit their operations answer feature_disabled; the rest is mandatory.
type Config struct {
	DB        *database.DB
	Directory *directory.Directory
	Sessions  Sessions
	Tenants   Tenants
	Audit     Audit
	// Record stores the event of a change of a tenant in the transaction of ctx; nil for none.
	Record  func(ctx context.Context, e directory.Event) error
	Cursors *page.Cursors
	Now     func() time.Time
}

// Operations implements the operations of the document. One file holds one resource.
type Operations struct {
	cfg Config
	dir *directory.Directory
}

var _ adminapi.StrictServerInterface = (*Operations)(nil)

// New returns Operations.
func New(cfg Config) (*Operations, error) {
	if cfg.DB == nil || cfg.Directory == nil || cfg.Cursors == nil || cfg.Now == nil {
		return nil, errors.New("new admin operations: DB, Directory, Cursors and Now are required")
	}
	return &Operations{cfg: cfg, dir: cfg.Directory}, nil
}

// API is the document with its handlers, for server.Deps.Platform.
func (o *Operations) API() server.API { return server.API{Document: api.Document(), Mount: o.mount} }

func (o *Operations) mount(r chi.Router, errs server.ErrorHandlers) {
	strict := adminapi.NewStrictHandlerWithOptions(o, nil, adminapi.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  errs.Request,
		ResponseErrorHandlerFunc: errs.Response,
	})
	adminapi.HandlerWithOptions(strict, adminapi.ChiServerOptions{BaseRouter: r, ErrorHandlerFunc: errs.Request})
}

// caller is who asks.
func caller(ctx context.Context) (*server.Principal, error) {
	principal, ok := server.PrincipalFrom(ctx)
	if !ok {
		return nil, problem.New(problem.Unauthenticated, "the request carries no credential")
	}
	return principal, nil
}

func disabled() error { return problem.New(problem.FeatureDisabled, "the service does not have it") }

// future reads the time at which something is to end.
func (o *Operations) future(t *time.Time) (time.Time, error) {
	if t == nil || t.IsZero() {
		return time.Time{}, nil
	}
	if !t.After(o.cfg.Now()) {
		return time.Time{}, problem.New(problem.ValidationFailed, "the body does not fit the operation").
			With(problem.Field{Pointer: "/expires_at", Detail: "must lie in the future"})
	}
	return t.UTC(), nil
}

// end is the future that a patch leaves: one that has passed may stay.
func (o *Operations) end(was time.Time, t *time.Time) (time.Time, error) {
	if t != nil && t.Equal(was) {
		return was, nil
	}
	return o.future(t)
}

// moment is a time that may be absent.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
