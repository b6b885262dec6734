package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// CreateElasticKey implements POST /elastic-keys.
func (h *Operations) CreateElasticKey(ctx context.Context, request CreateElasticKeyRequestObject) (CreateElasticKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	ask := newKey(*request.Body)
	ask.Async = prefersAsync(apivalue.Of(request.Params.Prefer))
	key, err := h.keys.Create(ctx, who, ask)
	if err != nil {
		return nil, err
	}
	about(ctx, key.ID, key.PrimaryVersion)
	if key.Status == keyring.ElasticPendingGenerate {
		answer := generating(key)
		answer.Headers.PreferenceApplied = apivalue.Optional(respondAsync)
		return CreateElasticKey202JSONResponse{answer}, nil
	}
	return CreateElasticKey201JSONResponse{
		Body: elasticKey(key),
		Headers: CreateElasticKey201ResponseHeaders{
			ETag: apivalue.Optional(etag.Of(key.Revision)),
			// Relative to /elastic-keys, so that it holds under both prefixes (RFC 9110 section 10.2.2).
			Location: apivalue.Optional("elastic-keys/" + key.ID),
		},
	}, nil
}

// ListElasticKeys implements GET /elastic-keys.
func (h *Operations) ListElasticKeys(ctx context.Context, request ListElasticKeysRequestObject) (ListElasticKeysResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	filter, sort := narrowed(request.Params)
	list := page.List{Tenant: who.Tenant, Name: "elastic-keys", Sort: string(sort), Filter: asTexts(filter)}
	keys, next, err := page.Read(h.cursors, list, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]keyring.ElasticKey, error) {
		return h.keys.List(ctx, who, keyring.KeyList{Filter: filter, Sort: sort, After: after, Limit: limit})
	}, func(k keyring.ElasticKey) string { return mark(k, sort) })
	if err != nil {
		return nil, err
	}
	return ListElasticKeys200JSONResponse{Items: apivalue.Each(keys, elasticKey), NextCursor: next}, nil
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
	tag := etag.Of(key.Revision)
	if etag.NoneMatch(apivalue.Of(request.Params.IfNoneMatch), tag) {
		return GetElasticKey304Response{Headers: NotModifiedResponseHeaders{ETag: &tag}}, nil
	}
	return GetElasticKey200JSONResponse{Body: elasticKey(key), Headers: GetElasticKey200ResponseHeaders{ETag: &tag}}, nil
}

// GetPublicKey implements GET /elastic-keys/{id}/public-key.
func (h *Operations) GetPublicKey(ctx context.Context, request GetPublicKeyRequestObject) (GetPublicKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	public, err := h.keys.Public(ctx, who, keyring.Ref(request.Id), apivalue.Of(request.Params.Version))
	if err != nil {
		return nil, err
	}
	return GetPublicKey200JSONResponse{Kid: public.KeyID, Version: public.Version, Jwk: public.JWK, Pem: public.PEM}, nil
}
