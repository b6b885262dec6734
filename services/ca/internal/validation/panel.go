package validation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
)

var errNoResolver = errors.New("validation: a resolver is required")

// Panel asks this machine and the remote perspectives, and says whether enough of them agree. It may be used by many goroutines at once.
type Panel struct {
	primary Perspective
	remotes []Perspective
}

// NewPanel makes a panel of a primary perspective, which must agree, and of remote ones, if any.
func NewPanel(primary Perspective, remotes ...Perspective) (*Panel, error) {
	if primary == nil {
		return nil, errors.New("new panel: a primary perspective is required")
	}
	return &Panel{primary: primary, remotes: remotes}, nil
}

// Remotes is how many remote perspectives there are.
func (p *Panel) Remotes() int { return len(p.remotes) }

// Corroboration is who agreed.
type Corroboration struct {
	// Remotes are the remote perspectives that found what the primary one found.
	Remotes []Place
	// Asked is how many of them there are.
	Asked int
}

// Prove looks at a challenge from everywhere. Errors about the identifier are of type *Error.
func (p *Panel) Prove(ctx context.Context, a Attempt) (Corroboration, error) {
	return p.ask(ctx, func(ctx context.Context, from Perspective) error { return from.Prove(ctx, a) })
}

// Allowed looks at CAA records alone, from everywhere.
func (p *Panel) Allowed(ctx context.Context, a Attempt) (Corroboration, error) {
	return p.ask(ctx, func(ctx context.Context, from Perspective) error { return from.Allowed(ctx, a) })
}

// ask asks the primary perspective first: what it does not find, nobody needs to look for.
func (p *Panel) ask(ctx context.Context, question func(context.Context, Perspective) error) (Corroboration, error) {
	if err := question(ctx, p.primary); err != nil {
		return Corroboration{}, err
	}
	answers := make([]error, len(p.remotes))
	var asked sync.WaitGroup
	for i, remote := range p.remotes {
		asked.Go(func() { answers[i] = question(ctx, remote) })
	}
	asked.Wait()
	c := Corroboration{Asked: len(p.remotes)}
	regions := map[string]struct{}{}
	for i, err := range answers {
		if err == nil {
			place := p.remotes[i].Place()
			c.Remotes = append(c.Remotes, place)
			regions[place.Region] = struct{}{}
		}
	}
	if len(c.Remotes) < len(p.remotes)-allowedDissent(len(p.remotes)) {
		why := refuse(KindUnauthorized, "%d of %d remote perspectives did not find what this machine found", len(p.remotes)-len(c.Remotes), len(p.remotes))
		return c, why.because(errors.Join(answers...)).passing()
	}
	if len(p.remotes) >= minForRegions && len(regions) < minRegions {
		return c, refuse(KindUnauthorized, "the remote perspectives that agree stand in one region").passing()
	}
	return c, nil
}

// Numbers of CA/Browser Forum TLS BR section 3.2.2.9.
const (
	minForRegions = 2 // remote perspectives, from which number on regions count
	minRegions    = 2 // that those who agree must stand in
	dissentFew    = 1 // may fail of 2 to 5
	dissentMany   = 2 // may fail of 6 and more
	many          = 6
)

// allowedDissent is how many of n remote perspectives need not agree.
func allowedDissent(n int) int {
	switch {
	case n < minForRegions:
		return 0
	case n < many:
		return dissentFew
	default:
		return dissentMany
	}
}

// RequiredRemotes is how many remote perspectives a publicly trusted issuer needs at a time (CA/Browser Forum TLS BR section 3.2.2.9).
func RequiredRemotes(at time.Time) int { return ruleset.Limit(ruleset.RemotePerspectives, at) }

// Sufficient says whether a validation counts for a publicly trusted issuer at a time.
func (c Corroboration) Sufficient(at time.Time) error {
	if needed := RequiredRemotes(at); c.Asked < needed {
		return fmt.Errorf("validated from %d remote perspectives, where %d are needed", c.Asked, needed)
	}
	return nil
}
