package service

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/federation"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/telemetry"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"
)

// Config is what every service is configured with. A service's own configuration embeds it and adds its sections.
type Config struct { //nolint:recvcheck // Platform returns the configuration itself, the others read it
	server.Config `koanf:",squash"`

	// DataDir holds what the service keeps beside its database: the certificate hierarchy (tls/), admin.token and the journal of events
	// that could not be stored. It must exist.
	DataDir config.Path `koanf:"data_dir"`
	// Secrets says how strictly secret files are checked.
	Secrets config.Policy `koanf:"secrets"`
	// TLS is where the certificates of the listeners come from. The admin listener has one of its own, by the hierarchy in the data directory.
	TLS tlsconfig.Config `koanf:"tls"`
	// Revocation is how certificates of clients are checked for having been revoked.
	Revocation revocation.Config `koanf:"revocation"`
	// Database keeps everything that replicas share.
	Database database.Config `koanf:"database"`
	// Unseal opens the barrier that keys and secrets are sealed with.
	Unseal UnsealConfig `koanf:"unseal"`
	// Hashes is how passwords and machine secrets are hashed.
	Hashes HashConfig `koanf:"hash_service"`
	// Realm is how callers are known.
	Realm RealmConfig `koanf:"realm"`
	// Sessions are those of browsers, and of programs that exchange a credential for one.
	Sessions session.Config `koanf:"sessions"`
	// Tenancy is about the life of tenants.
	Tenancy TenancyConfig `koanf:"tenancy"`
	// Approvals is about what several people must agree to.
	Approvals ApprovalsConfig `koanf:"approvals"`
	// Audit is about the trail of what was done.
	Audit AuditConfig `koanf:"audit"`
	// Federation names the peers.
	Federation federation.Config `koanf:"federation"`
	// Features switches parts of the service on and off.
	Features Features `koanf:"features"`
	// KeyPools says how many generated keys of a kind (RSA-2048, RSA-3072, RSA-4096, P-256, P-384, P-521, Ed25519) wait to be taken. A
	// kind that is absent has its default; 0 switches it off.
	KeyPools map[string]int `koanf:"key_pools"`
	// Telemetry is about logs, traces and metrics.
	Telemetry TelemetryConfig `koanf:"telemetry"`
}

// Features are the parts of a service that can be switched off.
type Features struct {
	// Login is the pages by which people log in, under /browser.
	Login bool `koanf:"login"`
	// Administration is the API for users, clients, roles, grants, tenants, sessions and the audit trail.
	Administration bool `koanf:"administration"`
	// Reference is the API reference, which is public, under /reference.
	Reference bool `koanf:"reference"`
}

// on tells whether a feature is switched on by its name in a document (x-feature). What has no switch is on.
func (f Features) on(name string) bool {
	switch name {
	case "login":
		return f.Login
	case "administration":
		return f.Administration
	default:
		return true
	}
}

// UnsealConfig says how the barrier is opened.
type UnsealConfig struct {
	// Mode is derive (from a secret file), jwk (a private key in a file opens what is stored), kms (a federated KMS does), shamir (by shares
	// that operators submit) or dev (as derive, made by development mode).
	Mode string `koanf:"mode"`
	// Secret is a file of 32 random bytes, for modes derive and dev, and of a private JWK, for mode jwk.
	Secret config.Secret `koanf:"secret"`
	// Key is, in mode kms, the elastic key of the KMS that wraps the unseal key.
	Key string `koanf:"key"`
}

// Validate implements config.Validator.
func (c UnsealConfig) Validate() []config.Problem {
	mode := unseal.Mode(c.Mode)
	problems := config.OneOf("mode", c.Mode, string(unseal.Derive), string(unseal.JWK), string(unseal.KMS), string(unseal.Shamir), string(unseal.Dev))
	secret := mode == unseal.Derive || mode == unseal.Dev || mode == unseal.JWK
	switch {
	case secret && !c.Secret.IsSet():
		problems = append(problems, config.Problem{
			Path: "secret", Message: "the unseal secret is missing", Suggestion: "file:///path/to/secret, or mode: shamir",
		})
	case !secret && c.Secret.IsSet():
		problems = append(problems, config.Problem{Path: "secret", Message: "mode " + c.Mode + " takes no secret", Suggestion: "remove it"})
	}
	if (mode == unseal.KMS) != (c.Key != "") {
		problems = append(problems, config.Problem{Path: "key", Message: "mode kms, and no other, needs the name of a key", Suggestion: "name an elastic key of the KMS"})
	}
	return problems
}

// HashConfig is the section of the hash registries.
type HashConfig struct {
	// Peppers are secrets of at least 32 random bytes, one per version of the policies, which go into every hash.
	Peppers []Pepper `koanf:"peppers"`
	// Registries replaces policies: low_entropy_random (passwords), low_entropy_deterministic, high_entropy_random (machine secrets) and
	// high_entropy_deterministic. What is absent has its default.
	Registries map[secrethash.Kind]secrethash.RegistryConfig `koanf:"registries"`
	// Concurrency is how many passwords are hashed at once; 0 for half of the processors.
	Concurrency int `koanf:"concurrency"`
}

// Pepper is the secret of one version.
type Pepper struct {
	// Version is the version of the policies that it goes with.
	Version int `koanf:"version"`
	// Secret is the file.
	Secret config.Secret `koanf:"secret"`
}

// Validate implements config.Validator.
func (c HashConfig) Validate() []config.Problem {
	var problems []config.Problem
	seen := map[int]bool{}
	for i, pepper := range c.Peppers {
		path := fmt.Sprintf("peppers[%d]", i)
		if pepper.Version < 1 || seen[pepper.Version] {
			problems = append(problems, config.Problem{Path: path + ".version", Message: "is not a number from 1 that is there once"})
		}
		if !pepper.Secret.IsSet() {
			problems = append(problems, config.Problem{Path: path + ".secret", Message: "the pepper is missing", Suggestion: "file:///path/to/32-random-bytes"})
		}
		seen[pepper.Version] = true
	}
	return problems
}

// RealmConfig says how callers are known.
type RealmConfig struct {
	// Order is the order in which realms are asked: file, database.
	Order []string `koanf:"order"`
	// File lists tenants, users, clients and API tokens, and operators, who are known on the admin listener also while the database is away.
	// It is read again when it changes.
	File config.Path `koanf:"file"`
}

// Realms.
const (
	realmFile     = "file"
	realmDatabase = "database"
)

// Validate implements config.Validator.
func (c RealmConfig) Validate() []config.Problem {
	var problems []config.Problem
	for i, name := range c.Order {
		path := fmt.Sprintf("order[%d]", i)
		problems = append(problems, config.OneOf(path, name, realmFile, realmDatabase)...)
		if slices.Contains(c.Order[:i], name) {
			problems = append(problems, config.Problem{Path: path, Message: "is there twice"})
		}
	}
	switch {
	case len(c.Order) == 0:
		problems = append(problems, config.Problem{Path: "order", Message: "no realm is named: nobody could enter", Suggestion: "[file, database]"})
	case slices.Contains(c.Order, realmFile) && c.File == "":
		problems = append(problems, config.Problem{Path: "file", Message: "the realm file is missing", Suggestion: "name the YAML file that lists the callers, or take file out of order"})
	}
	return problems
}

// TenancyConfig is about the life of tenants.
type TenancyConfig struct {
	// DeletionWait is how long a deleted tenant can be called back; then its keys and rows are removed.
	DeletionWait time.Duration `koanf:"deletion_wait"`
}

// minDeletionWait is the shortest time in which somebody can notice.
const minDeletionWait = time.Minute

// Validate implements config.Validator.
func (c TenancyConfig) Validate() []config.Problem {
	if c.DeletionWait < minDeletionWait {
		return []config.Problem{{Path: "deletion_wait", Message: "is too short", Suggestion: "at least " + minDeletionWait.String()}}
	}
	return nil
}

// AuditConfig is about the trail of what was done.
type AuditConfig struct {
	// DataPlane is aggregate (uses of a key are counted by the second) or each (one event for each use, stored before it is answered).
	DataPlane string `koanf:"data_plane"`
	// Retention is how long events are kept; 0 is for ever.
	Retention time.Duration `koanf:"retention"`
}

// Validate implements config.Validator.
func (c AuditConfig) Validate() []config.Problem {
	problems := config.OneOf("data_plane", c.DataPlane, audit.Aggregate, audit.Each)
	if c.Retention < 0 {
		problems = append(problems, config.Problem{Path: "retention", Message: "is negative"})
	}
	return problems
}

// TelemetryConfig is about logs, traces and metrics.
type TelemetryConfig struct {
	telemetry.Config `koanf:",squash"`

	// OTLPAuthorization is a file with the value of the Authorization header that the collector asks for.
	OTLPAuthorization config.Secret `koanf:"otlp_authorization"`
	// Prometheus is a listener from which metrics are pulled.
	Prometheus PrometheusConfig `koanf:"prometheus"`
}

// PrometheusConfig is a listener with metrics at /metrics, over TLS, for those who show the token or a client certificate.
type PrometheusConfig struct {
	// Address is IP:port; empty for no such listener.
	Address string `koanf:"address"`
	// Token is a file with a bearer token of at least 32 characters.
	Token config.Secret `koanf:"token"`
	// Authorities are PEM files with the authorities whose clients may pull instead.
	Authorities []config.Path `koanf:"authorities"`
}

// Validate implements config.Validator.
func (c PrometheusConfig) Validate() []config.Problem {
	if c.Address == "" {
		return nil
	}
	var problems []config.Problem
	if host, _, err := net.SplitHostPort(c.Address); err != nil || net.ParseIP(host) == nil {
		problems = append(problems, config.Problem{Path: "address", Message: "is not an IP address with a port", Suggestion: "write it as 127.0.0.1:9464"})
	}
	if !c.Token.IsSet() && len(c.Authorities) == 0 {
		problems = append(problems, config.Problem{Path: "token", Message: "nobody could pull", Suggestion: "file:///path/to/token, or authorities of client certificates"})
	}
	return problems
}

// maxPool bounds one pool of generated keys.
const maxPool = 1000

// Validate implements config.Validator.
func (c Config) Validate() []config.Problem {
	problems := c.Config.Validate()
	if c.DataDir == "" {
		problems = append(problems, config.Problem{Path: "data_dir", Message: "the data directory is missing", Suggestion: "name a folder that only this service can write"})
	}
	if clients := c.TLS.ClientCertificates; c.MTLS.Address == "" && len(clients.Authorities) > 0 && (clients.Mode == "" || clients.Mode == tlsconfig.ClientsOff) {
		problems = append(problems, config.Problem{
			Path: "tls.client_certificates.authorities", Message: "is not used in mode off without the listener mtls",
			Suggestion: "set mtls.address, or mode to requested or required, or remove it",
		})
	}
	if c.Unseal.Mode == string(unseal.KMS) && (!c.Federation.Enabled || c.Federation.KMS.URL == "") {
		problems = append(problems, config.Problem{Path: "federation.kms.url", Message: "is missing; unseal mode kms needs it"})
	}
	if len(c.Hashes.Peppers) == 0 && !c.Secrets.Dev {
		problems = append(problems, config.Problem{Path: "hash_service.peppers", Message: "there is no pepper", Suggestion: "list a version and file:///path/to/32-random-bytes"})
	}
	for kind, depth := range c.KeyPools {
		if depth < 0 || depth > maxPool {
			problems = append(problems, config.Problem{Path: "key_pools." + kind, Message: "is out of range", Suggestion: "0 to 1000"})
		}
	}
	return problems
}

// Defaults is what the configuration of a service on these addresses starts from.
func Defaults(public, admin string) Config {
	return Config{
		Config:    server.Defaults(public, admin),
		TLS:       tlsconfig.Config{Mode: tlsconfig.ModeAuto},
		Database:  database.Config{Engine: database.EngineSQLite},
		Unseal:    UnsealConfig{Mode: string(unseal.Derive)},
		Realm:     RealmConfig{Order: []string{realmFile, realmDatabase}},
		Sessions:  session.Defaults(),
		Tenancy:   TenancyConfig{DeletionWait: 7 * 24 * time.Hour},
		Approvals: ApprovalsConfig{Lifetime: quorum.DefaultLifetime},
		Audit:     AuditConfig{DataPlane: audit.Aggregate},
		Features:  Features{Login: true, Administration: true, Reference: true},
		Telemetry: TelemetryConfig{Config: telemetry.Defaults()},
	}
}

// Platform returns the configuration itself, also from within a service's own that embeds it.
func (c *Config) Platform() *Config { return c }

// tlsDir is where the private certificate hierarchy is kept.
func (c *Config) tlsDir() string { return filepath.Join(c.DataDir.String(), "tls") }

// rootFile is the certificate that the service's own commands know its admin listener by.
func (c *Config) rootFile() string { return filepath.Join(c.tlsDir(), "root.pem") }

// isDev tells whether a configuration file lies in a data directory of development mode.
func isDev(file string) bool {
	_, err := os.Lstat(filepath.Join(filepath.Dir(file), server.DevMarker))
	return err == nil
}
