package httpapi

import (
	"context"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

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
	limit := page.Limit(request.Params.Limit)
	after, err := h.cursors.Decode(list, apivalue.Of(request.Params.Cursor))
	if err != nil {
		return nil, err
	}
	versions, err := h.keys.AllVersions(ctx, who, filter, after, limit+1)
	if err != nil {
		return nil, err
	}
	answer := ListAllMaterialKeys200JSONResponse{Items: []MaterialKey{}}
	if len(versions) > limit {
		versions = versions[:limit]
		next, err := h.cursors.Encode(list, versions[limit-1].ID)
		if err != nil {
			return nil, err
		}
		answer.NextCursor = &next
	}
	for _, version := range versions {
		item := materialKey(version.MaterialKey, 0)
		item.Primary = version.Primary
		answer.Items = append(answer.Items, item)
	}
	return answer, nil
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
	limit := page.Limit(request.Params.Limit)
	below, err := h.below(list, apivalue.Of(request.Params.Cursor))
	if err != nil {
		return nil, err
	}
	key, versions, err := h.keys.Versions(ctx, who, keyring.Ref(key.ID), below, limit+1)
	if err != nil {
		return nil, err
	}
	answer := ListMaterialKeys200JSONResponse{Items: []MaterialKey{}}
	if len(versions) > limit {
		versions = versions[:limit]
		next, err := h.cursors.Encode(list, strconv.FormatInt(versions[limit-1].Version, 10))
		if err != nil {
			return nil, err
		}
		answer.NextCursor = &next
	}
	for _, version := range versions {
		answer.Items = append(answer.Items, materialKey(version, key.PrimaryVersion))
	}
	return answer, nil
}

// below decodes a cursor into the version that the page before ended with; 0 without one.
func (h *Operations) below(list page.List, cursor string) (int64, error) {
	last, err := h.cursors.Decode(list, cursor)
	if err != nil || last == "" {
		return 0, err
	}
	version, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		return 0, problem.New(problem.InvalidCursor, "start again without a cursor").Because(err)
	}
	return version, nil
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
