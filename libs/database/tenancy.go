package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// tenantSetting is the run-time parameter of PostgreSQL that the policies of row-level security compare a row's tenant_id with.
const tenantSetting = "cryptoutil.tenant"

// tenancy is what the connections of one PostgreSQL database know about tenants.
type tenancy struct {
	role        string // of the application
	security    string // Config.RowSecurity
	schemaLimit int
	twoRoles    bool // the tables have an owner of their own

	bound   atomic.Bool // statements tell the server whose they are
	schemas atomic.Bool // tenants may have schemas of their own
	path    string      // the search path of a new connection; set when the database is opened

	mu sync.RWMutex
	// isolated says of each tenant seen whether it has a schema of its own; guarded by mu. It is chosen when a tenant is created and never
	// changes, and ids are not given out again, so that nothing here goes stale.
	isolated map[string]bool
}

// binding is what a transaction has been told: its tenant, and the search path, "" for that of the connection.
type binding struct {
	tenant, path string
}

// unknown is not equal to any binding that is wanted.
func unknown() binding { return binding{tenant: "\x00", path: "\x00"} }

// binding is what a statement under ctx wants. isolation asks the database about a tenant that has not been seen.
func (t *tenancy) binding(ctx context.Context, isolation func(context.Context, string) (string, error)) (binding, error) {
	b := binding{tenant: TenantOf(ctx)}
	if b.tenant == "" || b.tenant == AllTenants || !t.schemas.Load() {
		return b, nil
	}
	t.mu.RLock()
	own, seen := t.isolated[b.tenant]
	t.mu.RUnlock()
	if !seen {
		answer, err := isolation(ctx, b.tenant)
		if errors.Is(err, sql.ErrNoRows) {
			return b, nil // not a tenant, or not yet
		}
		if err != nil {
			return b, fmt.Errorf("look up the tenant's schema: %w", err)
		}
		own = answer == "schema"
		t.mu.Lock()
		t.isolated[b.tenant] = own
		t.mu.Unlock()
	}
	if own {
		// pg_temp last: where it is not named it comes first, and a temporary table would take the place of the tenant's.
		b.path = SchemaOf(b.tenant) + ", " + t.path + ", pg_temp"
	}
	return b, nil
}

// detectTenancy finds what other processes have set up.
func (db *DB) detectTenancy(ctx context.Context) error {
	var policies, schemas, registry bool
	t := db.tenancy
	err := db.writer.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polname = $1),
		EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname LIKE $2), to_regclass('tenants') IS NOT NULL`,
		policyName, schemaPattern).Scan(&policies, &schemas, &registry)
	if err != nil {
		return err
	}
	if policies || schemas {
		t.bound.Store(true)
	}
	if registry && (schemas || t.schemaLimit > 0) {
		t.schemas.Store(true)
	}
	return nil
}

// RowSecurity says whether statements tell the server whose they are: on PostgreSQL, when row-level security or schemas of tenants are
// in use.
func (db *DB) RowSecurity() bool { return db.tenancy != nil && db.tenancy.bound.Load() }

// TenantSchemas says whether tenants may have schemas of their own.
func (db *DB) TenantSchemas() bool { return db.tenancy != nil && db.tenancy.schemas.Load() }

// UseTenantSchemas has this replica look for schemas of tenants from now on: it has heard of one that another replica has made.
func (db *DB) UseTenantSchemas() {
	if db.tenancy != nil {
		db.tenancy.bound.Store(true)
		db.tenancy.schemas.Store(true)
	}
}
