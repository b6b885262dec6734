package server

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/server/allowlist"
	"github.com/cryptoutil/cryptoutil/libs/server/gcra"
)

// Rates are the limits that protect capacity. Each replica counts for itself.
type Rates struct {
	// PerAddress is for an IPv4 address or an IPv6 network of 64 bits, before anybody is authenticated.
	PerAddress Rate `koanf:"per_address"`
	// PerClient is for a program, PerUser for a person.
	PerClient Rate `koanf:"per_client"`
	PerUser   Rate `koanf:"per_user"`
}

// defaultRates let a busy program through and stop a runaway one.
func defaultRates() Rates {
	return Rates{
		PerAddress: Rate{Limit: 20_000, Per: time.Second, Burst: 40_000},
		PerClient:  Rate{Limit: 10_000, Per: time.Second, Burst: 20_000},
		PerUser:    Rate{Limit: 500, Per: time.Second, Burst: 1_000},
	}
}

// Access says by address who may come in.
type Access struct {
	// Allow lists networks (192.0.2.0/24, 2001:db8::/32) and addresses; empty allows all.
	Allow []string `koanf:"allow"`
	// TrustedProxies are the networks of proxies that are believed about where a request comes from.
	TrustedProxies []string `koanf:"trusted_proxies"`
	// ForwardedHeader is where they say it: X-Forwarded-For or Forwarded (RFC 7239).
	ForwardedHeader string `koanf:"forwarded_header"`
}

// CORS is for pages of other origins that call the browser API.
type CORS struct {
	// Origins are exact: https://console.example.com, with a port if it is not 443. None is allowed by default.
	Origins []string `koanf:"origins"`
}

// StepUp says how fresh an authentication must be for what demands a fresh one.
type StepUp struct {
	// Person is for people, Program for programs, whose credential must also be bound to its sender.
	Person  time.Duration `koanf:"person"`
	Program time.Duration `koanf:"program"`
}

// settings are those parts of the configuration that can change while the server runs, ready to be used. They are replaced as a whole.
type settings struct {
	source      Config
	maxInFlight int64
	share       int64 // of it, for one caller

	allow      *allowlist.List // nil allows all
	proxies    allowlist.Proxies
	perAddress gcra.Rate
	perClient  gcra.Rate
	perUser    gcra.Rate

	origins   map[string]bool
	crossSite *http.CrossOriginProtection
	stepUp    StepUp
}

// shareOf is what one caller may have in flight.
func (l Limits) shareOf() int64 {
	most := (3*l.MaxInFlight + 3) / 4
	if l.MaxInFlightPerClient <= 0 {
		return most
	}

	return min(l.MaxInFlightPerClient, most)
}

// newSettings prepares the configuration, which is valid.
func newSettings(c Config) (*settings, error) {
	s := &settings{
		source: c, maxInFlight: c.Limits.MaxInFlight, share: c.Limits.shareOf(), stepUp: c.StepUp,
		perAddress: gcra.Rate(c.Rates.PerAddress), perClient: gcra.Rate(c.Rates.PerClient), perUser: gcra.Rate(c.Rates.PerUser),
		origins: map[string]bool{}, crossSite: http.NewCrossOriginProtection(),
	}
	var err error
	if len(c.Access.Allow) > 0 {
		if s.allow, err = allowlist.Parse(c.Access.Allow); err != nil {
			return nil, fmt.Errorf("access.allow: %w", err)
		}
	}
	if s.proxies.Trusted, err = allowlist.Parse(c.Access.TrustedProxies); err != nil {
		return nil, fmt.Errorf("access.trusted_proxies: %w", err)
	}
	s.proxies.Header = c.Access.ForwardedHeader
	for _, origin := range c.CORS.Origins {
		s.origins[origin] = true
		if err := s.crossSite.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("cors.origins: %w", err)
		}
	}

	return s, nil
}

// checkReloadable reports what is wrong with the parts that become settings.
func (c Config) checkReloadable() []config.Problem {
	var problems []config.Problem
	add := func(path, message, suggestion string) {
		problems = append(problems, config.Problem{Path: path, Message: message, Suggestion: suggestion})
	}
	for path, networks := range map[string][]string{"access.allow": c.Access.Allow, "access.trusted_proxies": c.Access.TrustedProxies} {
		for i, network := range networks {
			if _, err := allowlist.Parse([]string{network}); err != nil {
				add(fmt.Sprintf("%s[%d]", path, i), err.Error(), "write it as 192.0.2.0/24, 2001:db8::/32 or one address")
			}
		}
	}
	if c.Access.ForwardedHeader != "" || len(c.Access.TrustedProxies) > 0 {
		problems = append(problems,
			config.OneOf("access.forwarded_header", c.Access.ForwardedHeader, allowlist.HeaderXForwardedFor, allowlist.HeaderForwarded)...)
	}
	for i, origin := range c.CORS.Origins {
		if !isOrigin(origin) {
			add(fmt.Sprintf("cors.origins[%d]", i), "is not an origin of https", "write it as https://console.example.com, as browsers send it")
		}
	}
	for path, rate := range map[string]Rate{
		"rates.per_address": c.Rates.PerAddress, "rates.per_client": c.Rates.PerClient, "rates.per_user": c.Rates.PerUser,
	} {
		if rate.Limit < 0 || rate.Limit > 0 && (rate.Per <= 0 || rate.Burst < 1) {
			add(path, "is no rate", "give limit, per and burst, such as 100, 1s and 200; limit 0 sets none")
		}
	}
	for path, age := range map[string]time.Duration{"step_up.person": c.StepUp.Person, "step_up.program": c.StepUp.Program} {
		if age < 0 {
			add(path, "is negative", "at least 1s; 0 refuses all that demands a fresh authentication")
		}
	}

	return problems
}

// isOrigin tells whether text is an origin just as a browser sends it (RFC 6454 section 6.2): compared as text, another form would
// never match.
func isOrigin(text string) bool {
	u, err := url.Parse(text)

	return err == nil && u.Scheme == "https" && u.Host != "" && u.Port() != "443" && text == "https://"+strings.ToLower(u.Host)
}

// Reload applies the parts of a configuration that may change while the server runs: the bounds on what is in flight, the rates, who
// may come in by address, the origins, and how fresh a step-up must be. A configuration that is not valid changes nothing. Requests in
// flight go on under what they began with.
func (s *Server) Reload(cfg Config) error {
	if problems := cfg.Validate(); len(problems) > 0 {
		return fmt.Errorf("reload server: %w", config.Problems(problems))
	}
	next, err := newSettings(cfg)
	if err != nil {
		return fmt.Errorf("reload server: %w", err)
	}
	s.settings.Store(next)
	return nil
}
