package httpapi

import (
	"context"
	"errors"
	"io"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// RevokeCertificate implements POST /certificates/{serial}/revoke.
func (h *Operations) RevokeCertificate(ctx context.Context, r RevokeCertificateRequestObject) (RevokeCertificateResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCertificate(ctx, r.Serial)
	why, err := reasonOf(r.Body.Reason)
	if err != nil {
		return nil, err
	}
	revoked, err := h.registry.Revoke(ctx, who, revocation.Order{Serial: r.Serial, Reason: why, InvalidAt: apivalue.Of(r.Body.InvalidAt)})
	if err != nil {
		return nil, err
	}
	return RevokeCertificate200JSONResponse(statusOf(revoked)), nil
}

// ReleaseCertificate implements POST /certificates/{serial}/release.
func (h *Operations) ReleaseCertificate(ctx context.Context, r ReleaseCertificateRequestObject) (ReleaseCertificateResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCertificate(ctx, r.Serial)
	released, err := h.registry.Release(ctx, who, r.Serial)
	if err != nil {
		return nil, err
	}
	return ReleaseCertificate200JSONResponse(statusOf(released)), nil
}

// GetCertificateStatus implements GET /certificates/{serial}/status.
func (h *Operations) GetCertificateStatus(ctx context.Context, r GetCertificateStatusRequestObject) (GetCertificateStatusResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCertificate(ctx, r.Serial)
	found, err := h.registry.Status(ctx, who, r.Serial)
	if err != nil {
		return nil, err
	}
	return GetCertificateStatus200JSONResponse(statusOf(found)), nil
}

// RevokeCertificates implements POST /certificates/revoke-all.
func (h *Operations) RevokeCertificates(ctx context.Context, r RevokeCertificatesRequestObject) (RevokeCertificatesResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	why, err := reasonOf(r.Body.Reason)
	if err != nil {
		return nil, err
	}
	of := revocation.Selection{Lineage: apivalue.Of(r.Body.Lineage)}
	if r.Body.SpkiSha256 != nil {
		if of.SPKISHA256, err = apivalue.Decode("/spki_sha256", *r.Body.SpkiSha256); err != nil {
			return nil, err
		}
	}
	serials, more, err := h.registry.RevokeAll(ctx, who, of, why)
	if err != nil {
		return nil, err
	}
	return RevokeCertificates200JSONResponse{Serials: apivalue.Each(serials, func(s string) Serial { return s }), More: more}, nil
}

// PublishLists implements POST /cas/{id}/publish.
func (h *Operations) PublishLists(ctx context.Context, r PublishListsRequestObject) (PublishListsResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, r.Id)
	ca, err := h.hierarchy.Get(ctx, who, naming.Ref(r.Id))
	if err != nil {
		return nil, err
	}
	if ca.Custody == hierarchy.Offline {
		return nil, problem.New("ca_offline", "the key of CA %q is not here: sign the list where it is kept", ca.Name)
	}
	if err := h.publisher.PublishNow(ctx, who, ca.ID); err != nil {
		return nil, err
	}
	return PublishLists204Response{}, nil
}

// GetCRL implements GET /cas/{id}/crl.
func (h *Operations) GetCRL(ctx context.Context, r GetCRLRequestObject) (GetCRLResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, r.Id)
	if err := access.Decide(who, access.Read); err != nil {
		return nil, err
	}
	ca, err := h.hierarchy.Get(ctx, who, naming.Ref(r.Id))
	if err != nil {
		return nil, err
	}
	var list revocation.List
	if name := apivalue.Of(r.Params.List); name != "" {
		list, err = h.lists.Find(ctx, who.Tenant, ca.ID, name)
	} else {
		list, err = h.lists.Complete(ctx, who.Tenant, ca.ID)
	}
	if errors.Is(err, revocation.ErrNotFound) {
		return nil, problem.New(problem.NotFound, "the CA has no such list; a root's is made by POST /cas/{id}/publish")
	}
	if err != nil {
		return nil, err
	}
	content, writer := io.Pipe()
	go func() { writer.CloseWithError(h.lists.WriteTo(ctx, writer, list)) }() // ends with the answer, which closes content
	return GetCRL200ApplicationpkixCrlResponse{Body: content, ContentLength: list.Size}, nil
}

// reasonOf decodes a reason.
func reasonOf(text Reason) (reason.Reason, error) {
	why, err := reason.Parse(string(text))
	if err != nil {
		return 0, apivalue.Invalid("/reason", "%s", err)
	}
	return why, nil
}

// statusOf encodes what is known of a certificate.
func statusOf(c revocation.Certificate) CertificateStatus {
	shown := CertificateStatus{
		Serial: c.Serial, CaId: c.CAID, State: CertificateState(c.State), NotAfter: apivalue.Timestamp(c.NotAfter),
		RevokedAt: apivalue.OptionalTimestamp(c.RevokedAt), InvalidAt: apivalue.OptionalTimestamp(c.InvalidAt),
	}
	if c.State == revocation.Revoked {
		shown.Reason = apivalue.Optional(Reason(c.Reason.String()))
	}
	return shown
}
