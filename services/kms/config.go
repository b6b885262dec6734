package kms

import (
	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/service"
)

// Config is the configuration of a KMS.
type Config struct {
	service.Config `koanf:",squash"`

	// Keys bounds what is kept in memory.
	Keys KeysConfig `koanf:"keys"`
}

// KeysConfig bounds keys in memory.
type KeysConfig struct {
	// Cache is how many opened keys are kept.
	Cache int `koanf:"cache"`
}

// Validate implements config.Validator.
func (c KeysConfig) Validate() []config.Problem {
	const most = 1_000_000
	if c.Cache < 1 || c.Cache > most {
		return []config.Problem{{Path: "cache", Message: "is out of range", Suggestion: "1 to 1000000"}}
	}
	return nil
}

// Defaults is what a configuration file starts from.
func Defaults() Config {
	return Config{Config: service.Defaults(defaultPublic, defaultAdmin), Keys: KeysConfig{Cache: 1000}}
}
