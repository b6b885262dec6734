package httpapi

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/certificate"
)

// CreateCSR implements POST /keys/{id}/csr.
func (h *Operations) CreateCSR(ctx context.Context, request CreateCSRRequestObject) (CreateCSRResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	about(ctx, request.Id, apivalue.Of(b.Version))
	subject, err := subjectOf(b)
	if err != nil {
		return nil, err
	}
	made, err := h.authority.RequestCertificate(ctx, who, authority.RefOf(request.Id), apivalue.Of(b.Version), subject)
	if err != nil {
		return nil, err
	}
	return CreateCSR200JSONResponse{Kid: made.KID, Version: made.Version, Pem: made.PEM}, nil
}

// subjectOf reads whom a certificate is asked for.
func subjectOf(b *CreateCSR) (certificate.Subject, error) {
	subject := certificate.Subject{
		DNSNames: apivalue.Of(b.DnsNames), Addresses: apivalue.Of(b.IpAddresses), Emails: apivalue.Of(b.EmailAddresses), URIs: apivalue.Of(b.Uris),
	}
	given := len(subject.DNSNames) + len(subject.Addresses) + len(subject.Emails) + len(subject.URIs)
	name := apivalue.Of(b.Subject)
	for _, part := range []struct {
		member string
		value  *string
		to     func(value string)
	}{
		{"common_name", name.CommonName, func(value string) { subject.Name.CommonName = value }},
		{"organization", name.Organization, func(value string) { subject.Name.Organization = []string{value} }},
		{"organizational_unit", name.OrganizationalUnit, func(value string) { subject.Name.OrganizationalUnit = []string{value} }},
		{"country", name.Country, func(value string) { subject.Name.Country = []string{value} }},
		{"state", name.State, func(value string) { subject.Name.Province = []string{value} }},
		{"locality", name.Locality, func(value string) { subject.Name.Locality = []string{value} }},
	} {
		if part.value == nil {
			continue
		}
		if !naming.Storable(*part.value) {
			return certificate.Subject{}, apivalue.Invalid("/subject/"+part.member, "it is UTF-8 without U+0000")
		}
		part.to(*part.value)
		given++
	}
	if given == 0 {
		return certificate.Subject{}, apivalue.Invalid("/subject", "give a subject or alternative names")
	}
	return subject, nil
}

// GetCertificate implements GET /keys/{id}/certificate.
func (h *Operations) GetCertificate(ctx context.Context, request GetCertificateRequestObject) (GetCertificateResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	number := apivalue.Of(request.Params.Version)
	about(ctx, request.Id, number)
	version, err := h.authority.Certificate(ctx, who, authority.RefOf(request.Id), number)
	if err != nil {
		return nil, err
	}
	return GetCertificate200JSONResponse{h.chain(version)}, nil
}

// SetCertificate implements PUT /keys/{id}/certificate.
func (h *Operations) SetCertificate(ctx context.Context, request SetCertificateRequestObject) (SetCertificateResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	number := apivalue.Of(request.Body.Version)
	about(ctx, request.Id, number)
	version, err := h.authority.SetCertificate(ctx, who, authority.RefOf(request.Id), number, request.Body.Pem)
	if err != nil {
		return nil, err
	}
	return SetCertificate200JSONResponse{h.chain(version)}, nil
}

// RemoveCertificate implements DELETE /keys/{id}/certificate.
func (h *Operations) RemoveCertificate(ctx context.Context, request RemoveCertificateRequestObject) (RemoveCertificateResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	number := apivalue.Of(request.Params.Version)
	about(ctx, request.Id, number)
	return RemoveCertificate204Response{}, h.authority.RemoveCertificate(ctx, who, authority.RefOf(request.Id), number)
}

func (h *Operations) chain(v authority.Version) CertificateChainJSONResponse {
	return CertificateChainJSONResponse{Kid: v.KID(), Version: v.Number, Certificate: *h.certificate(v), Pem: v.Certificate.PEM()}
}

// certificate is what the certificate of a version says; nil without one.
func (h *Operations) certificate(v authority.Version) *Certificate {
	if v.Certificate == nil {
		return nil
	}
	leaf := v.Certificate.Leaf()
	return &Certificate{
		X5tS256: v.Certificate.Thumbprint(), Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(),
		SerialNumber: fmt.Sprintf("%x", leaf.SerialNumber),
		NotBefore:    apivalue.Timestamp(v.Certificate.NotBefore()), NotAfter: apivalue.Timestamp(v.Certificate.NotAfter()),
		Valid: h.authority.Certified(v),
	}
}
