package admincli

// resource is what a group of commands is about.
type resource struct {
	name, short string
	operations  []operation
}

// Forms of an answer.
const (
	answerObject = iota // one object
	answerList          // pages of them
	answerNone          // nothing
	answerSecret        // one object, with a secret that is shown once
)

// operation is one operation of the API as a command.
type operation struct {
	verb, short, about string
	method, path       string // below the API's prefix
	object             string // what the argument is called; empty for none
	lookup             lookup // how a name becomes the id that the path wants
	fields             []field
	answer             int
	secret             string   // the secret's member
	columns            []string // members in the order in which they are shown; a.b is within a
	stepUp             bool
	examples           []string // arguments
}

// lookup finds an object by name: the list at path has a filter, or none, and the member that must equal the name.
type lookup struct{ path, filter, member string }

// Kinds of fields.
const (
	kindText = iota
	kindList
	kindNumber
	kindFlag
	kindTime        // RFC 3339, or a duration from now, or never
	kindPassword    // read from a file or a terminal
	kindCertificate // kind=value or a PEM file, several
	kindSubject     // flags user, client, token (and role) that become subject_kind and subject_id
)

// field is a member of a body, or a parameter of a list, as a flag.
type field struct {
	flag, member, usage string
	kind                int
	required            bool
	nullable            bool // an empty value removes it
	query               bool // it is a parameter of the URL
}

// byLogin and byToken find people and tokens.
func byLogin() lookup { return lookup{"/users", "login", "login"} }
func byToken() lookup { return lookup{"/api-tokens", "", "name"} }

// Fields that several operations have.
func expires() field {
	return field{flag: "expires", member: "expires_at", kind: kindTime, nullable: true, usage: "when it stops working: a time (RFC 3339), a duration such as 2160h, or never"}
}

func disabled() field {
	return field{flag: "disabled", member: "disabled", kind: kindFlag, usage: "refuse it until --disabled=false"}
}

func scopes(required bool) field {
	return field{flag: "scopes", member: "scopes", kind: kindList, required: required, usage: "what it may do, comma-separated"}
}

func certificates() field {
	return field{
		flag: "certificate", member: "certificates", kind: kindCertificate, nullable: true,
		usage: "client certificate that stands for it: a PEM file, or uri=, dns=, subject= or thumbprint= and its name; may be given several times",
	}
}

func resources() []resource {
	return []resource{users(), clients(), tokens(), roles(), bindings(), grants(), tenants(), sessions(), audit()}
}

func users() resource {
	columns := []string{"id", "login", "email", "name", "has_password", "disabled", "expires_at", "created_at", "updated_at"}
	name := field{flag: "name", member: "name", usage: "a name for people", nullable: true}
	email := field{flag: "email", member: "email", usage: "e-mail address, by which the person can log in too", nullable: true}
	return resource{"user", "Add, change and remove people", []operation{
		{
			verb: "list", short: "List the people of the database", method: "GET", path: "/users", answer: answerList,
			columns: []string{"login", "id", "email", "name", "disabled", "expires_at"}, examples: []string{"", "--output json"},
			fields: []field{{flag: "login", member: "login", query: true, usage: "only who logs in by this name or e-mail address"}},
		},
		{verb: "get", short: "Show a person", method: "GET", path: "/users/{id}", object: "LOGIN|ID", lookup: byLogin(), columns: columns, examples: []string{"ada"}},
		{
			verb: "create", short: "Create a person in the database", method: "POST", path: "/users", columns: columns, stepUp: true,
			about: `Create makes a person in the database, without any rights: give them with binding create or
grant create. The password is asked for without echo, or read from --password-file; without one
(--no-password) nobody can log in as this person yet.`,
			fields: []field{
				{flag: "login", member: "login", required: true, usage: "what the person logs in with"},
				email, name,
				{flag: "password-file", member: "password", kind: kindPassword},
				disabled(), expires(),
			},
			examples: []string{"--login ada --email ada@example.net", "--login ben --name Ben --password-file ben.txt"},
		},
		{
			verb: "update", short: "Change a person", method: "PATCH", path: "/users/{id}", object: "LOGIN|ID", lookup: byLogin(), columns: columns, stepUp: true,
			fields:   []field{{flag: "login", member: "login", usage: "what the person logs in with"}, email, name, disabled(), expires()},
			examples: []string{"ada --disabled", `ada --email "" --expires 720h`},
		},
		{
			verb: "delete", short: "Delete a person", method: "DELETE", path: "/users/{id}", object: "LOGIN|ID", lookup: byLogin(), answer: answerNone,
			stepUp: true, examples: []string{"ada"},
		},
		{
			verb: "set-password", short: "Give a person a new password", method: "POST", path: "/users/{id}/set-password", object: "LOGIN|ID", lookup: byLogin(),
			about:  "Set-password replaces a person's password and ends all sessions of that person.",
			answer: answerNone, stepUp: true, fields: []field{{flag: "password-file", member: "password", kind: kindPassword, required: true}},
			examples: []string{"ada", "ada --password-file new.txt"},
		},
		{
			verb: "revoke-sessions", short: "End all sessions of a person", method: "POST", path: "/users/{id}/revoke-sessions", object: "LOGIN|ID", lookup: byLogin(),
			columns: []string{"sessions"}, examples: []string{"ada"},
		},
	}}
}

func clients() resource {
	columns := []string{"id", "name", "description", "scopes", "certificates", "disabled", "expires_at", "created_at", "updated_at"}
	name := field{flag: "name", member: "name", required: true, usage: "name of the client: a-z 0-9 . _ -, at most 63 characters"}
	rename := name
	rename.required = false
	description := field{flag: "description", member: "description", usage: "what it is", nullable: true}
	return resource{"client", "Create, change and remove programs with secrets and certificates", []operation{
		{
			verb: "list", short: "List clients", method: "GET", path: "/clients", answer: answerList,
			columns: []string{"name", "id", "scopes", "disabled", "expires_at", "description"}, examples: []string{"", "--name billing --output json"},
			fields: []field{{flag: "name", member: "name", query: true, usage: "only the client of this name"}},
		},
		{verb: "get", short: "Show a client", method: "GET", path: "/clients/{id}", object: "NAME|ID", columns: columns, examples: []string{"billing"}},
		{
			verb: "create", short: "Create a client and show its secret", method: "POST", path: "/clients", columns: columns, stepUp: true,
			answer: answerSecret, secret: "secret",
			fields: []field{
				name, description, scopes(true), certificates(),
				{flag: "without-secret", member: "without_secret", kind: kindFlag, usage: "it authenticates by certificate alone"},
				disabled(), expires(),
			},
			examples: []string{"--name billing --scopes PRODUCT:read", "--name ci --scopes PRODUCT:read --without-secret --certificate ci.pem"},
		},
		{
			verb: "update", short: "Change a client", method: "PATCH", path: "/clients/{id}", object: "NAME|ID", columns: columns, stepUp: true,
			fields: []field{rename, description, scopes(false), certificates(), disabled(), expires()}, examples: []string{"billing --expires 2160h"},
		},
		{
			verb: "delete", short: "Delete a client", method: "DELETE", path: "/clients/{id}", object: "NAME|ID", answer: answerNone, stepUp: true,
			examples: []string{"billing"},
		},
		{
			verb: "rotate-secret", short: "Give a client a new secret", method: "POST", path: "/clients/{id}/rotate-secret", object: "NAME|ID", stepUp: true,
			about:  "Rotate-secret makes a new secret; the one before goes on for --overlap seconds, a day by default.",
			answer: answerSecret, secret: "secret", columns: []string{"client_id", "previous_expires_at"},
			fields:   []field{{flag: "overlap", member: "overlap_seconds", kind: kindNumber, usage: "seconds that the secret before goes on (default 86400)"}},
			examples: []string{"billing", "billing --overlap 0 --secret-file billing.secret"},
		},
	}}
}

func tokens() resource {
	columns := []string{"id", "name", "owner", "scopes", "disabled", "expires_at", "created_at", "updated_at"}
	return resource{"token", "Create, change and remove API tokens", []operation{
		{
			verb: "list", short: "List API tokens", method: "GET", path: "/api-tokens", answer: answerList,
			columns: []string{"name", "id", "owner", "scopes", "disabled", "expires_at"}, examples: []string{""},
			fields: []field{{flag: "owner", member: "owner", query: true, usage: "only tokens of the user with this id"}},
		},
		{verb: "get", short: "Show an API token", method: "GET", path: "/api-tokens/{id}", object: "NAME|ID", lookup: byToken(), columns: columns, examples: []string{"ci"}},
		{
			verb: "create", short: "Create an API token and show it", method: "POST", path: "/api-tokens", columns: columns, stepUp: true,
			answer: answerSecret, secret: "token",
			fields: []field{
				{flag: "name", member: "name", required: true, usage: "a name for people"},
				scopes(true),
				{flag: "owner", member: "owner", usage: "id of the user for whom the token acts"},
				expires(),
			},
			examples: []string{"--name ci --scopes PRODUCT:read --expires 2160h"},
		},
		{
			verb: "update", short: "Change an API token", method: "PATCH", path: "/api-tokens/{id}", object: "NAME|ID", lookup: byToken(), columns: columns, stepUp: true,
			fields:   []field{{flag: "name", member: "name", usage: "a name for people"}, scopes(false), disabled(), expires()},
			examples: []string{"ci --disabled"},
		},
		{
			verb: "delete", short: "Delete an API token", method: "DELETE", path: "/api-tokens/{id}", object: "NAME|ID", lookup: byToken(), answer: answerNone,
			examples: []string{"ci"},
		},
	}}
}
