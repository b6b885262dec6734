package revocation

import (
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
)

// Settings are how often what is published.
type Settings struct {
	// Period is how often a list is made anew when nothing is revoked (24 h).
	Period time.Duration `koanf:"period"`
	// Overlap is how long a list is valid beyond its period, for those who fetch it late (6 h).
	Overlap time.Duration `koanf:"overlap"`
	// RootPeriod is how long a list of a root is valid, which is made by command alone (180 days).
	RootPeriod time.Duration `koanf:"root_period"`
	// Delay is how long revocations are gathered before a list tells of them (2 s).
	Delay time.Duration `koanf:"delay"`
	// DeltaFrom is how many entries a list has from which on deltas tell of changes instead of the whole list (2000); 0 for no deltas.
	DeltaFrom int `koanf:"delta_from"`
	// DeltaPeriod is how often a delta is made anew when nothing is revoked (1 h).
	DeltaPeriod time.Duration `koanf:"delta_period"`
	// OCSPValidity is how long a response says that it is valid (1 h; of a CA of the br family never less than 8 h).
	OCSPValidity time.Duration `koanf:"ocsp_validity"`
	// MaxAge is how long caches on the way may keep a list, or a response to a GET (1 m): for so much longer they may not know of a revocation.
	MaxAge time.Duration `koanf:"max_age"`
	// Abandoned is how old an intended certificate is when it counts as left behind by a crash (10 m).
	Abandoned time.Duration `koanf:"abandoned"`
}

// DefaultSettings are those that a configuration starts from.
func DefaultSettings() Settings {
	const day = 24 * time.Hour
	return Settings{
		Period: day, Overlap: 6 * time.Hour, RootPeriod: 180 * day, Delay: 2 * time.Second, DeltaFrom: 2000, DeltaPeriod: time.Hour,
		OCSPValidity: time.Hour, MaxAge: time.Minute, Abandoned: 10 * time.Minute,
	}
}

// Validate implements config.Validator.
func (s Settings) Validate() []config.Problem {
	const day = 24 * time.Hour
	var problems []config.Problem
	for _, c := range []struct {
		path           string
		value, min, to time.Duration
	}{
		{"period", s.Period, time.Minute, 4 * day}, // Baseline Requirements section 4.9.7
		{"overlap", s.Overlap, time.Minute, 4 * day},
		{"root_period", s.RootPeriod, day, 365 * day},
		{"delay", s.Delay, 10 * time.Millisecond, 5 * time.Second}, // a list tells of a revocation within 10 s
		{"delta_period", s.DeltaPeriod, time.Minute, day},
		{"ocsp_validity", s.OCSPValidity, time.Minute, 7 * day},
		{"max_age", s.MaxAge, 0, day},
		{"abandoned", s.Abandoned, time.Minute, day},
	} {
		if c.value < c.min || c.value > c.to {
			problems = append(problems, config.Problem{Path: c.path, Message: "is out of range", Suggestion: "from " + c.min.String() + " to " + c.to.String()})
		}
	}
	if s.DeltaFrom < 0 {
		problems = append(problems, config.Problem{Path: "delta_from", Message: "must not be negative", Suggestion: "0 for no deltas"})
	}
	return problems
}

// validity is how long a response of a family's CA is valid (Baseline Requirements section 4.9.10: at least eight hours, at most ten days).
func (s Settings) validity(family hierarchy.Family) time.Duration {
	const least = 8 * time.Hour
	if family == hierarchy.BR {
		return max(s.OCSPValidity, least)
	}
	return s.OCSPValidity
}
