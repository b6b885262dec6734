package server

import "context"

// DefaultTenant is the tenant of paths that name none.
const DefaultTenant = "default"

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
