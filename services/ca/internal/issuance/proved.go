package issuance

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
)

// Proof is how the names of an order were proved to be the requester's.
type Proof struct {
	// Requester is who has proved them, such as "acme:0190...".
	Requester string
	// Remotes is how many remote perspectives looked at the least watched of the names.
	Remotes int
}

// Offers says whether a certificate by a profile could be issued to whoever proves its names.
func (i *Issuer) Offers(ctx context.Context, tenant, name string) error {
	_, err := i.proved(ctx, own(tenant), Order{Profile: name, Channel: ByACME}, nil)
	return err
}

// IssueProved issues a certificate for names that a protocol has had proved. stored is part of the transaction that stores the signed certificate: where
// it fails, the certificate counts as not issued.
func (i *Issuer) IssueProved(
	ctx context.Context, tenant string, proof Proof, order Order, stored func(context.Context, Certificate) error,
) (Certificate, error) {
	caller := own(tenant)
	caller.ID = proof.Requester
	p, err := i.proved(ctx, caller, order, &proof)
	if err != nil {
		return Certificate{}, err
	}
	return i.issue(ctx, caller, p, stored)
}

// proved decides about an order whose names are, or will be, proved; proof is nil before.
func (i *Issuer) proved(ctx context.Context, caller access.Caller, order Order, proof *Proof) (plan, error) {
	chosen, err := i.profile(order.Profile)
	if err != nil {
		return plan{}, err
	}
	if !chosen.ACME || chosen.IsAuthority() || chosen.Approval.Count > 0 {
		return plan{}, problem.New("wrong_profile", "profile %q is not for automatic clients", order.Profile)
	}
	issuer, err := i.choose(ctx, caller, order, chosen)
	if err != nil {
		return plan{}, err
	}
	p := plan{order: order, profile: chosen, issuer: issuer}
	if err := p.check(); err != nil {
		return plan{}, err
	}
	needed := ruleset.Limit(ruleset.RemotePerspectives, i.now())
	if proof != nil && isPublic(chosen, issuer.CA) && proof.Remotes < needed {
		return plan{}, problem.New("not_validated", "the names were looked at from %d remote perspectives, and the Baseline Requirements want %d", proof.Remotes, needed)
	}
	return p, nil
}

// isPublic tells whether certificates claim to keep the CA/Browser Forum's rules.
func isPublic(p *profile.Profile, ca hierarchy.CA) bool {
	return p.Family == string(hierarchy.BR) && !p.BRLab && !ca.Lab
}
