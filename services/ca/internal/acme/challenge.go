package acme

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// Challenge reads a challenge, or takes the client's word that it can be looked at (RFC 8555 section 7.5.1).
func (s *Server) Challenge(ctx context.Context, m *Message, authorization string, method validation.Method) (Authorization, Challenge, error) {
	a, err := s.authorization(ctx, m, authorization)
	if err != nil {
		return Authorization{}, Challenge{}, err
	}
	c := challengeOf(&a, method)
	if c == nil {
		return Authorization{}, Challenge{}, notFound("challenge")
	}
	if m.IsRead() {
		return a, *c, nil
	}
	var nothing struct{}
	if err := m.decode(&nothing); err != nil {
		return Authorization{}, Challenge{}, err
	}
	now := s.now()
	if state := a.State(now); state != AuthorizationPending {
		if state == AuthorizationValid || c.Status == ChallengeInvalid { // it was said before
			return a, *c, nil
		}
		return Authorization{}, Challenge{}, NewError(Malformed, "the authorization is %s", state)
	}
	if c.Status != ChallengePending {
		return a, *c, nil
	}
	if err := s.spend(ctx, m.Site, Validations, m.Account.ID+"/"+a.Identifier.Value); err != nil {
		return Authorization{}, Challenge{}, err
	}
	c.Status, c.Thumbprint, c.AccountURL = ChallengeProcessing, m.Account.Thumbprint, m.Site.AccountURL(m.Account.ID)
	a.DueAt, a.UpdatedAt = now.Add(headStart), now
	err = s.change(ctx, m, func(ctx context.Context) error { return changedMeanwhile(s.store.UpdateAuthorization(ctx, a)) })
	if err != nil {
		return Authorization{}, Challenge{}, err
	}
	s.work.validate(job{tenant: a.Tenant, id: a.ID, own: true})
	return a, *c, nil
}

// validate looks at the challenges of an authorization that the caller has claimed, and says when it must be looked at again; zero for never.
func (s *Server) validate(ctx context.Context, a Authorization) (again time.Time, err error) {
	directory, err := s.directories.Directory(ctx, a.Tenant, a.Directory)
	if err != nil {
		return again, fmt.Errorf("read directory %q: %w", a.Directory, err)
	}
	a.DueAt = time.Time{}
	for i := range a.Challenges {
		c := &a.Challenges[i]
		if c.Status != ChallengeProcessing || a.Status != AuthorizationPending {
			continue
		}
		c.Attempts++
		corroboration, err := s.validator.Prove(ctx, attemptOf(directory, a, *c))
		if errors.Is(ctx.Err(), context.Canceled) {
			return again, ctx.Err() // shutting down: it is due for somebody else
		}
		if err == nil && directory.Quorum {
			err = corroboration.Sufficient(s.now())
		}
		if _, about := errors.AsType[*validation.Error](err); err != nil && !about {
			s.log.WarnContext(ctx, "validation does not work", "authorization", a.ID, "error", err)
		}
		s.judge(&a, c, err, directory, corroboration)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	a.UpdatedAt = s.now()
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.UpdateAuthorization(ctx, a); err != nil || a.Status == AuthorizationPending {
			return err
		}
		return s.record(ctx, a.Tenant, ActionAuthorizationPrefix+string(a.Status), ObjectAuthorization, a.ID, a.Identifier.Value)
	})
	if errors.Is(err, ErrStale) { // deactivated, or given to somebody else
		return time.Time{}, nil
	}
	return a.DueAt, err
}

func attemptOf(directory Directory, a Authorization, c Challenge) validation.Attempt {
	attempt := validation.Attempt{
		Method: c.Method, Identifier: a.Identifier, Token: c.Token, KeyAuthorization: c.Token + "." + c.Thumbprint, Targets: directory.Targets,
	}
	if len(directory.CAA) > 0 {
		attempt.CAA = &validation.Authority{Domains: directory.CAA, AccountURI: c.AccountURL}
	}
	return attempt
}

// judge applies the outcome of one look at a challenge. One that may pass is looked at again a while later (RFC 8555 section 8.2).
func (s *Server) judge(a *Authorization, c *Challenge, err error, directory Directory, corroboration validation.Corroboration) {
	now := s.now()
	if err == nil {
		c.Status, c.Error, c.ValidatedAt = ChallengeValid, nil, &now
		a.Status, a.ExpiresAt, a.Remotes = AuthorizationValid, now.Add(directory.provedLifetime()), corroboration.Asked
		a.DueAt = time.Time{}
		return
	}
	c.Error = fromValidation(err, a.Identifier)
	if mayPass(err, c.Method) && c.Attempts <= len(s.retries) {
		due := now.Add(s.retries[c.Attempts-1])
		if a.DueAt.IsZero() || due.Before(a.DueAt) {
			a.DueAt = due
		}
		return
	}
	c.Status, a.Status = ChallengeInvalid, AuthorizationInvalid
	a.DueAt = time.Time{}
}

// mayPass tells whether a further look may find something else: name servers are late, and what is not about the identifier is our own trouble.
func mayPass(err error, method validation.Method) bool {
	failed, about := errors.AsType[*validation.Error](err)
	return !about || failed.Passing || failed.Kind == validation.KindDNS || failed.Kind == validation.KindUnauthorized && method == validation.DNS01
}
