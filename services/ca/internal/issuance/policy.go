package issuance

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
)

// Profiles finds profiles; profile.Set does.
type Profiles interface {
	// Find returns a profile; an error says that there is none, or why it cannot be used.
	Find(name string) (*profile.Profile, error)
}

// Rules hold the bytes that are about to be signed to the rules of the profile's family.
type Rules interface {
	// Check refuses what breaks a rule; lab is that of the issuer (hierarchy.CA). The error is a problem and says all that is wrong.
	Check(ctx context.Context, tbs []byte, p *profile.Profile, lab bool, intent certificate.Intent, now time.Time) error
}

// Asked is what an order says beside the certificate request.
type Asked = profile.Asked

// profile finds the profile of an order.
func (i *Issuer) profile(name string) (*profile.Profile, error) {
	found, err := i.profiles.Find(name)
	if err != nil {
		return nil, problem.New(problem.ValidationFailed, "%s", err)
	}
	return found, nil
}

// admits tells whether a profile is for the caller.
func admits(p *profile.Profile, caller access.Caller) error {
	_, id, _ := strings.Cut(caller.ID, ":")
	if err := p.Admits(profile.Caller{Client: id, Roles: caller.Roles, Scopes: caller.Scopes}); err != nil {
		return problem.New(problem.Forbidden, "%s", err)
	}
	return nil
}

// apply is the profile's decision, as a problem that names each member.
func apply(p *profile.Profile, request *certificate.Request, asked Asked, now time.Time) (certificate.Intent, error) {
	intent, err := p.Apply(request, asked, now)
	var refusals *profile.Refusals
	if !errors.As(err, &refusals) {
		return intent, err
	}
	refused := problem.New("profile_refused", "profile %q does not allow what was asked for", p.Name)
	for _, one := range refusals.List {
		refused = refused.With(problem.Field{Pointer: "/" + strings.ReplaceAll(one.Field, ".", "/"), Detail: one.Rule + "; accepted: " + one.Accepted})
	}
	return certificate.Intent{}, refused
}
