package jose

import (
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
)

// Config is the configuration of a JWK Authority.
type Config struct {
	service.Config `koanf:",squash"`

	// Keys bounds what is kept in memory, and says how public key sets are served.
	Keys KeysConfig `koanf:"keys"`
	// RemoteKeys is about the public key sets of others, by which profiles verify tokens.
	RemoteKeys RemoteKeysConfig `koanf:"remote_keys"`
}

// RemoteKeysConfig is about the public key sets of others.
type RemoteKeysConfig struct {
	// Sets is how many are kept.
	Sets int `koanf:"sets"`
	// AllowAddresses are addresses and prefixes from which sets are fetched although they are not public.
	AllowAddresses []string `koanf:"allow_addresses"`
	// RootCertificate is the PEM file of the roots that the servers' certificates chain to; empty for the system's.
	RootCertificate config.Path `koanf:"root_certificate"`
}

// Validate implements config.Validator.
func (c RemoteKeysConfig) Validate() []config.Problem {
	const most = 100_000
	var problems []config.Problem
	if c.Sets < 1 || c.Sets > most {
		problems = append(problems, config.Problem{Path: "sets", Message: "is out of range", Suggestion: "1 to 100000"})
	}
	for i, entry := range c.AllowAddresses {
		if _, err := guarded.ParseAllow([]string{entry}); err != nil {
			problems = append(problems, config.Problem{Path: fmt.Sprintf("allow_addresses[%d]", i), Message: err.Error()})
		}
	}
	return problems
}

// KeysConfig is about keys.
type KeysConfig struct {
	// Cache is how many opened keys are kept.
	Cache int `koanf:"cache"`
	// SetLifetime is how long clients may keep a public key set. So long a new version is published before it is used.
	SetLifetime time.Duration `koanf:"set_lifetime"`
	// Follow is how often a federated KMS is asked for versions that it has taken into use by itself, of keys that it keeps.
	Follow time.Duration `koanf:"follow"`
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
	if c.Follow < minSetLifetime || c.Follow > maxSetLifetime {
		problems = append(problems, config.Problem{Path: "follow", Message: "is out of range", Suggestion: "1s to 168h"})
	}
	return problems
}

// Defaults is what a configuration file starts from.
func Defaults() Config {
	return Config{
		Config:     service.Defaults(defaultPublic, defaultAdmin),
		Keys:       KeysConfig{Cache: 1000, SetLifetime: 5 * time.Minute, Follow: time.Minute},
		RemoteKeys: RemoteKeysConfig{Sets: 1000},
	}
}
