package ca

import (
	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/service"
)

// Config is the configuration of a certification authority.
type Config struct {
	service.Config `koanf:",squash"`

	// Keys bounds what is kept in memory.
	Keys KeysConfig `koanf:"keys"`
	// Profiles says by what certificates are issued.
	Profiles ProfilesConfig `koanf:"profiles"`
}

// KeysConfig is about the keys of CAs.
type KeysConfig struct {
	// Cache is how many opened keys, and how many CAs, are kept.
	Cache int `koanf:"cache"`
}

// Validate implements config.Validator.
func (c KeysConfig) Validate() []config.Problem {
	const most = 100_000
	if c.Cache < 1 || c.Cache > most {
		return []config.Problem{{Path: "cache", Message: "is out of range", Suggestion: "1 to 100000"}}
	}
	return nil
}

// ProfilesConfig is about profiles.
type ProfilesConfig struct {
	// Directory holds YAML files, one profile each, beside the built-in ones. One of the name of a built-in one takes its place.
	Directory config.Path `koanf:"directory"`
}

// Defaults is what a configuration file starts from.
func Defaults() Config {
	return Config{Config: service.Defaults(defaultPublic, defaultAdmin), Keys: KeysConfig{Cache: 1000}}
}
