package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/mergepatch"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/access"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
)

// CreateCA implements POST /cas.
func (h *Operations) CreateCA(ctx context.Context, request CreateCARequestObject) (CreateCAResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	algorithm, size := keyOf(b.Key)
	ca, err := h.issuer.CreateCA(ctx, who, issuance.NewAuthority{
		NewCA: hierarchy.NewCA{
			Name: b.Name, Description: apivalue.Of(b.Description), Kind: hierarchy.Kind(b.Kind), Family: familyOf(b.Family), Subject: nameOf(b.Subject),
			Algorithm: algorithm, KeySize: size, Profiles: apivalue.Of(b.Profiles), BaseURL: apivalue.Of(b.BaseUrl), Shards: apivalue.Of(b.Shards), Lab: apivalue.Of(b.Lab),
		},
		Issuer: naming.Ref(apivalue.Of(b.Issuer)), External: apivalue.Of(b.External), Profile: apivalue.Of(b.Profile), Validity: days(b.ValidityDays),
	})
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, ca.ID)
	shown, err := h.shown(ctx, ca)
	return CreateCA201JSONResponse{Body: shown, Headers: CreateCA201ResponseHeaders{
		ETag: apivalue.Optional(etag.Of(ca.Revision)), Location: apivalue.Optional("cas/" + ca.ID), // relative to /cas (RFC 9110 section 10.2.2)
	}}, err
}

// ListCAs implements GET /cas.
func (h *Operations) ListCAs(ctx context.Context, request ListCAsRequestObject) (ListCAsResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	p := request.Params
	filter := hierarchy.List{
		Name: apivalue.Of(p.Name), Kind: hierarchy.Kind(apivalue.Of(p.Kind)), Status: hierarchy.Status(apivalue.Of(p.Status)), Parent: apivalue.Of(p.Parent),
	}
	list := page.List{Tenant: who.Tenant, Name: "cas", Sort: "id", Filter: []string{filter.Name, string(filter.Kind), string(filter.Status), filter.Parent}}
	cas, cursor, err := page.Read(h.cursors, list, p.Limit, p.Cursor, func(after string, limit int) ([]hierarchy.CA, error) {
		filter.After, filter.Limit = after, limit
		return h.hierarchy.List(ctx, who, filter)
	}, func(ca hierarchy.CA) string { return ca.ID })
	return ListCAs200JSONResponse{Items: apivalue.Each(cas, caOf), NextCursor: cursor}, err
}

// GetCA implements GET /cas/{id}.
func (h *Operations) GetCA(ctx context.Context, request GetCARequestObject) (GetCAResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, request.Id)
	ca, err := h.hierarchy.Get(ctx, who, naming.Ref(request.Id))
	if err != nil {
		return nil, err
	}
	shown, err := h.shown(ctx, ca)
	return GetCA200JSONResponse{Body: shown, Headers: GetCA200ResponseHeaders{ETag: apivalue.Optional(etag.Of(ca.Revision))}}, err
}

// writableCA is what a patch can change.
type writableCA struct {
	Description *string  `json:"description,omitempty"`
	Profiles    []string `json:"profiles,omitempty"`
	BaseURL     *string  `json:"base_url,omitempty"`
}

// UpdateCA implements PATCH /cas/{id}.
func (h *Operations) UpdateCA(ctx context.Context, request UpdateCARequestObject) (UpdateCAResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCA(ctx, request.Id)
	revision, err := etag.Version(apivalue.Of(request.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	ca, err := h.hierarchy.Update(ctx, who, naming.Ref(request.Id), revision, func(ca *hierarchy.CA) error {
		want, err := mergepatch.Apply(writableCA{
			Description: apivalue.Optional(ca.Description), Profiles: ca.Profiles, BaseURL: apivalue.Optional(ca.BaseURL),
		}, *request.Body)
		ca.Description, ca.Profiles, ca.BaseURL = apivalue.Of(want.Description), want.Profiles, apivalue.Of(want.BaseURL)
		return err
	})
	if err != nil {
		return nil, err
	}
	shown, err := h.shown(ctx, ca)
	return UpdateCA200JSONResponse{Body: shown, Headers: UpdateCA200ResponseHeaders{ETag: apivalue.Optional(etag.Of(ca.Revision))}}, err
}

// DestroyCA implements DELETE /cas/{id}.
func (h *Operations) DestroyCA(ctx context.Context, request DestroyCARequestObject) (DestroyCAResponseObject, error) {
	shown, tag, err := h.move(ctx, request.Id, h.hierarchy.Destroy)
	return DestroyCA200JSONResponse{Body: shown, Headers: DestroyCA200ResponseHeaders{ETag: tag}}, err
}

// RetireCA implements POST /cas/{id}/retire.
func (h *Operations) RetireCA(ctx context.Context, request RetireCARequestObject) (RetireCAResponseObject, error) {
	shown, tag, err := h.move(ctx, request.Id, h.hierarchy.Retire)
	return RetireCA200JSONResponse{Body: shown, Headers: RetireCA200ResponseHeaders{ETag: tag}}, err
}

// ResumeCA implements POST /cas/{id}/resume.
func (h *Operations) ResumeCA(ctx context.Context, request ResumeCARequestObject) (ResumeCAResponseObject, error) {
	shown, tag, err := h.move(ctx, request.Id, h.hierarchy.Resume)
	return ResumeCA200JSONResponse{Body: shown, Headers: ResumeCA200ResponseHeaders{ETag: tag}}, err
}

// move changes the state of a CA.
func (h *Operations) move(
	ctx context.Context, id string, change func(context.Context, access.Caller, naming.Ref) (hierarchy.CA, error),
) (shown CA, tag *string, err error) {
	who, err := caller(ctx)
	if err != nil {
		return CA{}, nil, err
	}
	aboutCA(ctx, id)
	ca, err := change(ctx, who, naming.Ref(id))
	if err != nil {
		return CA{}, nil, err
	}
	shown, err = h.shown(ctx, ca)
	return shown, apivalue.Optional(etag.Of(ca.Revision)), err
}

// shown is a CA with its certificate.
func (h *Operations) shown(ctx context.Context, ca hierarchy.CA) (CA, error) {
	shown := caOf(ca)
	own, err := h.hierarchy.CertificatesOf(ctx, ca)
	if err != nil || len(own) == 0 {
		return shown, err
	}
	chain, err := h.hierarchy.Chain(ctx, hierarchy.Fact{CA: ca, Certificates: own}, 0)
	if err != nil {
		return CA{}, err
	}
	shown.Certificate, shown.Chain = apivalue.Optional(text(own[0].DER)), apivalue.Optional(text(chain...))
	shown.NotAfter = apivalue.OptionalTimestamp(own[0].NotAfter)
	return shown, nil
}

// caOf encodes a CA.
func caOf(ca hierarchy.CA) CA {
	sum := sha256.Sum256(ca.SPKI)
	return CA{
		Id: ca.ID, Name: ca.Name, Description: apivalue.Optional(ca.Description), Kind: CAKind(ca.Kind), Family: Family(ca.Family), Status: CAStatus(ca.Status),
		Custody: CACustody(ca.Custody), Algorithm: ca.Algorithm, KeySize: apivalue.Optional(ca.KeySize), Subject: subjectText(ca.Subject),
		KeyId: hex.EncodeToString(ca.KeyID), SpkiSha256: apivalue.Encode(sum[:]), ParentId: apivalue.Optional(ca.ParentID),
		Profiles: apivalue.Each(ca.Profiles, func(name string) Name { return name }), BaseUrl: apivalue.Optional(ca.BaseURL), Shards: ca.Shards, Lab: ca.Lab,
		SuccessorId: apivalue.Optional(ca.SuccessorID), SucceededAt: apivalue.OptionalTimestamp(ca.SucceededAt),
		CreatedAt: apivalue.Timestamp(ca.CreatedAt), UpdatedAt: apivalue.Timestamp(ca.UpdatedAt),
	}
}

// subjectText writes a DER Name as RFC 4514 does. One that cannot be read is none that was ever signed.
func subjectText(der []byte) string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &name); err != nil || len(rest) > 0 {
		return ""
	}
	return name.String()
}

// nameOf is the subject of a CA.
func nameOf(s Subject) pkix.Name {
	one := func(text *string) []string {
		if text == nil {
			return nil
		}
		return []string{*text}
	}
	return pkix.Name{
		Country: one(s.Country), Organization: one(s.Organization), OrganizationalUnit: one(s.OrganizationalUnit), Province: one(s.Province),
		Locality: one(s.Locality), CommonName: apivalue.Of(s.CommonName),
	}
}

// keyOf is the algorithm and the size that was asked for.
func keyOf(k *KeyRequest) (algorithm string, size int) {
	if k == nil {
		return "", 0
	}
	return string(apivalue.Of(k.Algorithm)), int(apivalue.Of(k.Size))
}

func familyOf(f *Family) hierarchy.Family {
	if f == nil {
		return hierarchy.Private
	}
	return hierarchy.Family(*f)
}

// days is a validity; 0 for none.
func days(n *int) time.Duration { return time.Duration(apivalue.Of(n)) * 24 * time.Hour }
