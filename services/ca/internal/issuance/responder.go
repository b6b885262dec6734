package issuance

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/server/naming"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
)

// responderProfile is that of delegated OCSP responders.
const responderProfile = "ocsp-responder"

// own is the service itself as a caller.
func own(tenant string) access.Caller {
	return access.Caller{Tenant: tenant, ID: "service:ca", Scopes: []string{access.ScopeAdmin}}
}

// CertifyResponder issues a certificate for OCSP signing by a CA, active or retired, for a key that the service has made (RFC 6960 section
// 4.2.2.2).
func (i *Issuer) CertifyResponder(ctx context.Context, tenant, ca string, public crypto.PublicKey) ([]byte, error) {
	chosen, err := i.profile(responderProfile)
	if err != nil {
		return nil, err
	}
	issuer, err := i.hierarchy.Fact(ctx, tenant, naming.Ref(ca))
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encode the responder's key: %w", err)
	}
	_, name, err := subjectText(issuer.CA.Subject)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = issuer.CA.Name
	}
	subject, err := certificate.EncodeName(certificate.Attribute{Type: []int{2, 5, 4, 3}, Value: "OCSP responder of " + name})
	if err != nil {
		return nil, err
	}
	request, err := requestOf(subject, spki)
	if err != nil {
		return nil, err
	}
	p := plan{order: Order{Profile: responderProfile, Request: request, Channel: ByService}, profile: chosen, issuer: issuer}
	if issuer.CA.Status != hierarchy.Active && issuer.CA.Status != hierarchy.Retired {
		return nil, fmt.Errorf("CA %s is %s: it has no responder", issuer.CA.ID, issuer.CA.Status)
	}
	made, err := i.issue(ctx, own(tenant), p, nil)
	return made.DER, err
}
