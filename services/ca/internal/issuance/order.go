package issuance

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
)

// Order is a certificate that somebody asks for.
type Order struct {
	// CA is the id or name of the CA; empty for the only one that issues by the profile.
	CA naming.Ref
	// Profile is the name of the profile.
	Profile string
	// Request is the certificate request, whose requester has proved to have the key.
	Request *certificate.Request
	Asked   Asked
	Channel Channel
	// Replaces is the certificate that this one takes the place of; nil for none.
	Replaces *Certificate
}

// Issue decides about an order and issues the certificate. One whose profile asks for approvals is refused: see [Issuer.Ask].
func (i *Issuer) Issue(ctx context.Context, caller access.Caller, order Order) (Certificate, error) {
	plan, err := i.plan(ctx, caller, order)
	if err != nil {
		return Certificate{}, err
	}
	if plan.profile.Approval.Count > 0 {
		return Certificate{}, problem.New("approval_required", "profile %q wants %d approvals: ask by POST /requests", order.Profile, plan.profile.Approval.Count)
	}
	return i.issue(ctx, caller, plan, nil)
}

// plan is an order that was decided about.
type plan struct {
	order   Order
	profile *profile.Profile
	issuer  hierarchy.Fact
}

// plan decides: whether the caller may, by which CA, and whether the profile and the CA fit each other.
func (i *Issuer) plan(ctx context.Context, caller access.Caller, order Order) (plan, error) {
	err := access.DecideOn(ctx, i.grants, caller, access.Issue, access.Object{Kind: ObjectProfile, ID: order.Profile, Name: order.Profile})
	if err != nil {
		return plan{}, err
	}
	chosen, err := i.profile(order.Profile)
	if err != nil {
		return plan{}, err
	}
	if err := admits(chosen, caller); err != nil {
		return plan{}, err
	}
	if chosen.IsAuthority() {
		return plan{}, problem.New("wrong_profile", "profile %q is for CAs: make one by POST /cas", order.Profile)
	}
	issuer, err := i.choose(ctx, caller, order, chosen)
	if err != nil {
		return plan{}, err
	}
	if order.Channel != ByService && isPublic(chosen, issuer.CA) {
		return plan{}, problem.New("not_validated", "names of family br are proved by their holder before they are certified: use ACME")
	}
	p := plan{order: order, profile: chosen, issuer: issuer}
	return p, p.check()
}

// check refuses a CA that does not issue by the profile.
func (p plan) check() error {
	ca := p.issuer.CA
	switch {
	case ca.Status != hierarchy.Active:
		return problem.New(problem.InvalidState, "CA %q is %s; to issue it must be active", ca.Name, ca.Status)
	case string(ca.Family) != p.profile.Family:
		return problem.New("wrong_profile", "CA %q issues by the rules of family %s; profile %q is of family %s", ca.Name, ca.Family, p.profile.Name, p.profile.Family)
	case !ca.Issues(p.profile.Name):
		return problem.New("wrong_profile", "CA %q does not issue by profile %q; it issues by %v", ca.Name, p.profile.Name, ca.Profiles)
	case ca.Kind != hierarchy.Issuing:
		return problem.New("wrong_profile", "CA %q is a %s one: it certifies CAs alone", ca.Name, ca.Kind)
	}
	return nil
}

// choose finds the CA that was asked for, or the only one that issues by the profile.
func (i *Issuer) choose(ctx context.Context, caller access.Caller, order Order, chosen *profile.Profile) (hierarchy.Fact, error) {
	if order.CA != "" {
		return i.hierarchy.Current(ctx, caller.Tenant, order.CA)
	}
	return i.hierarchy.Only(ctx, caller.Tenant, hierarchy.Family(chosen.Family), order.Profile)
}

// issue does the order of work. also is part of the second commit; nil for nothing.
func (i *Issuer) issue(ctx context.Context, caller access.Caller, p plan, also func(context.Context, Certificate) error) (Certificate, error) {
	signer, err := i.hierarchy.Signer(ctx, p.issuer.CA) // before anything is stored: a key that is away leaves nothing behind
	if err != nil {
		return Certificate{}, err
	}
	defer signer.Release()
	return i.issueBy(ctx, caller, p, signer, also)
}

// issueBy is issue with the issuer's key.
func (i *Issuer) issueBy(
	ctx context.Context, caller access.Caller, p plan, signer crypto.Signer, also func(context.Context, Certificate) error,
) (issued Certificate, err error) {
	defer func() { i.measure(ctx, p.profile.Name, p.issuer.CA.Algorithm, err) }()
	draft, err := i.draft(ctx, caller, p)
	if err != nil {
		return Certificate{}, err
	}
	if err := i.intend(ctx, draft.row); err != nil {
		return Certificate{}, err
	}
	der, err := certificate.Sign(draft.row.DER, signer, draft.algorithm)
	if err != nil {
		return Certificate{}, fmt.Errorf("certificate %s: %w", draft.row.Serial, err)
	}
	row := draft.row
	row.State, row.DER, row.UpdatedAt = Issued, der, i.instant()
	outcome := Outcome{Serial: row.Serial, DER: der, At: row.UpdatedAt}
	if also != nil {
		outcome.Also = func(ctx context.Context) error { return also(ctx, row) }
	}
	if err := i.complete(ctx, row.Tenant, outcome); err != nil {
		return Certificate{}, fmt.Errorf("certificate %s: %w", row.Serial, err)
	}
	return row, nil
}

// intend is the first commit.
func (i *Issuer) intend(ctx context.Context, row Certificate) error {
	record, err := i.events.Prepare(ctx, Event{Tenant: row.Tenant, Action: ActionIssue, Serial: row.Serial, CAID: row.CAID, Profile: row.Profile})
	if err != nil {
		return fmt.Errorf("prepare event: %w", err)
	}
	if err := i.intents.do(ctx, row.Tenant, Intent{Certificate: row, Record: record}); err != nil {
		return fmt.Errorf("store intended certificate: %w", err)
	}
	i.events.Recorded(ctx)
	return nil
}

// complete is the second commit.
func (i *Issuer) complete(ctx context.Context, tenant string, outcome Outcome) error {
	if outcome.Also != nil || !i.store.Gathers(ctx) {
		return i.store.Complete(context.WithoutCancel(ctx), tenant, []Outcome{outcome})
	}
	return i.outcomes.do(ctx, tenant, outcome)
}

// checkBlocked refuses a public key that was blocked.
func (i *Issuer) checkBlocked(ctx context.Context, tenant string, spki []byte) error {
	sum := sha256.Sum256(spki)
	reason, blocked, err := i.store.Blocked(ctx, tenant, sum[:])
	if err != nil {
		return err
	}
	if blocked {
		return problem.New("bad_public_key", "the public key is blocked: %s; make a new one", reason)
	}
	return nil
}

// Get returns a certificate of the inventory.
func (i *Issuer) Get(ctx context.Context, caller access.Caller, serial string) (Certificate, error) {
	if err := access.Decide(caller, access.Read); err != nil {
		return Certificate{}, err
	}
	return i.Find(ctx, caller.Tenant, serial)
}

// Find is Get for whoever has decided.
func (i *Issuer) Find(ctx context.Context, tenant, serial string) (Certificate, error) {
	if _, err := certificate.ParseSerial(serial); err != nil {
		return Certificate{}, errNotFound()
	}
	c, err := i.store.Certificate(ctx, tenant, serial)
	if errors.Is(err, ErrNotFound) {
		return Certificate{}, errNotFound()
	}
	return c, err
}

// List returns a page of certificates.
func (i *Issuer) List(ctx context.Context, caller access.Caller, list List) ([]Certificate, error) {
	if err := access.Decide(caller, access.Read); err != nil {
		return nil, err
	}
	return i.store.Certificates(ctx, caller.Tenant, list)
}

func errNotFound() error { return problem.New(problem.NotFound, "no such certificate") }

// Status is the state of a certificate at a time, as callers see it.
func (c Certificate) Status(now time.Time) string {
	switch {
	case c.State != Issued:
		return string(c.State)
	case now.After(c.NotAfter):
		return "expired"
	}
	return "valid"
}
