package database

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A tenant's schema has its slug in its name, with underscores for hyphens. A slug has no underscore, so no two tenants meet.
const (
	schemaPrefix  = "tenant_"
	schemaPattern = `tenant\_%`
)

var tenantSlug = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)

// schemaName is what SchemaOf makes; others are none of ours.
var schemaName = regexp.MustCompile(`^tenant_[a-z0-9][a-z0-9_]{0,30}$`)

// SchemaOf is the name of the PostgreSQL schema of a tenant that has one of its own.
func SchemaOf(tenant string) string { return schemaPrefix + strings.ReplaceAll(tenant, "-", "_") }

// CreateTenantSchema makes the schema of a tenant, with those of the sets that are PerTenant, and lets the application's role in. It may be
// cut off at any point and goes on when called again. The tenant's statements go there once the table tenants says so. A set that this
// program knows an older version of is refused: the newer program would not find its tables. The errors are [ErrTenantSchemas],
// [ErrSchemaTooNew] and [ErrInTransaction].
func (db *DB) CreateTenantSchema(ctx context.Context, tenant string, sets ...Set) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("create schema of tenant %q: %w", tenant, err)
		}
	}()
	if !db.TenantSchemas() {
		return fmt.Errorf("switched off: %w", ErrTenantSchemas)
	}
	if !tenantSlug.MatchString(tenant) {
		return errors.New("the id is malformed")
	}
	if ctx, err = db.Independent(WithTenant(ctx, "")); err != nil {
		return err
	}
	unlock, err := db.lockMigrations(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := db.schemaAllowed(ctx, tenant, sets); err != nil {
		return err
	}
	if err := db.asOwner(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{SchemaOf(tenant)}.Sanitize()); err != nil {
		return err
	}
	for _, p := range perTenant(SchemaOf(tenant), sets) {
		if p.files, _, err = p.set.versions(); err != nil {
			return err
		}
		if err := db.apply(ctx, p); err != nil {
			return fmt.Errorf("migrate %s: %w", p, err)
		}
	}
	return db.secure(ctx)
}

// TenantSchemaReady says whether the schema of a tenant is there and has all of the sets that are PerTenant. It may be asked in a transaction.
func (db *DB) TenantSchemaReady(ctx context.Context, tenant string, sets ...Set) (bool, error) {
	ctx = WithTenant(ctx, "")
	schemas, err := db.tenantSchemas(ctx)
	if err != nil || !slices.Contains(schemas, SchemaOf(tenant)) {
		return false, err
	}
	places := perTenant(SchemaOf(tenant), sets)
	if err := db.compare(ctx, places); err != nil {
		return false, fmt.Errorf("look at schema %w", err)
	}
	return !slices.ContainsFunc(places, func(p place) bool { return p.pending > 0 }), nil
}

// schemaAllowed refuses one too many, and one that would be behind the others.
func (db *DB) schemaAllowed(ctx context.Context, tenant string, sets []Set) error {
	others := 0
	schemas, err := db.tenantSchemas(ctx)
	if err != nil {
		return err
	}
	for _, schema := range schemas {
		if schema != SchemaOf(tenant) {
			others++
		}
	}
	if others >= db.tenancy.schemaLimit {
		return fmt.Errorf("%d are there: %w", others, ErrTenantSchemas)
	}
	places := shared(sets)
	if err := db.compare(ctx, places); err != nil {
		return err
	}
	for _, p := range places {
		if p.ahead > 0 {
			return fmt.Errorf("an update of %s is under way, repeat it with the newer program: %w", p, ErrSchemaTooNew)
		}
	}
	return nil
}

// DropTenantSchema removes the schema of a tenant and everything in it; one that is not there is no error.
func (db *DB) DropTenantSchema(ctx context.Context, tenant string) error {
	if db.tenancy == nil {
		return nil
	}
	if !tenantSlug.MatchString(tenant) {
		return fmt.Errorf("drop schema of tenant %q: the id is malformed", tenant)
	}
	ctx, err := db.Independent(WithTenant(ctx, ""))
	if err == nil {
		err = db.asOwner(ctx, "DROP SCHEMA IF EXISTS "+pgx.Identifier{SchemaOf(tenant)}.Sanitize()+" CASCADE")
	}
	if err != nil {
		return fmt.Errorf("drop schema of tenant %q: %w", tenant, err)
	}
	return nil
}

// tenantSchemas are the schemas of tenants, in order.
func (db *DB) tenantSchemas(ctx context.Context) (schemas []string, err error) {
	if db.tenancy == nil {
		return nil, nil
	}
	var schema string
	err = db.each(ctx, `SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname LIKE 'tenant\_%' ORDER BY nspname`, []any{&schema}, func() {
		if schemaName.MatchString(schema) {
			schemas = append(schemas, schema)
		}
	})
	return schemas, err
}

// asOwner runs one statement as the owner of the tables.
func (db *DB) asOwner(ctx context.Context, statement string) (err error) {
	pool, done := db.migrations("")
	defer func() { err = errors.Join(err, done()) }()
	_, err = pool.ExecContext(ctx, statement)
	return asUnavailable(err)
}
