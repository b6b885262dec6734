package session

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// Format is what the holder of a session presents.
type Format string

// The formats.
const (
	Opaque Format = "opaque"
	JWS    Format = "jws"
	JWE    Format = "jwe"
)

// Bounds of the configuration.
const (
	// minIdle leaves room for what a replica has not written yet: an idle time is known to the minute.
	minIdle = 5 * time.Minute
	// maxLifetime is that of OWASP ASVS 5 chapter 7.3 for the lowest level: NIST SP 800-63B section 2.1.3, thirty days.
	maxLifetime = 30 * 24 * time.Hour
	// maxGrace is the longest that sessions outlive the move to federated logins.
	maxGrace = 24 * time.Hour
	// minKeyRotation keeps the number of keys that verify small.
	minKeyRotation = time.Hour
	// maxPerOwner bounds what one statement counts.
	maxPerOwner = 1000
)

// Config says what sessions are like. [Defaults] is the place to begin.
type Config struct {
	// Browser is for the sessions of people, in cookies; Service for those of programs, as bearer tokens.
	Browser ClientConfig `koanf:"browser"`
	Service ClientConfig `koanf:"service"`
	// SameSite is the attribute of cookies: "lax", so that links from elsewhere find their session, or "strict".
	SameSite string `koanf:"same_site"`
	// KeyRotation is the age at which a signing or encryption key of the formats jws and jwe has a successor. It still verifies while
	// sessions that it signed may live.
	KeyRotation time.Duration `koanf:"key_rotation"`
	// Federated tells that logins go through the identity provider. Sessions that began in a realm of the service's own are refused
	// then. The program sets it.
	Federated bool `koanf:"-"`
	// GracePeriod is how long, from the first start with federated logins, older sessions go on, at most 24 h, without administrative scopes.
	GracePeriod time.Duration `koanf:"grace_period"`
}

// ClientConfig is for the sessions of one type of client.
type ClientConfig struct {
	// Format is opaque (a random reference), jws (signed) or jwe (encrypted). All have a row, and end at once when they are revoked.
	Format Format `koanf:"format"`
	// IdleTimeout ends a session that nobody uses, Lifetime every session. Uses are written down once a minute.
	IdleTimeout time.Duration `koanf:"idle_timeout"`
	Lifetime    time.Duration `koanf:"lifetime"`
	// MaxPerPrincipal is how many one principal may have; the one that was not used for the longest time makes room.
	MaxPerPrincipal int `koanf:"max_per_principal"`
}

// Defaults is the usual configuration: 30 minutes idle and 12 hours in all for people (NIST SP 800-63B section 4.2.3, AAL2), one hour
// for programs, which exchange their credential again.
func Defaults() Config {
	return Config{
		Browser:     ClientConfig{Format: Opaque, IdleTimeout: 30 * time.Minute, Lifetime: 12 * time.Hour, MaxPerPrincipal: 10},
		Service:     ClientConfig{Format: JWS, IdleTimeout: time.Hour, Lifetime: time.Hour, MaxPerPrincipal: 100},
		SameSite:    "lax",
		KeyRotation: 30 * 24 * time.Hour,
	}
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() []config.Problem {
	var problems []config.Problem
	report := func(ok bool, path, message, suggestion string) {
		if !ok {
			problems = append(problems, config.Problem{Path: path, Message: message, Suggestion: suggestion})
		}
	}
	for name, client := range map[string]ClientConfig{"browser": c.Browser, "service": c.Service} {
		report(slices.Contains(formats(), client.Format), name+".format", fmt.Sprintf("unknown format %q", client.Format), "opaque, jws or jwe")
		report(client.IdleTimeout >= minIdle, name+".idle_timeout", "is too short: uses are written once a minute", "at least "+minIdle.String())
		report(client.Lifetime >= client.IdleTimeout && client.Lifetime <= maxLifetime, name+".lifetime",
			"is not between the idle timeout and "+maxLifetime.String(), "12h")
		report(client.MaxPerPrincipal >= 1 && client.MaxPerPrincipal <= maxPerOwner, name+".max_per_principal", "is out of range", fmt.Sprint("1 to ", maxPerOwner))
	}
	report(c.SameSite == "lax" || c.SameSite == "strict", "same_site", fmt.Sprintf("unknown value %q", c.SameSite), "lax or strict")
	report(c.KeyRotation >= minKeyRotation, "key_rotation", "is too short", "at least "+minKeyRotation.String())
	report(c.GracePeriod >= 0 && c.GracePeriod <= maxGrace, "grace_period", "is out of range", "0s to "+maxGrace.String())
	slices.SortFunc(problems, func(a, b config.Problem) int { return strings.Compare(a.Path, b.Path) })
	return problems
}

func formats() []Format { return []Format{Opaque, JWS, JWE} }

// of is the configuration for a type of client.
func (c Config) of(client string) ClientConfig {
	if client == ClientBrowser {
		return c.Browser
	}
	return c.Service
}
