package kms

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

// Addresses that the KMS listens on unless it is told otherwise.
const (
	defaultPublic = "127.0.0.1:8080"
	defaultAdmin  = "127.0.0.1:9090"
)

// Config is the configuration of a KMS.
type Config struct {
	server.Config `koanf:",squash"`

	// DataDir holds what the service keeps beside its database: the certificate hierarchy (tls/) and admin.token. It must exist.
	DataDir config.Path `koanf:"data_dir"`
	// Secrets says how strictly secret files are checked.
	Secrets config.Policy `koanf:"secrets"`
	// TLS is where the certificate of both listeners comes from.
	TLS tlsconfig.Config `koanf:"tls"`
	// Database keeps the keys.
	Database database.Config `koanf:"database"`
	// Unseal opens the barrier that the keys are sealed with.
	Unseal UnsealConfig `koanf:"unseal"`
	// Realm knows the callers.
	Realm RealmConfig `koanf:"realm"`
	// Keys bounds what is kept in memory.
	Keys KeysConfig `koanf:"keys"`
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

// KeysConfig bounds keys in memory.
type KeysConfig struct {
	// Cache is how many opened keys are kept.
	Cache int `koanf:"cache"`
	// Pools says how many generated keys of a kind (RSA-2048, RSA-3072, RSA-4096, P-256, P-384, P-521, Ed25519) wait to be taken. A kind
	// that is absent has its default; 0 switches it off.
	Pools map[string]int `koanf:"pools"`
}

// Validate implements config.Validator.
func (c KeysConfig) Validate() []config.Problem {
	const most = 1_000_000
	var problems []config.Problem
	if c.Cache < 1 || c.Cache > most {
		problems = append(problems, config.Problem{Path: "cache", Message: "is out of range", Suggestion: "1 to 1000000"})
	}
	for kind, depth := range c.Pools {
		if depth < 0 || depth > 1000 {
			problems = append(problems, config.Problem{Path: "pools." + kind, Message: "is out of range", Suggestion: "0 to 1000"})
		}
	}
	return problems
}

// Validate implements config.Validator.
func (c Config) Validate() []config.Problem {
	problems := c.Config.Validate()
	if c.DataDir == "" {
		problems = append(problems, config.Problem{Path: "data_dir", Message: "the data directory is missing", Suggestion: "name a folder that only this service can write"})
	}
	return problems
}

// Defaults is what a configuration file starts from.
func Defaults() Config {
	return Config{
		Config:    server.Defaults(defaultPublic, defaultAdmin),
		TLS:       tlsconfig.Config{Mode: tlsconfig.ModeAuto},
		Database:  database.Config{Engine: database.EngineSQLite},
		Unseal:    UnsealConfig{Mode: string(unseal.Derive)},
		Keys:      KeysConfig{Cache: 1000},
		Telemetry: telemetry.Defaults(),
	}
}

// Load reads a configuration. dev is set by development mode alone.
func Load(src config.Source, dev bool) (Config, error) {
	cfg := Defaults()
	cfg.Secrets.Dev = dev
	if err := config.Load(&cfg, src); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// tlsDir is where the private certificate hierarchy is kept.
func (c Config) tlsDir() string {
	return filepath.Join(c.DataDir.String(), "tls")
}

// rootFile is the certificate that the service's own commands know it by: the private hierarchy's root, or the configured chain.
func (c Config) rootFile() string {
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
