package service

import (
	"os"
	"path/filepath"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/telemetry"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// Config is what every service is configured with. A service's own configuration embeds it and adds its sections.
type Config struct {
	server.Config `koanf:",squash"`

	// DataDir holds what the service keeps beside its database: the certificate hierarchy (tls/) and admin.token. It must exist.
	DataDir config.Path `koanf:"data_dir"`
	// Secrets says how strictly secret files are checked.
	Secrets config.Policy `koanf:"secrets"`
	// TLS is where the certificate of both listeners comes from.
	TLS tlsconfig.Config `koanf:"tls"`
	// Database keeps everything that replicas share.
	Database database.Config `koanf:"database"`
	// Unseal opens the barrier that keys and secrets are sealed with.
	Unseal UnsealConfig `koanf:"unseal"`
	// Realm knows the callers.
	Realm RealmConfig `koanf:"realm"`
	// KeyPools says how many generated keys of a kind (RSA-2048, RSA-3072, RSA-4096, P-256, P-384, P-521, Ed25519) wait to be taken. A
	// kind that is absent has its default; 0 switches it off.
	KeyPools map[string]int `koanf:"key_pools"`
	// Telemetry is about logs, traces and metrics.
	Telemetry telemetry.Config `koanf:"telemetry"`
}

// UnsealConfig says how the barrier is opened.
type UnsealConfig struct {
	// Mode is derive (from a secret file), shamir (by shares that operators submit) or dev (as derive, made by development mode).
	Mode string `koanf:"mode"`
	// Secret is a file of 32 random bytes, for modes derive and dev.
	Secret config.Secret `koanf:"secret"`
}

// Validate implements config.Validator.
func (c UnsealConfig) Validate() []config.Problem {
	problems := config.OneOf("mode", c.Mode, string(unseal.Derive), string(unseal.Shamir), string(unseal.Dev))
	if c.Mode != string(unseal.Shamir) && !c.Secret.IsSet() {
		problems = append(problems, config.Problem{
			Path: "secret", Message: "the unseal secret is missing", Suggestion: "file:///path/to/32-random-bytes, or mode: shamir",
		})
	}
	if c.Mode == string(unseal.Shamir) && c.Secret.IsSet() {
		problems = append(problems, config.Problem{Path: "secret", Message: "mode shamir takes shares, not a secret", Suggestion: "remove it"})
	}
	return problems
}

// RealmConfig names the file realm.
type RealmConfig struct {
	// File lists tenants, clients and API tokens. It is read again when it changes.
	File config.Path `koanf:"file"`
	// Pepper is a file of at least 32 random bytes that goes into every hash of a machine secret.
	Pepper config.Secret `koanf:"pepper"`
}

// Validate implements config.Validator.
func (c RealmConfig) Validate() []config.Problem {
	var problems []config.Problem
	if c.File == "" {
		problems = append(problems, config.Problem{Path: "file", Message: "the realm file is missing", Suggestion: "name the YAML file that lists the callers"})
	}
	if !c.Pepper.IsSet() {
		problems = append(problems, config.Problem{Path: "pepper", Message: "the pepper is missing", Suggestion: "file:///path/to/32-random-bytes"})
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
		Telemetry: telemetry.Defaults(),
	}
}

// Platform returns the configuration itself, also from within a service's own that embeds it.
func (c *Config) Platform() *Config { return c }

// tlsDir is where the private certificate hierarchy is kept.
func (c *Config) tlsDir() string { return filepath.Join(c.DataDir.String(), "tls") }

// rootFile is the certificate that the service's own commands know it by: the private hierarchy's root, or the configured chain.
func (c *Config) rootFile() string {
	if c.TLS.Mode == tlsconfig.ModeExternal {
		return c.TLS.Certificate.String()
	}
	return filepath.Join(c.tlsDir(), "root.pem")
}

// isDev tells whether a configuration file lies in a data directory of development mode.
func isDev(file string) bool {
	_, err := os.Lstat(filepath.Join(filepath.Dir(file), server.DevMarker))
	return err == nil
}
