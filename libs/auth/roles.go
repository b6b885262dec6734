package auth

import "strings"

// Names of the roles that every service has.
const (
	RoleAdmin    = "admin"    // everything in its tenant
	RoleOperator = "operator" // reads and changes what the service is about
	RoleAuditor  = "auditor"  // reads, and reads the audit trail
	RoleUser     = "user"     // uses what is there
	RoleSystem   = "system"   // an admin who also rules over tenants, from the default tenant alone
)

// What scopes end with that have a meaning for the platform.
const (
	admin   = "admin"   // holds every other scope of the product but tenants
	tenants = "tenants" // creates, suspends and deletes tenants
)

// AdminScope holds every other scope of the product but TenantsScope.
func AdminScope(product string) string { return product + ":" + admin }

// TenantsScope is for whoever creates, suspends and deletes tenants, from the default tenant.
func TenantsScope(product string) string { return product + ":" + tenants }

// UsersScope is for whoever administers users, clients, tokens, roles and grants of his tenant.
func UsersScope(product string) string { return product + ":users" }

// AuditScope is for whoever reads his tenant's audit trail.
func AuditScope(product string) string { return product + ":audit" }

// BuiltInRoles are the roles that every service has. operate and use are the scopes of operators, beside read, and of users, such as
// kms:write and kms:encrypt.
func BuiltInRoles(product string, operate, use []string) []Role {
	read := product + ":read"
	return []Role{
		{ID: RoleAdmin, Name: RoleAdmin, Scopes: []string{AdminScope(product)}},
		{ID: RoleSystem, Name: RoleSystem, Scopes: []string{AdminScope(product), TenantsScope(product)}},
		{ID: RoleOperator, Name: RoleOperator, Scopes: append([]string{read}, operate...)},
		{ID: RoleAuditor, Name: RoleAuditor, Scopes: []string{AuditScope(product), read}},
		{ID: RoleUser, Name: RoleUser, Scopes: append([]string{}, use...)},
	}
}

// Holds tells whether somebody with the held scopes has this one: itself, or by the product's admin scope, which holds all others but the
// one over tenants.
func Holds(held []string, scope string) bool { return holds(held, scope) }

func holds(held []string, scope string) bool {
	product, action, _ := strings.Cut(scope, ":")
	for _, one := range held {
		if one == scope {
			return true
		}
		if p, a, _ := strings.Cut(one, ":"); p == product && a == admin && action != tenants {
			return true
		}
	}
	return false
}
