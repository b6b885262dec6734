package ca

import (
	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/published"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// Config is the configuration of a certification authority.
type Config struct {
	service.Config `koanf:",squash"`

	// Keys bounds what is kept in memory.
	Keys KeysConfig `koanf:"keys"`
	// Profiles says by what certificates are issued.
	Profiles ProfilesConfig `koanf:"profiles"`
	// Rules are what certificates are held to beside their profiles.
	Rules RulesConfig `koanf:"rules"`
	// ACME is about automatic clients.
	ACME ACMEConfig `koanf:"acme"`
	// Revocations says how often lists are published and how long OCSP responses are valid.
	Revocations RevocationsConfig `koanf:"revocations"`
	// StatusListener serves lists, OCSP and the certificates of CAs over plain HTTP, and nothing else. It is off unless it has an address.
	StatusListener published.ListenerConfig `koanf:"status_listener"`
}

// RevocationsConfig is about lists and OCSP.
type RevocationsConfig struct {
	revocation.Settings `koanf:",squash"`

	// Cache is how many certificates' statuses are kept in memory, with their OCSP responses of about 1 KiB each.
	Cache int `koanf:"cache"`
}

// Validate implements config.Validator.
func (c RevocationsConfig) Validate() []config.Problem {
	const most = 10_000_000
	problems := c.Settings.Validate()
	if c.Cache < 1 || c.Cache > most {
		problems = append(problems, config.Problem{Path: "cache", Message: "is out of range", Suggestion: "1 to 10000000"})
	}
	return problems
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

// RulesConfig is about what certificates are held to beside their profiles.
type RulesConfig struct {
	// BlockedKeys are files of public keys that are never certified: in each line the SHA-256 of a SubjectPublicKeyInfo, in hexadecimal, and a reason.
	BlockedKeys []config.Path `koanf:"blocked_keys"`
	// ZLint is the program zlint, version 3, for the profiles that want its opinion. Empty for none.
	ZLint config.Path `koanf:"zlint"`
}

// Defaults is what a configuration file starts from.
func Defaults() Config {
	return Config{Config: service.Defaults(defaultPublic, defaultAdmin), Keys: KeysConfig{Cache: 1000}, Revocations: RevocationsConfig{Settings: revocation.DefaultSettings(), Cache: 50_000}}
}
