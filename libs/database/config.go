package database

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// Sizes of the connection pool.
const (
	defaultConnections = 10
	maxConnections     = 50
)

// Memory is the [Config.Path] of a SQLite database that lives in the process only.
const Memory = ":memory:"

// Config says which database a service uses.
type Config struct {
	// Engine is "sqlite" or "postgres".
	Engine string `koanf:"engine"`
	// Path is the SQLite file; ":memory:" keeps everything in the process, on one connection, and loses it with it. The folder that
	// holds the file is created (0700) at first start, the one above must exist. The file is kept at 0600.
	Path config.Path `koanf:"path"`
	// URL is postgres://user@host:port/database, several hosts separated by commas, without a password. Its sslmode is verify-full
	// when absent; verify-ca, require (encrypted, the server not verified) and disable are the others. sslrootcert, sslcert and sslkey
	// name files, target_session_attrs=read-write finds the primary among several hosts. Only SCRAM-SHA-256 is answered.
	URL string `koanf:"url"`
	// Password is the file that holds the PostgreSQL password: printable ASCII, at least 14 characters.
	Password config.Secret `koanf:"password"`
	// MaxConnections is the size of the pool, 1 to 50, 10 when zero. SQLite has one connection that writes and this many that read.
	MaxConnections int `koanf:"max_connections"`
	// Owner is the PostgreSQL role that owns the tables and migrates. With it the role of URL reads and writes rows and can do nothing
	// else, and row-level security is in force. Without it the role of URL owns the tables and no such security holds it back.
	Owner Owner `koanf:"owner"`
	// RowSecurity says what becomes of a PostgreSQL database in which row-level security does not hold the service back: "" warns,
	// "require" refuses to start, "off" does neither and does not switch it on.
	RowSecurity string `koanf:"row_security"`
	// SchemaTenants is how many tenants may have a PostgreSQL schema of their own, at most 1000; zero switches such schemas off.
	SchemaTenants int `koanf:"schema_tenants"`
}

// Owner is a second role of the same database.
type Owner struct {
	// URL is written like [Config.URL]; only its user may differ.
	URL string `koanf:"url"`
	// Password is the file that holds the role's password.
	Password config.Secret `koanf:"password"`
}

// The values of [Config.RowSecurity] beside "".
const (
	RowSecurityRequire = "require"
	RowSecurityOff     = "off"
)

// maxSchemaTenants bounds [Config.SchemaTenants]: start-up asks each schema for its version, and the catalogue grows with each.
const maxSchemaTenants = 1000

// Validate finds what cannot work whatever the database answers.
func (c Config) Validate() []config.Problem {
	var problems []config.Problem
	report := func(path, message, suggestion string) {
		problems = append(problems, config.Problem{Path: path, Message: message, Suggestion: suggestion})
	}
	switch c.Engine {
	case EngineSQLite:
		if c.Path == "" {
			report("path", "the SQLite file is missing", "name a file, or "+Memory)
		}
		if c.URL != "" {
			report("url", "is for engine postgres", "remove it, or set engine: postgres")
		}
	case EnginePostgres:
		if err := checkURL(c.URL); err != nil {
			report("url", err.Error(), "postgres://user@host:5432/database?sslmode=verify-full")
		}
		if !c.Password.IsSet() {
			report("password", "the PostgreSQL password is missing", "file:///path/to/password")
		}
	default:
		report("engine", fmt.Sprintf("unknown engine %q", c.Engine), "sqlite or postgres")
	}
	problems = append(problems, c.validateTenancy()...)
	if c.MaxConnections < 0 || c.MaxConnections > maxConnections {
		report("max_connections", fmt.Sprintf("%d is out of range", c.MaxConnections), fmt.Sprintf("1 to %d", maxConnections))
	}
	return problems
}

// validateTenancy finds what is wrong with the second role and the schemas.
func (c Config) validateTenancy() []config.Problem {
	var problems []config.Problem
	report := func(path, message, suggestion string) {
		problems = append(problems, config.Problem{Path: path, Message: message, Suggestion: suggestion})
	}
	if c.SchemaTenants < 0 || c.SchemaTenants > maxSchemaTenants {
		report("schema_tenants", fmt.Sprintf("%d is out of range", c.SchemaTenants), fmt.Sprintf("0 to %d", maxSchemaTenants))
	}
	if !slices.Contains([]string{"", RowSecurityRequire, RowSecurityOff}, c.RowSecurity) {
		report("row_security", fmt.Sprintf("unknown value %q", c.RowSecurity), RowSecurityRequire+" or "+RowSecurityOff)
	}
	if c.Engine != EnginePostgres {
		if c.Owner.URL != "" || c.Owner.Password.IsSet() {
			report("owner", "is for engine postgres", "remove it, or set engine: postgres")
		}
		if c.RowSecurity == RowSecurityRequire {
			report("row_security", "SQLite has no row-level security", "remove it, or set engine: postgres")
		}
		if c.SchemaTenants > 0 {
			report("schema_tenants", "SQLite has no schemas", "remove it, or set engine: postgres")
		}
		return problems
	}
	if c.Owner == (Owner{}) {
		return problems
	}
	if err := checkURL(c.Owner.URL); err != nil {
		report("owner.url", err.Error(), "postgres://owner@host:5432/database?sslmode=verify-full")
	} else if userOf(c.Owner.URL) == userOf(c.URL) {
		report("owner.url", "names the user that url names", "give the tables an owner of their own")
	}
	if !c.Owner.Password.IsSet() {
		report("owner.password", "the owner's password is missing", "file:///path/to/password")
	}
	return problems
}

func userOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.User.Username()
}

// urlParameters are what a PostgreSQL URL may set. Others would hold a password, fetch settings from a place that nobody looks at, or
// undo what this package sets.
var urlParameters = []string{"host", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslsni", "channel_binding", "target_session_attrs", "connect_timeout"}

// checkURL never quotes the URL, which may hold a password by mistake.
func checkURL(text string) error {
	if text == "" {
		return fmt.Errorf("the PostgreSQL URL is missing")
	}
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("is not a URL")
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return fmt.Errorf("scheme %q is not postgres", u.Scheme)
	}
	if _, found := u.User.Password(); found {
		return fmt.Errorf("holds a password, which belongs into the password file")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fmt.Errorf("has a malformed query")
	}
	for name := range query {
		if !slices.Contains(urlParameters, name) {
			return fmt.Errorf("parameter %q is not accepted", name)
		}
	}
	if u.User.Username() == "" {
		return fmt.Errorf("names no user")
	}
	if len(u.Path) < 2 {
		return fmt.Errorf("names no database")
	}
	if u.Host == "" && !query.Has("host") {
		return fmt.Errorf("names no host")
	}
	if mode := query.Get("sslmode"); !slices.Contains([]string{"", "verify-full", "verify-ca", "require", "disable"}, mode) {
		return fmt.Errorf("sslmode %q is not accepted: it may fall back to clear text unnoticed", mode)
	}
	return nil
}

func poolSize(n int) int {
	if n <= 0 {
		return defaultConnections
	}
	return min(n, maxConnections)
}
