package issuance

import (
	"context"
	"errors"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
)

// Config is what an Issuer needs; everything but Grants and Measure is required.
type Config struct {
	Store     Store
	Hierarchy *hierarchy.Hierarchy
	Profiles  Profiles
	Rules     Rules
	Events    Events
	// Grants lets callers issue by single profiles and CAs; nil for scopes alone.
	Grants access.Grants
	// Measure is told of each certificate; nil for silence.
	Measure func(ctx context.Context, profile, algorithm string, err error)
	// Now is the clock.
	Now func() time.Time
}

// Issuer issues certificates. It is safe for concurrent use.
type Issuer struct {
	store     Store
	hierarchy *hierarchy.Hierarchy
	profiles  Profiles
	rules     Rules
	events    Events
	grants    access.Grants
	measure   func(ctx context.Context, profile, algorithm string, err error)
	now       func() time.Time

	intents  *group[Intent]
	outcomes *group[Outcome]
}

// New returns an Issuer; an error names what Config lacks.
func New(cfg Config) (*Issuer, error) {
	if cfg.Store == nil || cfg.Hierarchy == nil || cfg.Profiles == nil || cfg.Rules == nil || cfg.Events == nil || cfg.Now == nil {
		return nil, errors.New("issuance: Store, Hierarchy, Profiles, Rules, Events and Now are required")
	}
	measure := cfg.Measure
	if measure == nil {
		measure = func(context.Context, string, string, error) {}
	}
	return &Issuer{
		store: cfg.Store, hierarchy: cfg.Hierarchy, profiles: cfg.Profiles, rules: cfg.Rules, events: cfg.Events, grants: cfg.Grants, measure: measure, now: cfg.Now,
		intents: newGroup(cfg.Store.Intend), outcomes: newGroup(cfg.Store.Complete),
	}, nil
}

// Now is the time as the issuer sees it.
func (i *Issuer) Now() time.Time { return i.now() }

// instant is the present time at the precision that is stored.
func (i *Issuer) instant() time.Time { return i.now().UTC().Truncate(time.Microsecond) }
