package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// acmeIssuer is the service as automatic clients need it. It implements acme.Issuer.
type acmeIssuer struct {
	issuer    *issuance.Issuer
	hierarchy *hierarchy.Hierarchy
	registry  *revocation.Registry
}

var _ acme.Issuer = acmeIssuer{}

// Permits implements acme.Issuer.
func (a acmeIssuer) Permits(ctx context.Context, application acme.Application) error {
	return asACME(a.issuer.Offers(ctx, application.Tenant, application.Profile))
}

// Issue implements acme.Issuer.
func (a acmeIssuer) Issue(ctx context.Context, of acme.Issuance, stored func(ctx context.Context, serial string) error) error {
	request, err := certificate.ParseRequest(of.CSR)
	if err != nil {
		return asACME(err)
	}
	order := issuance.Order{Profile: of.Profile, Request: request, Channel: issuance.ByACME, Asked: issuance.Asked{NotBefore: of.NotBefore}}
	if !of.NotAfter.IsZero() {
		begins := of.NotBefore
		if begins.IsZero() {
			begins = a.issuer.Now()
		}
		order.Asked.Validity = of.NotAfter.Sub(begins)
	}
	if of.Replaces != "" {
		before, err := a.issuer.Find(ctx, of.Tenant, of.Replaces)
		if err != nil {
			return asACME(err)
		}
		order.Replaces = &before
	}
	proof := issuance.Proof{Requester: "acme:" + of.Account, Remotes: of.Remotes}
	_, err = a.issuer.IssueProved(ctx, of.Tenant, proof, order, func(ctx context.Context, made issuance.Certificate) error { return stored(ctx, made.Serial) })
	return asACME(err)
}

// asACME makes a refusal what clients of the protocol understand. Other errors stay as they are: they are tried again, and hidden.
func asACME(err error) error {
	var refusal *certificate.Refusal
	if errors.As(err, &refusal) {
		kind := acme.BadCSR
		if refusal.Reason == certificate.BadPublicKey {
			kind = acme.BadPublicKey
		}
		return acme.NewError(kind, "%s", refusal.Detail)
	}
	var refused *problem.Error
	if err == nil || !errors.As(err, &refused) {
		return err
	}
	detail := refused.ErrorDetail()
	for _, field := range refused.Fields() {
		detail += "; " + field.Pointer + ": " + field.Detail
	}
	switch refused.ErrorCode() {
	case "bad_public_key":
		return acme.NewError(acme.BadPublicKey, "%s", detail)
	case "profile_refused", "rules_violated":
		return acme.NewError(acme.BadCSR, "%s", detail)
	case "wrong_profile", "no_ca", problem.ValidationFailed:
		return acme.NewError(acme.InvalidProfile, "%s", detail)
	case "not_validated":
		return acme.NewError(acme.Unauthorized, "%s", detail)
	}
	return err
}

// Chains implements acme.Issuer: one for each certificate of the CA, without the root that it leads to.
func (a acmeIssuer) Chains(ctx context.Context, tenant, serial string) ([]acme.Chain, error) {
	found, err := a.certificate(ctx, tenant, serial)
	if err != nil {
		return nil, err
	}
	ca, err := a.hierarchy.Fact(ctx, tenant, naming.Ref(found.CAID))
	if err != nil {
		return nil, err
	}
	var chains []acme.Chain
	for place := range ca.Certificates {
		above, err := a.hierarchy.Chain(ctx, ca, place)
		if err != nil {
			return nil, err
		}
		chain := append(acme.Chain{found.DER}, withoutRoot(above)...)
		if !slices.ContainsFunc(chains, func(other acme.Chain) bool { return slices.EqualFunc(other, chain, slices.Equal[[]byte]) }) {
			chains = append(chains, chain)
		}
	}
	if len(chains) == 0 {
		return nil, fmt.Errorf("certificate %s: %w", serial, errNoCA)
	}
	return chains, nil
}

// withoutRoot leaves out a root at the end: whoever checks a chain has it, or must not take it from here.
func withoutRoot(chain [][]byte) [][]byte {
	last, err := x509.ParseCertificate(chain[len(chain)-1])
	if err == nil && last.CheckSignatureFrom(last) == nil {
		return chain[:len(chain)-1]
	}
	return chain
}

// certificate finds a certificate that was issued.
func (a acmeIssuer) certificate(ctx context.Context, tenant, serial string) (issuance.Certificate, error) {
	found, err := a.issuer.Find(ctx, tenant, serial)
	if problem.Is(err, problem.NotFound) || err == nil && found.State == issuance.Intended {
		return issuance.Certificate{}, acme.ErrNotFound
	}
	return found, err
}

// Certificate implements acme.Issuer.
func (a acmeIssuer) Certificate(ctx context.Context, tenant, serial string) (acme.Certificate, error) {
	found, err := a.certificate(ctx, tenant, serial)
	if err != nil {
		return acme.Certificate{}, err
	}
	parsed, err := x509.ParseCertificate(found.DER)
	if err != nil {
		return acme.Certificate{}, fmt.Errorf("read certificate %s: %w", serial, err)
	}
	return acme.Certificate{
		DER: found.DER, AuthorityKeyID: parsed.AuthorityKeyId, NotBefore: found.NotBefore, NotAfter: found.NotAfter, Revoked: found.State == issuance.Revoked,
	}, nil
}

// Revoke implements acme.Issuer.
func (a acmeIssuer) Revoke(ctx context.Context, tenant, serial string, code int) error {
	found, err := a.certificate(ctx, tenant, serial)
	if err != nil {
		return err
	}
	if found.State == issuance.Revoked {
		return acme.NewError(acme.AlreadyRevoked, "the certificate is revoked already")
	}
	_, err = a.registry.RevokeDecided(ctx, tenant, revocation.Order{Serial: serial, Reason: reason.Reason(code)})
	switch {
	case problem.Is(err, "bad_reason"):
		return acme.NewError(acme.BadRevocationReason, "the CA takes no such reason from subscribers")
	case problem.Is(err, "already_revoked"):
		return acme.NewError(acme.AlreadyRevoked, "the certificate is revoked already")
	}
	return err
}
