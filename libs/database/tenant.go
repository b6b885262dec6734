package database

import "context"

// AllTenants is the tenant of work that spans tenants, such as sweeps.
const AllTenants = "*"

type tenantKey struct{}

// WithTenant returns a context whose statements are the tenant's. Every statement on a table that has a tenant_id runs under such a
// context; with row-level security the database itself refuses all others. A context that is bound to the tenant already is returned
// as it is.
func WithTenant(ctx context.Context, tenant string) context.Context {
	if TenantOf(ctx) == tenant {
		return ctx
	}
	return context.WithValue(ctx, tenantKey{}, tenant)
}

// TenantOf is the tenant that ctx is bound to, "" for none.
func TenantOf(ctx context.Context) string {
	tenant, _ := ctx.Value(tenantKey{}).(string)
	return tenant
}
