package issuance

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
)

// Profiles of the certificates of CAs, unless others are asked for.
const (
	rootProfile         = "root-ca"
	intermediateProfile = "intermediate-ca"
)

// NewAuthority asks for a CA with a new key.
type NewAuthority struct {
	hierarchy.NewCA

	// Issuer is the CA that certifies it; empty for a root, which certifies itself.
	Issuer naming.Ref
	// External leaves it pending, until somebody brings the certificate that a CA elsewhere has made.
	External bool
	// Profile is that of the certificate; empty for the usual one of the kind.
	Profile string
	// Validity is how long the certificate lives; 0 for the profile's default.
	Validity time.Duration
}

// CreateCA makes a CA. Either it is there with its certificate, or there is nothing.
func (i *Issuer) CreateCA(ctx context.Context, caller access.Caller, ask NewAuthority) (hierarchy.CA, error) {
	return i.createCA(ctx, caller, ask, nil)
}

// createCA is CreateCA; also is part of the transaction that stores the CA.
func (i *Issuer) createCA(ctx context.Context, caller access.Caller, ask NewAuthority, also func(context.Context, hierarchy.CA) error) (hierarchy.CA, error) {
	if ask.External && (ask.Issuer != "" || ask.Kind == hierarchy.Root) || !ask.External && (ask.Issuer == "") != (ask.Kind == hierarchy.Root) {
		return hierarchy.CA{}, problem.New(problem.ValidationFailed,
			"a root has no issuer; another CA has one here, or is external and gets its certificate from elsewhere")
	}
	fresh, err := i.hierarchy.Draft(ctx, caller, ask.NewCA)
	if err != nil {
		return hierarchy.CA{}, err
	}
	defer fresh.Zero()
	if ask.External {
		return fresh.CA, i.keep(ctx, fresh, also)
	}
	p, err := i.planCA(ctx, caller, ask, fresh.CA)
	if err != nil {
		return hierarchy.CA{}, err
	}
	made := fresh.CA
	_, err = i.issueCA(ctx, caller, p, fresh, func(ctx context.Context, c Certificate) error {
		if err := i.hierarchy.Keep(ctx, fresh); err != nil {
			return err
		}
		if made, err = i.hierarchy.InstallOwn(ctx, fresh.CA, c.DER); err != nil || also == nil {
			return err
		}
		return also(ctx, made)
	})
	return made, err
}

// keep stores a draft without certificate.
func (i *Issuer) keep(ctx context.Context, fresh *hierarchy.Draft, also func(context.Context, hierarchy.CA) error) error {
	return i.hierarchy.InTx(ctx, func(ctx context.Context) error {
		if err := i.hierarchy.Keep(ctx, fresh); err != nil || also == nil {
			return err
		}
		return also(ctx, fresh.CA)
	})
}

// planCA decides about the certificate of a CA.
func (i *Issuer) planCA(ctx context.Context, caller access.Caller, ask NewAuthority, ca hierarchy.CA) (plan, error) {
	if ask.Profile == "" {
		ask.Profile = intermediateProfile
		if ca.Kind == hierarchy.Root {
			ask.Profile = rootProfile
		}
	}
	request, err := requestOf(ca.Subject, ca.SPKI)
	if err != nil {
		return plan{}, err
	}
	order := Order{CA: ask.Issuer, Profile: ask.Profile, Request: request, Asked: Asked{Validity: ask.Validity}, Channel: ByCA}
	p, err := i.authorityPlan(ctx, caller, order)
	if err != nil || ca.Kind != hierarchy.Root {
		return p, err
	}
	p.issuer = hierarchy.Fact{CA: ca}
	if string(ca.Family) != p.profile.Family && p.profile.Name != rootProfile {
		return plan{}, problem.New("wrong_profile", "profile %q is of family %s", p.profile.Name, p.profile.Family)
	}
	return p, nil
}

// authorityPlan decides about a certificate of a CA: by explicit command of somebody who manages CAs.
func (i *Issuer) authorityPlan(ctx context.Context, caller access.Caller, order Order) (plan, error) {
	if err := access.Decide(caller, access.Manage); err != nil {
		return plan{}, err
	}
	chosen, err := i.profile(order.Profile)
	if err != nil {
		return plan{}, err
	}
	if !chosen.IsAuthority() {
		return plan{}, problem.New("wrong_profile", "profile %q is not one for CAs", order.Profile)
	}
	p := plan{order: order, profile: chosen}
	if order.CA == "" {
		return p, nil
	}
	if p.issuer, err = i.hierarchy.Current(ctx, caller.Tenant, order.CA); err != nil {
		return plan{}, err
	}
	ca := p.issuer.CA
	switch {
	case ca.Status != hierarchy.Active:
		return plan{}, problem.New(problem.InvalidState, "CA %q is %s; to certify CAs it must be active", ca.Name, ca.Status)
	case ca.Kind == hierarchy.Issuing:
		return plan{}, problem.New("wrong_profile", "CA %q is an issuing one: it certifies no CAs", ca.Name)
	}
	return p, nil
}

// issueCA is issue for the certificate of a CA, which certifies itself where the plan names it as its own issuer.
func (i *Issuer) issueCA(
	ctx context.Context, caller access.Caller, p plan, fresh *hierarchy.Draft, also func(context.Context, Certificate) error,
) (Certificate, error) {
	if fresh == nil || p.issuer.CA.ID != fresh.CA.ID {
		return i.issue(ctx, caller, p, also)
	}
	signer, err := fresh.Signer()
	if err != nil {
		return Certificate{}, err
	}
	return i.issueBy(ctx, caller, p, signer, also)
}

// requestOf is what a CA that is here asks for: that it has the key needs no proof.
func requestOf(subject, spki []byte) (*certificate.Request, error) {
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	name, err := certificate.ParseName(subject)
	if err != nil {
		return nil, err
	}
	return &certificate.Request{Subject: name, RawSubject: subject, PublicKey: public, SPKI: spki}, nil
}

// Certify signs the certificate of a CA that is elsewhere, by its certificate request.
func (i *Issuer) Certify(ctx context.Context, caller access.Caller, order Order) (Certificate, error) {
	order.Channel = ByCA
	if order.Profile == "" {
		order.Profile = intermediateProfile
	}
	p, err := i.authorityPlan(ctx, caller, order)
	if err != nil {
		return Certificate{}, err
	}
	return i.issue(ctx, caller, p, nil)
}

// CrossSign has one CA vouch for the key and name of another (RFC 5280 section 3.2). One that is here gets the certificate as a further one.
func (i *Issuer) CrossSign(ctx context.Context, caller access.Caller, issuer, subject naming.Ref, profile string, validity time.Duration) (Certificate, error) {
	other, err := i.hierarchy.Get(ctx, caller, subject)
	if err != nil {
		return Certificate{}, err
	}
	request, err := requestOf(other.Subject, other.SPKI)
	if err != nil {
		return Certificate{}, err
	}
	if profile == "" {
		profile = intermediateProfile
	}
	p, err := i.authorityPlan(ctx, caller, Order{CA: issuer, Profile: profile, Request: request, Asked: Asked{Validity: validity}, Channel: ByCA})
	if err != nil {
		return Certificate{}, err
	}
	if p.issuer.CA.ID == other.ID {
		return Certificate{}, problem.New(problem.ValidationFailed, "a CA does not vouch for itself")
	}
	return i.issue(ctx, caller, p, func(ctx context.Context, c Certificate) error {
		_, err := i.hierarchy.InstallOwn(ctx, other, c.DER)
		return err
	})
}

// Rollover asks for the successor of a CA.
type Rollover struct {
	// Name is the successor's.
	Name string
	// Algorithm and KeySize are those of its key; empty for the same as before.
	Algorithm string
	KeySize   int
	// Overlap is how long the old CA goes on issuing, so that the new one's certificate gets around before it is needed.
	Overlap time.Duration
	// Validity is how long the new certificate lives; 0 for the profile's default.
	Validity time.Duration
}

// Rollover gives a CA a successor with a new key, by the same issuer. The old one still signs what tells of the certificates that it has issued.
func (i *Issuer) Rollover(ctx context.Context, caller access.Caller, ref naming.Ref, ask Rollover) (old, successor hierarchy.CA, err error) {
	old, err = i.hierarchy.Get(ctx, caller, ref)
	if err != nil {
		return old, successor, err
	}
	request, err := requestOf(old.Subject, old.SPKI)
	if err != nil {
		return old, successor, err
	}
	if ask.Algorithm == "" {
		ask.Algorithm, ask.KeySize = old.Algorithm, old.KeySize
	}
	authority := NewAuthority{
		NewCA: hierarchy.NewCA{
			Name: ask.Name, Description: old.Description, Kind: old.Kind, Family: old.Family, Subject: request.Subject,
			Algorithm: ask.Algorithm, KeySize: ask.KeySize, Profiles: old.Profiles, BaseURL: old.BaseURL, Shards: old.Shards, Lab: old.Lab,
		},
		Issuer: naming.Ref(old.ParentID), Validity: ask.Validity,
	}
	if old.Kind == hierarchy.Root {
		authority.Issuer = ""
	} else if old.ParentID == "" {
		authority.External = true
	}
	successor, err = i.createCA(ctx, caller, authority, func(ctx context.Context, made hierarchy.CA) error {
		changed, err := i.hierarchy.Succeed(ctx, caller, old, made, i.instant().Add(ask.Overlap))
		if err == nil {
			old = changed
		}
		return err
	})
	return old, successor, err
}
