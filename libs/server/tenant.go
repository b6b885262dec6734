package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// DefaultTenant is the tenant of paths that name none.
const DefaultTenant = "default"

// maxTenant is the length of the longest tenant's name.
const maxTenant = 31

// Tenants knows the state of tenants.
type Tenants interface {
	// Tenant returns nil for an active tenant, and otherwise an error with the code not_found, tenant_suspended or state_unavailable.
	Tenant(ctx context.Context, id string) error
}

// TenantFrom returns the tenant of the request that ctx belongs to: the caller's, or without a caller the one that the path names
// (/t/{tenant}) or the default one. It is "" outside of a request.
func TenantFrom(ctx context.Context) string {
	c, ok := ctx.Value(callKey{}).(*call)
	switch {
	case !ok:
		return ""
	case c.principal != nil:
		return c.principal.Tenant
	case c.tenant != "":
		return c.tenant
	default:
		return DefaultTenant
	}
}

// PathPrefix is what the paths begin with that belong to the same tenant as the request's: "/t/acme" when its path names the tenant, ""
// otherwise.
func PathPrefix(ctx context.Context) string {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok || !c.tenantInPath {
		return ""
	}

	return "/t/" + c.tenant
}

// isTenant tells whether text could name a tenant.
func isTenant(text string) bool {
	if text == "" || len(text) > maxTenant || text[0] == '-' {
		return false
	}
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}

	return true
}

// admitTenant refuses requests for tenants that are not active, and hands the request over to its tenant. A caller does not learn
// whether another tenant exists.
func (s *Server) admitTenant(next handler) handler {
	return func(c *call, w http.ResponseWriter, r *http.Request) {
		tenant := c.tenant
		if c.principal != nil {
			if tenant != "" && tenant != c.principal.Tenant {
				s.fail(c, w, r, problem.New(problem.NotFound, "no resource has this path"))

				return
			}
			tenant = c.principal.Tenant
		}
		if tenant != "" {
			if err := s.activeTenant(c, tenant); err != nil {
				s.fail(c, w, r, err)

				return
			}
			c.tenantKnown = tenant
		} else {
			tenant = DefaultTenant
		}
		if s.deps.Bind != nil {
			r = r.WithContext(s.deps.Bind(c, tenant)) // the call does not change: what the authentication began may still read it
		}
		next(c, w, r)
	}
}

func (s *Server) activeTenant(c *call, tenant string) error {
	if s.deps.Tenants == nil {
		return nil
	}
	err := s.deps.Tenants.Tenant(c, tenant)
	var coded problem.Coded
	if c.principal != nil && errors.As(err, &coded) && coded.ErrorCode() == problem.NotFound {
		return problem.New(problem.Unauthenticated, "the credential is not valid").Because(err) // it outlived its tenant
	}

	return err
}
