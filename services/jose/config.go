package jose

import (
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/service"
)

// Config is the configuration of a JWK Authority.
type Config struct {
	service.Config `koanf:",squash"`

	// Keys bounds what is kept in memory, and says how public key sets are served.
	Keys KeysConfig `koanf:"keys"`
}

// KeysConfig is about keys.
type KeysConfig struct {
	// Cache is how many opened keys are kept.
	Cache int `koanf:"cache"`
	// SetLifetime is how long clients may keep a public key set. So long a new version is published before it is used.
	SetLifetime time.Duration `koanf:"set_lifetime"`
}

// Bounds of the lifetime of a public key set.
const (
	minSetLifetime = time.Second
	maxSetLifetime = 7 * 24 * time.Hour
)

// Validate implements config.Validator.
func (c KeysConfig) Validate() []config.Problem {
	const most = 1_000_000
	var problems []config.Problem
	if c.Cache < 1 || c.Cache > most {
		problems = append(problems, config.Problem{Path: "cache", Message: "is out of range", Suggestion: "1 to 1000000"})
	}
	if c.SetLifetime < minSetLifetime || c.SetLifetime > maxSetLifetime {
		problems = append(problems, config.Problem{Path: "set_lifetime", Message: "is out of range", Suggestion: "1s to 168h"})
	}
	return problems
}

// Defaults is what a configuration file starts from.
func Defaults() Config {
	return Config{
		Config: service.Defaults(defaultPublic, defaultAdmin),
		Keys:   KeysConfig{Cache: 1000, SetLifetime: 5 * time.Minute},
	}
}
