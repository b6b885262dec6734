package httpapi

import (
	"context"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// RotateElasticKey implements POST /elastic-keys/{id}/rotate.
func (h *Operations) RotateElasticKey(ctx context.Context, request RotateElasticKeyRequestObject) (RotateElasticKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	version, err := h.keys.Rotate(ctx, who, keyring.Ref(request.Id))
	if err != nil {
		return nil, err
	}
	about(ctx, version.ElasticKeyID, version.Version)
	return RotateElasticKey201JSONResponse{
		Body: materialKey(version, version.Version),
		// Relative to /elastic-keys/{id}/rotate (RFC 9110 section 10.2.2).
		Headers: RotateElasticKey201ResponseHeaders{Location: apivalue.Optional("material-keys/" + strconv.FormatInt(version.Version, 10))},
	}, nil
}

// CreateMaterialKey implements POST /elastic-keys/{id}/material-keys.
func (h *Operations) CreateMaterialKey(ctx context.Context, request CreateMaterialKeyRequestObject) (CreateMaterialKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	version, err := h.keys.Rotate(ctx, who, keyring.Ref(request.Id))
	if err != nil {
		return nil, err
	}
	about(ctx, version.ElasticKeyID, version.Version)
	return CreateMaterialKey201JSONResponse{
		Body: materialKey(version, version.Version),
		// Relative to /elastic-keys/{id}/material-keys (RFC 9110 section 10.2.2).
		Headers: CreateMaterialKey201ResponseHeaders{Location: apivalue.Optional("material-keys/" + strconv.FormatInt(version.Version, 10))},
	}, nil
}

// ListAllMaterialKeys implements GET /material-keys.
func (h *Operations) ListAllMaterialKeys(ctx context.Context, request ListAllMaterialKeysRequestObject) (ListAllMaterialKeysResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	filter := keyring.VersionFilter{Status: keyring.VersionStatus(apivalue.Of(request.Params.Status)), Algorithm: apivalue.Of(request.Params.Algorithm)}
	list := page.List{Tenant: who.Tenant, Name: "all-material-keys", Sort: "id", Filter: []string{string(filter.Status), filter.Algorithm}}
	versions, next, err := page.Read(h.cursors, list, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]keyring.ListedVersion, error) {
		return h.keys.AllVersions(ctx, who, filter, after, limit)
	}, func(v keyring.ListedVersion) string { return v.ID })
	if err != nil {
		return nil, err
	}
	return ListAllMaterialKeys200JSONResponse{Items: apivalue.Each(versions, func(v keyring.ListedVersion) MaterialKey {
		item := materialKey(v.MaterialKey, 0)
		item.Primary = v.Primary
		return item
	}), NextCursor: next}, nil
}

// ListMaterialKeys implements GET /elastic-keys/{id}/material-keys.
func (h *Operations) ListMaterialKeys(ctx context.Context, request ListMaterialKeysRequestObject) (ListMaterialKeysResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	// The list is the key's, however the path calls it.
	key, err := h.keys.Get(ctx, who, keyring.Ref(request.Id))
	if err != nil {
		return nil, err
	}
	list := page.List{Tenant: who.Tenant, Name: "material-keys", Sort: "-version", Filter: []string{key.ID}}
	versions, next, err := page.Read(h.cursors, list, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]keyring.MaterialKey, error) {
		below, err := page.Number(after)
		if err != nil {
			return nil, err
		}
		now, versions, err := h.keys.Versions(ctx, who, keyring.Ref(key.ID), below, limit)
		key = now
		return versions, err
	}, func(v keyring.MaterialKey) string { return strconv.FormatInt(v.Version, 10) })
	if err != nil {
		return nil, err
	}
	return ListMaterialKeys200JSONResponse{Items: apivalue.Each(versions, func(v keyring.MaterialKey) MaterialKey { return materialKey(v, key.PrimaryVersion) }), NextCursor: next}, nil
}

// GetMaterialKey implements GET /elastic-keys/{id}/material-keys/{version}.
func (h *Operations) GetMaterialKey(ctx context.Context, request GetMaterialKeyRequestObject) (GetMaterialKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	key, version, err := h.keys.Version(ctx, who, keyring.Ref(request.Id), request.Version)
	if err != nil {
		return nil, err
	}
	return GetMaterialKey200JSONResponse(materialKey(version, key.PrimaryVersion)), nil
}

func materialKey(version keyring.MaterialKey, primary int64) MaterialKey {
	return MaterialKey{
		Id:           version.ID,
		ElasticKeyId: version.ElasticKeyID,
		Version:      version.Version,
		Kid:          version.KeyID(),
		Status:       MaterialKeyStatus(version.Status),
		Primary:      version.Version == primary,
		Origin:       Origin(version.Origin),
		Exportable:   version.Exportable,
		Uses:         Uses{Count: version.Uses.Count, Bytes: version.Uses.Bytes, LastUsedAt: apivalue.OptionalTimestamp(version.Uses.LastUsedAt)},
		DestroyAt:    apivalue.OptionalTimestamp(version.DestroyAt),
		ExpiresAt:    apivalue.OptionalTimestamp(version.ExpiresAt),
		CreatedAt:    apivalue.Timestamp(version.CreatedAt),
		UpdatedAt:    apivalue.Timestamp(version.UpdatedAt),
	}
}
