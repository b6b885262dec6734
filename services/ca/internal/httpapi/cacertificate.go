package httpapi

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
)

// ImportCA implements POST /cas/import.
func (h *Operations) ImportCA(ctx context.Context, request ImportCARequestObject) (ImportCAResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	chain, err := certificates("/chain", b.Chain)
	if err != nil {
		return nil, err
	}
	material, err := privateKey(b.PrivateKey)
	if err != nil {
		return nil, err
	}
	if material != nil {
		defer material.Zero()
	}
	ca, err := h.hierarchy.Import(ctx, who, hierarchy.NewCA{
		Name: b.Name, Description: apivalue.Of(b.Description), Kind: hierarchy.Kind(b.Kind), Family: familyOf(b.Family), Algorithm: apivalue.Of(b.Algorithm),
		Profiles: apivalue.Of(b.Profiles), BaseURL: apivalue.Of(b.BaseUrl), Shards: apivalue.Of(b.Shards),
	}, chain, material)
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, ca.ID)
	shown, err := h.shown(ctx, ca)
	return ImportCA201JSONResponse{Body: shown, Headers: ImportCA201ResponseHeaders{
		ETag: apivalue.Optional(etag.Of(ca.Revision)), Location: apivalue.Optional(ca.ID), // relative to /cas/import
	}}, err
}

// privateKey reads a key as PKCS#8; nil for none.
func privateKey(text *string) (*jwk.Key, error) {
	if text == nil {
		return nil, nil
	}
	ders, err := blocks("/private_key", *text, labelKey)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, der := range ders {
			clear(der)
		}
	}()
	if len(ders) != 1 {
		return nil, apivalue.Invalid("/private_key", "has %d keys; wanted is one", len(ders))
	}
	key, err := x509.ParsePKCS8PrivateKey(ders[0])
	if err != nil {
		return nil, apivalue.Invalid("/private_key", "is not a PKCS#8 key of a known kind")
	}
	material, err := jwk.FromMaterial(key, jwk.Attributes{})
	if err != nil {
		return nil, problem.New("key_mismatch", "the key is not acceptable: %v", err)
	}
	return material, nil
}

// GetCACSR implements GET /cas/{id}/csr.
func (h *Operations) GetCACSR(ctx context.Context, request GetCACSRRequestObject) (GetCACSRResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, request.Id)
	der, err := h.hierarchy.Request(ctx, who, naming.Ref(request.Id))
	if err != nil {
		return nil, err
	}
	return GetCACSR200JSONResponse{Csr: string(pem.EncodeToMemory(&pem.Block{Type: labelRequest, Bytes: der}))}, nil
}

// ListCACertificates implements GET /cas/{id}/certificates.
func (h *Operations) ListCACertificates(ctx context.Context, request ListCACertificatesRequestObject) (ListCACertificatesResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, request.Id)
	ca, own, err := h.hierarchy.Certificates(ctx, who, naming.Ref(request.Id))
	if err != nil {
		return nil, err
	}
	items := make([]CACertificate, len(own))
	for i, c := range own {
		chain, err := h.hierarchy.Chain(ctx, hierarchy.Fact{CA: ca, Certificates: own}, i)
		if err != nil {
			return nil, err
		}
		items[i] = CACertificate{
			Serial: c.Serial, IssuerId: apivalue.Optional(c.IssuerID), Primary: c.Primary, NotBefore: apivalue.Timestamp(c.NotBefore),
			NotAfter: apivalue.Timestamp(c.NotAfter), Certificate: text(c.DER), Chain: text(chain...),
		}
	}
	return ListCACertificates200JSONResponse{Items: items}, nil
}

// InstallCACertificate implements POST /cas/{id}/certificates.
func (h *Operations) InstallCACertificate(ctx context.Context, request InstallCACertificateRequestObject) (InstallCACertificateResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, request.Id)
	chain, err := certificates("/chain", request.Body.Chain)
	if err != nil {
		return nil, err
	}
	ca, err := h.hierarchy.Install(ctx, who, naming.Ref(request.Id), chain, apivalue.Of(request.Body.Primary))
	if err != nil {
		return nil, err
	}
	shown, err := h.shown(ctx, ca)
	return InstallCACertificate200JSONResponse{Body: shown, Headers: InstallCACertificate200ResponseHeaders{ETag: apivalue.Optional(etag.Of(ca.Revision))}}, err
}

// CertifyCA implements POST /cas/{id}/certify.
func (h *Operations) CertifyCA(ctx context.Context, r CertifyCARequestObject) (CertifyCAResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, r.Id)
	asked, err := request("/csr", r.Body.Csr)
	if err != nil {
		return nil, err
	}
	made, err := h.issuer.Certify(ctx, who, issuance.Order{
		CA: naming.Ref(r.Id), Profile: apivalue.Of(r.Body.Profile), Request: asked, Asked: issuance.Asked{Validity: days(r.Body.ValidityDays)},
	})
	if err != nil {
		return nil, err
	}
	aboutCertificate(ctx, made.Serial)
	shown, err := h.certificate(ctx, made)
	return CertifyCA201JSONResponse{Body: shown, Headers: CertifyCA201ResponseHeaders{Location: locationOfCertificate(2, made)}}, err
}

// CrossSignCA implements POST /cas/{id}/cross-sign.
func (h *Operations) CrossSignCA(ctx context.Context, request CrossSignCARequestObject) (CrossSignCAResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, request.Id)
	b := request.Body
	made, err := h.issuer.CrossSign(ctx, who, naming.Ref(request.Id), naming.Ref(b.Subject), apivalue.Of(b.Profile), days(b.ValidityDays))
	if err != nil {
		return nil, err
	}
	aboutCertificate(ctx, made.Serial)
	shown, err := h.certificate(ctx, made)
	return CrossSignCA201JSONResponse{Body: shown, Headers: CrossSignCA201ResponseHeaders{Location: locationOfCertificate(2, made)}}, err
}

// RolloverCA implements POST /cas/{id}/rollover.
func (h *Operations) RolloverCA(ctx context.Context, request RolloverCARequestObject) (RolloverCAResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, request.Id)
	b := request.Body
	algorithm, size := keyOf(b.Key)
	old, successor, err := h.issuer.Rollover(ctx, who, naming.Ref(request.Id), issuance.Rollover{
		Name: b.Name, Algorithm: algorithm, KeySize: size, Overlap: time.Duration(apivalue.Of(b.OverlapSeconds)) * time.Second, Validity: days(b.ValidityDays),
	})
	if err != nil {
		return nil, err
	}
	shown := RolloverCA201JSONResponse{}
	if shown.Old, err = h.shown(ctx, old); err != nil {
		return nil, fmt.Errorf("show CA: %w", err)
	}
	shown.Successor, err = h.shown(ctx, successor)
	return shown, err
}
