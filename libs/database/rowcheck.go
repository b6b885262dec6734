package database

import (
	"context"
	"fmt"
	"strings"
)

// RowSecurityProblems says why row-level security does not hold the service back; nothing when it does, and on SQLite, which has none.
func (db *DB) RowSecurityProblems(ctx context.Context) ([]string, error) {
	if db.tenancy == nil {
		return nil, nil
	}
	ctx = WithTenant(ctx, "")
	t := db.tenancy
	var problems []string
	var super, bypass bool
	err := db.writer.QueryRowContext(ctx, "SELECT rolsuper, rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user").Scan(&super, &bypass)
	if err != nil {
		return nil, fmt.Errorf("check row-level security: %w", asUnavailable(err))
	}
	tables, err := t.tables(ctx, db.writer)
	if err != nil {
		return nil, fmt.Errorf("check row-level security: %w", err)
	}
	switch {
	case super:
		problems = append(problems, fmt.Sprintf("the role %s is a superuser (ALTER ROLE %[1]s NOSUPERUSER)", t.role))
	case bypass:
		problems = append(problems, fmt.Sprintf("the role %s has BYPASSRLS (ALTER ROLE %[1]s NOBYPASSRLS)", t.role))
	}
	var owned, open, widened []string
	for _, table := range tables {
		name := table.schema + "." + table.name
		if table.owned && !super {
			owned = append(owned, name)
		}
		if table.tenanted && !table.guarded {
			open = append(open, name)
		}
		if table.tenanted && table.widened {
			widened = append(widened, name)
		}
	}
	problems = appendTables(problems, owned, "owned by the role %s, which can switch it off (set owner, then REASSIGN OWNED BY %[1]s TO it)", t.role)
	problems = appendTables(problems, open, "without the policy %s (migrate with owner set)", policyName)
	problems = appendTables(problems, widened, "with a policy beside %s (drop it)", policyName)
	return problems, nil
}

// appendTables adds a problem of some tables, and names the first few.
func appendTables(problems, tables []string, format, argument string) []string {
	const named = 3
	if len(tables) == 0 {
		return problems
	}
	list := strings.Join(tables[:min(named, len(tables))], ", ")
	if len(tables) > named {
		list += fmt.Sprintf(" and %d more", len(tables)-named)
	}
	return append(problems, fmt.Sprintf("tables %s: "+format, list, argument))
}

// checkRowSecurity warns of, or refuses, a database whose rows are not guarded, as the configuration says.
func (db *DB) checkRowSecurity(ctx context.Context) error {
	t := db.tenancy
	if t == nil {
		return nil
	}
	if err := db.detectTenancy(ctx); err != nil {
		return asUnavailable(err)
	}
	if t.security == RowSecurityOff {
		return nil
	}
	problems, err := db.RowSecurityProblems(ctx)
	if err != nil {
		return err
	}
	switch {
	case len(problems) == 0:
		return nil
	case t.security == RowSecurityRequire:
		return fmt.Errorf("%w: %s", ErrRowSecurity, strings.Join(problems, "; "))
	default:
		db.log.Warn("row-level security does not hold this service back", "problems", problems)
		return nil
	}
}
