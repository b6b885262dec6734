package database

import "context"

// AllTenants is the tenant of work that spans tenants, such as sweeps.
const AllTenants = "*"

type tenantKey struct{}

// bound is a context with a tenant. As one value it takes one allocation for each request instead of the two of context.WithValue.
type bound struct {
	context.Context //nolint:containedctx // it is the context

	tenant string
}

// Value gives the tenant by its address.
func (b *bound) Value(key any) any {
	if key == (tenantKey{}) {
		return &b.tenant
	}
	return b.Context.Value(key)
}

// WithTenant returns a context whose statements are the tenant's. Every statement on a table that has a tenant_id runs under such a
// context; with row-level security the database itself refuses all others. A context that is bound to the tenant already is returned
// as it is.
func WithTenant(ctx context.Context, tenant string) context.Context {
	if TenantOf(ctx) == tenant {
		return ctx
	}
	return &bound{ctx, tenant}
}

// TenantOf is the tenant that ctx is bound to, "" for none.
func TenantOf(ctx context.Context) string {
	tenant, found := ctx.Value(tenantKey{}).(*string)
	if !found {
		return ""
	}
	return *tenant
}
