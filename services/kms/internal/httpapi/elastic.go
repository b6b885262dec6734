package httpapi

import (
	"context"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// CreateElasticKey implements POST /elastic-keys.
func (h *Operations) CreateElasticKey(ctx context.Context, request CreateElasticKeyRequestObject) (CreateElasticKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	key, err := h.keys.Create(ctx, who, keyring.NewKey{
		Name:        request.Body.Name,
		Description: value(request.Body.Description),
		Algorithm:   request.Body.Algorithm,
		KeySize:     int(value(request.Body.KeySize)),
		Curve:       string(value(request.Body.Curve)),
		Origin:      keyring.Origin(value(request.Body.Origin)),
		Exportable:  value(request.Body.Exportable),
		Published:   value(request.Body.Published),
	})
	if err != nil {
		return nil, err
	}
	about(ctx, key.ID, key.PrimaryVersion)
	return CreateElasticKey201JSONResponse{
		Body: elasticKey(key),
		Headers: CreateElasticKey201ResponseHeaders{
			ETag: optional(etag(key)),
			// Relative to /elastic-keys, so that it holds under both prefixes (RFC 9110 section 10.2.2).
			Location: optional("elastic-keys/" + key.ID),
		},
	}, nil
}

// ListElasticKeys implements GET /elastic-keys.
func (h *Operations) ListElasticKeys(ctx context.Context, request ListElasticKeysRequestObject) (ListElasticKeysResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	filter := keyring.Filter{
		Name:      value(request.Params.Name),
		Algorithm: value(request.Params.Algorithm),
		Status:    keyring.ElasticStatus(value(request.Params.Status)),
	}
	list := page.List{
		Tenant: who.Tenant, Name: "elastic-keys", Sort: "id",
		Filter: []string{filter.Name, filter.Algorithm, string(filter.Status)},
	}
	limit := page.Limit(request.Params.Limit)
	after, err := h.cursors.Decode(list, value(request.Params.Cursor))
	if err != nil {
		return nil, err
	}
	keys, err := h.keys.List(ctx, who, keyring.KeyList{Filter: filter, After: after, Limit: limit + 1})
	if err != nil {
		return nil, err
	}
	answer := ListElasticKeys200JSONResponse{Items: []ElasticKey{}}
	if len(keys) > limit {
		keys = keys[:limit]
		next, err := h.cursors.Encode(list, keys[limit-1].ID)
		if err != nil {
			return nil, err
		}
		answer.NextCursor = &next
	}
	for _, key := range keys {
		answer.Items = append(answer.Items, elasticKey(key))
	}
	return answer, nil
}

// GetElasticKey implements GET /elastic-keys/{id}.
func (h *Operations) GetElasticKey(ctx context.Context, request GetElasticKeyRequestObject) (GetElasticKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	key, err := h.keys.Get(ctx, who, keyring.Ref(request.Id))
	if err != nil {
		return nil, err
	}
	return GetElasticKey200JSONResponse{Body: elasticKey(key), Headers: GetElasticKey200ResponseHeaders{ETag: optional(etag(key))}}, nil
}

// GetPublicKey implements GET /elastic-keys/{id}/public-key.
func (h *Operations) GetPublicKey(ctx context.Context, request GetPublicKeyRequestObject) (GetPublicKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	public, err := h.keys.Public(ctx, who, keyring.Ref(request.Id), value(request.Params.Version))
	if err != nil {
		return nil, err
	}
	return GetPublicKey200JSONResponse{Kid: public.KeyID, Version: public.Version, Jwk: public.JWK, Pem: public.PEM}, nil
}

func elasticKey(key keyring.ElasticKey) ElasticKey {
	return ElasticKey{
		Id:             key.ID,
		Name:           key.Name,
		Description:    key.Description,
		Algorithm:      key.Algorithm,
		KeySize:        optional(key.KeySize),
		Curve:          optional(key.Curve),
		Use:            KeyUse(key.Use),
		Status:         ElasticKeyStatus(key.Status),
		Origin:         KeyOrigin(key.Origin),
		Exportable:     key.Exportable,
		Published:      key.Published,
		PrimaryVersion: key.PrimaryVersion,
		VersionCount:   key.VersionCount,
		CreatedAt:      timestamp(key.CreatedAt),
		UpdatedAt:      timestamp(key.UpdatedAt),
	}
}

// etag is a strong validator (RFC 9110 section 8.8.3): every change of a key sets updated_at, and a rotation counts a version.
func etag(key keyring.ElasticKey) string {
	return fmt.Sprintf(`"%x-%x"`, key.UpdatedAt.UnixMicro(), key.VersionCount)
}
