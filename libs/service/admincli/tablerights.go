package admincli

func roles() resource {
	columns := []string{"id", "name", "description", "scopes", "built_in", "created_at", "updated_at"}
	description := field{flag: "description", member: "description", usage: "what it is for", nullable: true}
	return resource{"role", "Create, change and remove bundles of scopes", []operation{
		{
			verb: "list", short: "List roles, those that every service has included", method: "GET", path: "/roles", answer: answerList,
			columns: []string{"name", "id", "built_in", "scopes", "description"}, examples: []string{""},
		},
		{verb: "get", short: "Show a role", method: "GET", path: "/roles/{id}", object: "NAME|ID", columns: columns, examples: []string{"auditor"}},
		{
			verb: "create", short: "Create a role", method: "POST", path: "/roles", columns: columns, stepUp: true,
			fields:   []field{{flag: "name", member: "name", required: true, usage: "name of the role: a-z 0-9 . _ -"}, description, scopes(true)},
			examples: []string{"--name readers --scopes PRODUCT:read"},
		},
		{
			verb: "update", short: "Change a role", method: "PATCH", path: "/roles/{id}", object: "NAME|ID", columns: columns, stepUp: true,
			fields:   []field{{flag: "name", member: "name", usage: "name of the role"}, description, scopes(false)},
			examples: []string{"readers --scopes PRODUCT:read,PRODUCT:audit"},
		},
		{verb: "delete", short: "Delete a role", method: "DELETE", path: "/roles/{id}", object: "NAME|ID", answer: answerNone, stepUp: true, examples: []string{"readers"}},
	}}
}

func bindings() resource {
	columns := []string{"id", "role_id", "subject_kind", "subject_id", "created_at"}
	return resource{"binding", "Give roles to people and programs, and take them away", []operation{
		{
			verb: "list", short: "List who has which role", method: "GET", path: "/role-bindings", answer: answerList, columns: columns, examples: []string{"", "--role auditor"},
			fields: []field{
				{flag: "role", member: "role", query: true, usage: "only of this role"},
				{flag: "subject", member: "subject", query: true, usage: "only of the principal with this id"},
			},
		},
		{verb: "get", short: "Show a binding", method: "GET", path: "/role-bindings/{id}", object: "ID", columns: columns, examples: []string{"019ac3f0-8f6e-7c3a-9b1d-2f4a5b6c7d8e"}},
		{
			verb: "create", short: "Give somebody a role", method: "POST", path: "/role-bindings", columns: columns, stepUp: true,
			fields:   []field{{flag: "role", member: "role", required: true, usage: "id or name of the role"}, {kind: kindSubject, required: true}},
			examples: []string{"--role auditor --user ada", "--role operator --client billing"},
		},
		{
			verb: "delete", short: "Take a role away", method: "DELETE", path: "/role-bindings/{id}", object: "ID", answer: answerNone,
			examples: []string{"019ac3f0-8f6e-7c3a-9b1d-2f4a5b6c7d8e"},
		},
	}}
}

func grants() resource {
	columns := []string{"id", "subject_kind", "subject_id", "resource_kind", "resource", "prefix", "scopes", "expires_at", "created_at"}
	return resource{"grant", "Give and take scopes for single resources", []operation{
		{
			verb: "list", short: "List grants", method: "GET", path: "/grants", answer: answerList, columns: columns, examples: []string{"", "--resource payroll"},
			fields: []field{
				{flag: "subject", member: "subject", query: true, usage: "only to the principal or role with this id"},
				{flag: "resource", member: "resource", query: true, usage: "only for the resource with this id or name"},
			},
		},
		{verb: "get", short: "Show a grant", method: "GET", path: "/grants/{id}", object: "ID", columns: columns, examples: []string{"019ac3f0-8f6e-7c3a-9b1d-2f4a5b6c7d8e"}},
		{
			verb: "create", short: "Give somebody scopes for a resource", method: "POST", path: "/grants", columns: columns, stepUp: true,
			about: "Create gives a person, a program or a role scopes for one resource, or with --prefix for all whose\nnames begin so.",
			fields: []field{
				{kind: kindSubject, required: true, member: "role"},
				{flag: "resource-kind", member: "resource_kind", required: true, usage: "kind of the resource, such as elastic-key"},
				{flag: "resource", member: "resource", required: true, usage: "id or name of the resource"},
				{flag: "prefix", member: "prefix", kind: kindFlag, usage: "all resources whose names begin so"},
				scopes(true), expires(),
			},
			examples: []string{"--user ada --resource-kind KIND --resource a --scopes PRODUCT:sign"},
		},
		{
			verb: "delete", short: "Take a grant away", method: "DELETE", path: "/grants/{id}", object: "ID", answer: answerNone,
			examples: []string{"019ac3f0-8f6e-7c3a-9b1d-2f4a5b6c7d8e"},
		},
	}}
}

func tenants() resource {
	columns := []string{"id", "name", "status", "isolation", "delete_after", "created_at", "updated_at"}
	act := func(verb, short string) operation {
		return operation{verb: verb, short: short, method: "POST", path: "/tenants/{id}/" + verb, object: "ID", columns: columns, stepUp: true, examples: []string{"acme"}}
	}
	name := field{flag: "name", member: "name", usage: "a name for people", nullable: true}
	return resource{"tenant", "Create, suspend and delete parties that are kept apart", []operation{
		{
			verb: "list", short: "List tenants", method: "GET", path: "/tenants", answer: answerList, columns: []string{"id", "name", "status", "isolation", "delete_after"},
			examples: []string{""},
		},
		{verb: "get", short: "Show a tenant", method: "GET", path: "/tenants/{id}", object: "ID", columns: columns, examples: []string{"acme"}},
		{
			verb: "create", short: "Create a tenant", method: "POST", path: "/tenants", columns: columns, stepUp: true,
			about: "Create makes a tenant. Its id is a slug that never changes and is never given out again.",
			fields: []field{
				{flag: "id", member: "id", required: true, usage: "a-z, 0-9 and hyphens, at most 31 characters"},
				name,
				{flag: "isolation", member: "isolation", usage: "row (default), or schema for one of its own in PostgreSQL"},
			},
			examples: []string{`--id acme --name "Acme Corp"`},
		},
		{
			verb: "update", short: "Change a tenant's name", method: "PATCH", path: "/tenants/{id}", object: "ID", columns: columns, stepUp: true, fields: []field{name},
			examples: []string{`acme --name "Acme Corporation"`},
		},
		act("suspend", "Refuse everybody of a tenant"), act("resume", "Admit a suspended tenant again"),
		{
			verb: "delete", short: "Delete a tenant, after a waiting period", method: "DELETE", path: "/tenants/{id}", object: "ID", columns: columns, stepUp: true,
			about:    "Delete refuses everybody of a tenant at once and removes its keys and data after a waiting period, 7\ndays by default, in which restore takes that back.",
			examples: []string{"acme"},
		},
		act("restore", "Take back the deletion of a tenant, which stays suspended until resume"),
	}}
}

func sessions() resource {
	return resource{"session", "List and end sessions", []operation{
		{
			verb: "list", short: "List sessions in force", method: "GET", path: "/sessions", answer: answerList,
			columns:  []string{"id", "principal_kind", "principal_id", "name", "format", "created_at", "last_used_at", "expires_at", "address"},
			fields:   []field{{flag: "principal", member: "principal", query: true, usage: "only of the principal with this id"}},
			examples: []string{"", "--principal operator"},
		},
		{
			verb: "revoke", short: "End a session", method: "DELETE", path: "/sessions/{id}", object: "ID", answer: answerNone,
			examples: []string{"019ac3f0-8f6e-7c3a-9b1d-2f4a5b6c7d8e"},
		},
	}}
}

func audit() resource {
	query := func(flag, member, usage string) field {
		return field{flag: flag, member: member, query: true, usage: usage}
	}
	return resource{"audit", "Read, export and check the audit trail", []operation{
		{
			verb: "list", short: "List events of the audit trail", method: "GET", path: "/audit/events", answer: answerList,
			columns: []string{"seq", "event.time", "event.action", "event.outcome", "event.actor.kind", "event.actor.id", "event.object.kind", "event.object.id", "event.code", "intact"},
			fields: []field{
				{flag: "since", member: "since", query: true, kind: kindTime, usage: "from this time on: RFC 3339, or a duration ago such as 24h"},
				{flag: "until", member: "until", query: true, kind: kindTime, usage: "before this time"},
				query("action", "action", "only this action"), query("outcome", "outcome", "only allowed, denied or failed"),
				query("actor", "actor", "only by the principal with this id"), query("object-kind", "object_kind", "only of this kind of object"),
				query("object", "object", "only of the object with this id"),
				{flag: "newest", member: "newest", query: true, kind: kindFlag, usage: "newest first"},
			},
			examples: []string{"--newest --limit 20", "--since 24h --outcome denied --output json"},
		},
		{
			verb: "checkpoint-key", short: "Print the public keys that verify an export", method: "GET", path: "/audit/checkpoint-key",
			about:    "Checkpoint-key prints the public keys of the service's checkpoints as a JWK Set. Keep them where the\nexports are not.",
			examples: []string{"> checkpoint-keys.json"}, columns: nil,
		},
	}}
}
