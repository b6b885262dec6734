package accesstest_test

import (
	"github.com/google/uuid"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// probe is a request with somebody else's identifiers and how it is refused.
type probe struct {
	path string
	body any
	code string // "" where it succeeds and shows nothing
}

// byID are probes of one object under each of its names.
func byID(collection, verb string, body any, refs ...string) (all []probe) {
	for _, ref := range refs {
		if ref != "" {
			all = append(all, probe{collection + "/" + ref + verb, body, kmstest.NotFound})
		}
	}
	return all
}

// lists are probes of a list: as it is, with the cursor of another's list, and with filters that only another's things fit.
func (e estate) lists(path string, filters ...string) []probe {
	all := []probe{{path, nil, ""}, {path + "?limit=1000", nil, ""}, {kmstest.Query(path, "limit", "1", "cursor", e.cursors[path]), nil, "invalid_cursor"}}
	for i := 0; i+1 < len(filters); i += 2 {
		all = append(all, probe{kmstest.Query(path, filters[i], filters[i+1]), nil, ""})
	}
	return all
}

// landlord are probes of tenants, which are administered from the default tenant alone: whatever exists, that is the answer.
func landlord(path string, body any) []probe { return []probe{{path, body, "forbidden"}} }

// probes say, for each operation of the platform's documents, how a stranger tries to reach the estate.
var probes = map[string]func(e, own estate) []probe{
	"getSelf":    func(_, _ estate) []probe { return []probe{{"self", nil, ""}} },
	"createUser": func(_, _ estate) []probe { return nil }, // the names that others have are free: see the end of the test
	"listUsers":  func(e, _ estate) []probe { return e.lists("users", "login", e.login, "login", e.email) },
	"getUser":    func(e, _ estate) []probe { return byID("users", "", nil, e.user) },
	"updateUser": func(e, _ estate) []probe { return byID("users", "", map[string]any{"disabled": true}, e.user) },
	"deleteUser": func(e, _ estate) []probe { return byID("users", "", nil, e.user) },
	"setUserPassword": func(e, _ estate) []probe {
		return byID("users", "/set-password", map[string]any{"password": kmstest.EstatePassword + "!"}, e.user)
	},
	"revokeUserSessions": func(e, _ estate) []probe { return byID("users", "/revoke-sessions", nil, e.user) },
	"createClient":       func(_, _ estate) []probe { return nil },
	"listClients":        func(e, _ estate) []probe { return e.lists("clients", "name", e.clientName+"x") },
	"getClient":          func(e, _ estate) []probe { return byID("clients", "", nil, e.client, e.clientName) },
	"updateClient": func(e, _ estate) []probe {
		return byID("clients", "", map[string]any{"disabled": true}, e.client, e.clientName)
	},
	"deleteClient":       func(e, _ estate) []probe { return byID("clients", "", nil, e.client, e.clientName) },
	"rotateClientSecret": func(e, _ estate) []probe { return byID("clients", "/rotate-secret", nil, e.client, e.clientName) },
	"createApiToken": func(e, _ estate) []probe {
		return []probe{{"api-tokens", map[string]any{"name": "x", "scopes": []string{}, "owner": e.user}, kmstest.NotFound}}
	},
	"listApiTokens":  func(e, _ estate) []probe { return e.lists("api-tokens", "owner", e.user) },
	"getApiToken":    func(e, _ estate) []probe { return byID("api-tokens", "", nil, e.apiToken) },
	"updateApiToken": func(e, _ estate) []probe { return byID("api-tokens", "", map[string]any{"disabled": true}, e.apiToken) },
	"deleteApiToken": func(e, _ estate) []probe { return byID("api-tokens", "", nil, e.apiToken) },
	"createRole":     func(_, _ estate) []probe { return nil },
	"listRoles":      func(e, _ estate) []probe { return e.lists("roles") },
	"getRole":        func(e, _ estate) []probe { return byID("roles", "", nil, e.role, e.roleName) },
	"updateRole": func(e, _ estate) []probe {
		return byID("roles", "", map[string]any{"description": "x"}, e.role, e.roleName)
	},
	"deleteRole": func(e, _ estate) []probe { return byID("roles", "", nil, e.role, e.roleName) },
	"createRoleBinding": func(e, own estate) []probe {
		bind := func(role, kind, id string) probe {
			return probe{"role-bindings", map[string]any{"role": role, "subject_kind": kind, "subject_id": id}, kmstest.NotFound}
		}
		return []probe{
			bind("admin", "user", e.user), bind("admin", "client", e.client), bind("admin", "api_token", e.apiToken), bind(e.role, "client", own.client),
			bind(e.roleName, "client", own.client), bind(own.role, "user", e.user),
		}
	},
	"listRoleBindings": func(e, _ estate) []probe {
		of := func(role string) probe {
			return probe{kmstest.Query("role-bindings", "role", role), nil, kmstest.NotFound}
		}
		return append(e.lists("role-bindings", "subject", e.client), of(e.role), of(e.roleName))
	},
	"getRoleBinding":    func(e, _ estate) []probe { return byID("role-bindings", "", nil, e.binding) },
	"deleteRoleBinding": func(e, _ estate) []probe { return byID("role-bindings", "", nil, e.binding) },
	"createGrant": func(e, _ estate) []probe {
		give := func(kind, id string) probe { return probe{"grants", grantOn(e.SecretID, kind, id), kmstest.NotFound} }
		return []probe{give("user", e.user), give("client", e.client), give("api_token", e.apiToken), give("role", e.role), give("role", e.roleName)}
	},
	"listGrants":  func(e, _ estate) []probe { return e.lists("grants", "subject", e.client) },
	"getGrant":    func(e, _ estate) []probe { return byID("grants", "", nil, e.grant) },
	"deleteGrant": func(e, _ estate) []probe { return byID("grants", "", nil, e.grant) },
	"createKeyGrant": func(e, own estate) []probe {
		all := []probe{
			{"elastic-keys/" + e.SecretID + "/grants", kmstest.KeyGrant("client", own.client, "encrypt"), kmstest.NotFound},
			{"elastic-keys/" + e.SecretName + "/grants", kmstest.KeyGrant("client", own.client, "encrypt"), kmstest.NotFound},
		}
		for kind, id := range map[string]string{"user": e.user, "client": e.client, "api_token": e.apiToken, "role": e.roleName} {
			retiring := kmstest.KeyGrant("client", own.client, "encrypt")
			if kind != "role" {
				retiring["retiring_principal"] = map[string]any{"kind": kind, "id": id}
				all = append(all, probe{"elastic-keys/" + own.SecretID + "/grants", retiring, kmstest.NotFound})
			}
			all = append(all, probe{"elastic-keys/" + own.SecretID + "/grants", kmstest.KeyGrant(kind, id, "encrypt"), kmstest.NotFound})
		}
		return all
	},
	"listKeyGrants": func(e, own estate) []probe {
		path := "elastic-keys/" + e.SecretID + "/grants"
		return []probe{
			{path, nil, kmstest.NotFound},
			{"elastic-keys/" + e.SecretName + "/grants", nil, kmstest.NotFound},
			{kmstest.Query("elastic-keys/"+own.SecretID+"/grants", "limit", "1", "cursor", e.cursors[path]), nil, "invalid_cursor"},
		}
	},
	"getKeyGrant":    func(e, own estate) []probe { return onGrant(e, own, "") },
	"revokeKeyGrant": func(e, own estate) []probe { return onGrant(e, own, "") },
	"retireKeyGrant": func(e, own estate) []probe { return onGrant(e, own, "/retire") },
	"createTenant": func(e, _ estate) []probe {
		return append(landlord("tenants", map[string]any{"id": e.Tenant}), landlord("tenants", map[string]any{"id": "another-one"})...)
	},
	"listTenants":       func(_, _ estate) []probe { return landlord("tenants", nil) },
	"getTenant":         func(e, _ estate) []probe { return landlord("tenants/"+e.Tenant, nil) },
	"updateTenant":      func(e, _ estate) []probe { return landlord("tenants/"+e.Tenant, map[string]any{"name": "x"}) },
	"deleteTenant":      func(e, _ estate) []probe { return landlord("tenants/"+e.Tenant, nil) },
	"suspendTenant":     func(e, _ estate) []probe { return landlord("tenants/"+e.Tenant+"/suspend", nil) },
	"resumeTenant":      func(e, _ estate) []probe { return landlord("tenants/"+e.Tenant+"/resume", nil) },
	"restoreTenant":     func(e, _ estate) []probe { return landlord("tenants/"+e.Tenant+"/restore", nil) },
	"listSessions":      func(e, _ estate) []probe { return e.lists("sessions", "principal", e.user, "principal", e.apiToken) },
	"deleteSession":     func(e, _ estate) []probe { return byID("sessions", "", nil, e.session) },
	"beginSession":      func(_, _ estate) []probe { return nil }, // it names nothing; see the credentials below
	"endCurrentSession": func(_, _ estate) []probe { return []probe{{"sessions/current", nil, kmstest.NotFound}} },
	"listAuditEvents":   func(e, _ estate) []probe { return e.events() },
	"exportAudit":       func(_, _ estate) []probe { return []probe{{"audit/export", nil, ""}} },
	"requestApproval": func(e, _ estate) []probe {
		ask := func(operation, resource string, parameters map[string]any) probe {
			body := map[string]any{"operation": operation, "resource": resource, "reason": "none"}
			if parameters != nil {
				body["parameters"] = parameters
			}
			return probe{"approvals", body, kmstest.NotFound}
		}
		return []probe{
			ask("deleteElasticKey", e.SecretID, nil), ask("deleteElasticKey", e.SecretName, nil),
			ask("destroyMaterialKey", e.SecretID, map[string]any{"version": "1"}), ask("updateElasticKey", e.SecretID, map[string]any{"quorum": nil}),
		}
	},
	"listApprovals":         func(e, _ estate) []probe { return e.lists("approvals") },
	"getApproval":           func(e, _ estate) []probe { return byID("approvals", "", nil, e.approval) },
	"approveRequest":        func(e, _ estate) []probe { return byID("approvals", "/approve", nil, e.approval) },
	"rejectRequest":         func(e, _ estate) []probe { return byID("approvals", "/reject", nil, e.approval) },
	"cancelRequest":         func(e, _ estate) []probe { return byID("approvals", "/cancel", nil, e.approval) },
	"getAuditCheckpointKey": func(_, _ estate) []probe { return []probe{{"audit/checkpoint-key", nil, ""}} },
}

func (e estate) events() []probe {
	all := []probe{{"audit/events?limit=1000", nil, ""}}
	for _, id := range []string{e.user, e.client, e.apiToken} {
		all = append(all, probe{kmstest.Query("audit/events", "actor", id), nil, ""}, probe{kmstest.Query("audit/events", "object", id), nil, ""})
	}
	return append(all, probe{kmstest.Query("audit/events", "object", e.SecretID), nil, ""})
}

// onGrant are probes of a grant: on the key that it is on, and on one's own.
func onGrant(e, own estate, verb string) []probe {
	return append(byID("elastic-keys/"+e.SecretID+"/grants", verb, nil, e.GrantID, own.GrantID), byID("elastic-keys/"+own.SecretID+"/grants", verb, nil, e.GrantID)...)
}

func grantOn(resource, kind, id string) map[string]any {
	return map[string]any{"subject_kind": kind, "subject_id": id, "resource_kind": "elastic-key", "resource": resource, "scopes": []string{"kms:read", "kms:decrypt"}}
}

// absent is an estate of which nothing exists.
func absent(like estate) estate {
	e := estate{Holding: nobody(like.Holding), login: "nobodys-login", email: "nobody@example.org", clientName: "nobodys-client", roleName: "nobodys-role"}
	for _, id := range []*string{&e.user, &e.client, &e.apiToken, &e.role, &e.binding, &e.grant, &e.session, &e.approval} {
		*id = uuid.Must(uuid.NewV7()).String()
	}
	e.cursors = map[string]string{"elastic-keys/" + e.SecretID + "/grants": e.KeysCursor}
	for list := range like.cursors {
		e.cursors[list] = e.KeysCursor
	}
	return e
}
