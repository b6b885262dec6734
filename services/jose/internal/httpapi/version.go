package httpapi

import (
	"context"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// RotateKey implements POST /keys/{id}/rotate.
func (h *Operations) RotateKey(ctx context.Context, request RotateKeyRequestObject) (RotateKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	immediate := request.Body != nil && apivalue.Of(request.Body.Immediate)
	version, err := h.authority.Rotate(ctx, who, authority.RefOf(request.Id), immediate)
	if err != nil {
		return nil, err
	}
	about(ctx, version.KeyID, version.Number)
	return RotateKey201JSONResponse{
		Body: h.version(version),
		// Relative to /keys/{id}/rotate (RFC 9110 section 10.2.2).
		Headers: RotateKey201ResponseHeaders{Location: apivalue.Optional("versions/" + strconv.FormatInt(version.Number, 10))},
	}, nil
}

// ListKeyVersions implements GET /keys/{id}/versions.
func (h *Operations) ListKeyVersions(ctx context.Context, request ListKeyVersionsRequestObject) (ListKeyVersionsResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	// The list is the key's, however the path calls it.
	key, err := h.authority.Get(ctx, who, authority.RefOf(request.Id))
	if err != nil {
		return nil, err
	}
	list := page.List{Tenant: who.Tenant, Name: "key-versions", Sort: "-version", Filter: []string{key.ID}}
	versions, cursor, err := page.Read(h.cursors, list, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]authority.Version, error) {
		below, err := page.Number(after)
		if err != nil {
			return nil, err
		}
		return h.authority.Versions(ctx, who, authority.Ref(key.ID), below, limit)
	}, func(v authority.Version) string { return strconv.FormatInt(v.Number, 10) })
	return ListKeyVersions200JSONResponse{Items: apivalue.Each(versions, h.version), NextCursor: cursor}, err
}

// GetKeyVersion implements GET /keys/{id}/versions/{version}.
func (h *Operations) GetKeyVersion(ctx context.Context, request GetKeyVersionRequestObject) (GetKeyVersionResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, request.Version)
	_, version, err := h.authority.Version(ctx, who, authority.OpRead, authority.RefOf(request.Id), request.Version)
	if err != nil {
		return nil, err
	}
	return GetKeyVersion200JSONResponse{KeyVersionJSONResponse(h.version(version))}, nil
}

// DestroyKeyVersion implements POST /keys/{id}/versions/{version}/destroy.
func (h *Operations) DestroyKeyVersion(ctx context.Context, request DestroyKeyVersionRequestObject) (DestroyKeyVersionResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, request.Version)
	version, err := h.authority.DestroyVersion(ctx, who, authority.RefOf(request.Id), request.Version)
	if err != nil {
		return nil, err
	}
	return DestroyKeyVersion200JSONResponse{KeyVersionJSONResponse(h.version(version))}, nil
}

func (h *Operations) version(v authority.Version) KeyVersion {
	return KeyVersion{
		Id: v.ID, KeyId: v.KeyID, Version: v.Number, Kid: v.KID(), Status: VersionStatus(h.authority.StatusOf(v)), Origin: Origin(v.Origin),
		ActivateAt: apivalue.Timestamp(v.ActivateAt), RetireAt: apivalue.OptionalTimestamp(v.RetireAt),
		PublishedUntil: apivalue.OptionalTimestamp(v.PublishedUntil), KmsVersion: apivalue.Optional(v.KMSVersion),
		Certificate: h.certificate(v), CreatedAt: apivalue.Timestamp(v.CreatedAt),
	}
}
