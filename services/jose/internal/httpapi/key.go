package httpapi

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/mergepatch"
	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// CreateKey implements POST /keys.
func (h *Operations) CreateKey(ctx context.Context, request CreateKeyRequestObject) (CreateKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	key, version, err := h.authority.Create(ctx, who, authority.NewKey{
		Name: b.Name, Description: apivalue.Of(b.Description), Algorithm: b.Algorithm, KeySize: int(apivalue.Of(b.KeySize)),
		Curve: string(apivalue.Of(b.Curve)), Published: b.Published, Exportable: apivalue.Of(b.Exportable), TokenLifetime: seconds(apivalue.Of(b.TokenLifetimeSeconds)),
	})
	if err != nil {
		return nil, err
	}
	about(ctx, key.ID, version.Number)
	return CreateKey201JSONResponse{Body: keyOf(key), Headers: CreateKey201ResponseHeaders{
		// Relative to /keys, so that it holds under both prefixes (RFC 9110 section 10.2.2).
		ETag: apivalue.Optional(etag.Of(key.Revision)), Location: apivalue.Optional("keys/" + key.ID),
	}}, nil
}

// ImportKey implements POST /keys/import.
func (h *Operations) ImportKey(ctx context.Context, request ImportKeyRequestObject) (ImportKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	ask := authority.NewKey{
		Name: b.Name, Description: apivalue.Of(b.Description), Algorithm: apivalue.Of(b.Algorithm), Published: b.Published,
		Exportable: apivalue.Of(b.Exportable), TokenLifetime: seconds(apivalue.Of(b.TokenLifetimeSeconds)),
	}
	var key authority.Key
	var version authority.Version
	switch {
	case (b.Jwk == nil) == (b.Jwe == nil):
		return nil, apivalue.Invalid("/jwk", "give either jwk or jwe")
	case b.Jwe != nil:
		key, version, err = h.authority.ImportEncrypted(ctx, who, ask, *b.Jwe)
	default:
		defer clear(*b.Jwk)
		key, version, err = h.authority.Import(ctx, who, ask, *b.Jwk)
	}
	if err != nil {
		return nil, err
	}
	about(ctx, key.ID, version.Number)
	return ImportKey201JSONResponse{Body: keyOf(key), Headers: ImportKey201ResponseHeaders{
		ETag: apivalue.Optional(etag.Of(key.Revision)), Location: apivalue.Optional(key.ID), // relative to /keys/import
	}}, nil
}

// AdoptKMSKey implements POST /keys/kms.
func (h *Operations) AdoptKMSKey(ctx context.Context, request AdoptKMSKeyRequestObject) (AdoptKMSKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	key, version, err := h.authority.CreateElsewhere(ctx, who, authority.NewCustodyKey{Elastic: b.KmsKey, NewKey: authority.NewKey{
		Name: b.Name, Description: apivalue.Of(b.Description), Published: b.Published, TokenLifetime: seconds(apivalue.Of(b.TokenLifetimeSeconds)),
	}})
	if err != nil {
		return nil, err
	}
	about(ctx, key.ID, version.Number)
	return AdoptKMSKey201JSONResponse{Body: keyOf(key), Headers: AdoptKMSKey201ResponseHeaders{
		ETag: apivalue.Optional(etag.Of(key.Revision)), Location: apivalue.Optional(key.ID), // relative to /keys/kms
	}}, nil
}

// ListKeys implements GET /keys.
func (h *Operations) ListKeys(ctx context.Context, request ListKeysRequestObject) (ListKeysResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	filter := authority.KeyList{
		Name: apivalue.Of(request.Params.Name), Algorithm: apivalue.Of(request.Params.Algorithm),
		Status: authority.KeyStatus(apivalue.Of(request.Params.Status)),
	}
	list := page.List{Tenant: who.Tenant, Name: "keys", Sort: "id", Filter: []string{filter.Name, filter.Algorithm, string(filter.Status)}}
	keys, cursor, err := page.Read(h.cursors, list, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]authority.Key, error) {
		filter.After, filter.Limit = after, limit
		return h.authority.List(ctx, who, filter)
	}, func(k authority.Key) string { return k.ID })
	return ListKeys200JSONResponse{Items: apivalue.Each(keys, keyOf), NextCursor: cursor}, err
}

// GetKey implements GET /keys/{id}.
func (h *Operations) GetKey(ctx context.Context, request GetKeyRequestObject) (GetKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	key, err := h.authority.Get(ctx, who, authority.RefOf(request.Id))
	if err != nil {
		return nil, err
	}
	return GetKey200JSONResponse{Body: keyOf(key), Headers: GetKey200ResponseHeaders{ETag: apivalue.Optional(etag.Of(key.Revision))}}, nil
}

// writableKey is what a patch can change.
type writableKey struct {
	Description          *string `json:"description,omitempty"`
	Published            bool    `json:"published"`
	TokenLifetimeSeconds int64   `json:"token_lifetime_seconds"`
}

// UpdateKey implements PATCH /keys/{id}.
func (h *Operations) UpdateKey(ctx context.Context, request UpdateKeyRequestObject) (UpdateKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	revision, err := etag.Version(apivalue.Of(request.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	key, err := h.authority.Update(ctx, who, authority.RefOf(request.Id), revision, func(k authority.Key) (authority.Key, error) {
		want, err := mergepatch.Apply(writableKey{
			Description: apivalue.Optional(k.Description), Published: k.Published, TokenLifetimeSeconds: int64(k.TokenLifetime / time.Second),
		}, *request.Body)
		k.Description, k.Published, k.TokenLifetime = apivalue.Of(want.Description), want.Published, seconds(want.TokenLifetimeSeconds)
		return k, err
	})
	if err != nil {
		return nil, err
	}
	return UpdateKey200JSONResponse{Body: keyOf(key), Headers: UpdateKey200ResponseHeaders{ETag: apivalue.Optional(etag.Of(key.Revision))}}, nil
}

// EnableKey implements POST /keys/{id}/enable.
func (h *Operations) EnableKey(ctx context.Context, request EnableKeyRequestObject) (EnableKeyResponseObject, error) {
	answer, err := h.move(ctx, request.Id, h.authority.Enable)
	return EnableKey200JSONResponse{answer}, err
}

// DisableKey implements POST /keys/{id}/disable.
func (h *Operations) DisableKey(ctx context.Context, request DisableKeyRequestObject) (DisableKeyResponseObject, error) {
	answer, err := h.move(ctx, request.Id, h.authority.Disable)
	return DisableKey200JSONResponse{answer}, err
}

// DestroyKey implements POST /keys/{id}/destroy.
func (h *Operations) DestroyKey(ctx context.Context, request DestroyKeyRequestObject) (DestroyKeyResponseObject, error) {
	answer, err := h.move(ctx, request.Id, h.authority.Destroy)
	return DestroyKey200JSONResponse{answer}, err
}

// move changes the state of a key.
func (h *Operations) move(
	ctx context.Context, id string, change func(context.Context, authority.Caller, authority.Ref) (authority.Key, error),
) (KeyJSONResponse, error) {
	who, err := caller(ctx)
	if err != nil {
		return KeyJSONResponse{}, err
	}
	about(ctx, id, 0)
	key, err := change(ctx, who, authority.RefOf(id))
	if err != nil {
		return KeyJSONResponse{}, err
	}
	return KeyJSONResponse{Body: keyOf(key), Headers: KeyResponseHeaders{ETag: apivalue.Optional(etag.Of(key.Revision))}}, nil
}

// GetPublicKey implements GET /keys/{id}/public-key.
func (h *Operations) GetPublicKey(ctx context.Context, request GetPublicKeyRequestObject) (GetPublicKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	public, err := h.authority.Public(ctx, who, authority.RefOf(request.Id), apivalue.Of(request.Params.Version))
	if err != nil {
		return nil, err
	}
	return GetPublicKey200JSONResponse{Kid: public.KID, Version: public.Version, Jwk: public.JWK, Pem: public.PEM}, nil
}

// GetKeySet implements GET /jwks.
func (h *Operations) GetKeySet(ctx context.Context, _ GetKeySetRequestObject) (GetKeySetResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	set, err := h.authority.Set(ctx, who)
	if err != nil {
		return nil, err
	}
	return GetKeySet200JSONResponse{Body: set.JSON, Headers: GetKeySet200ResponseHeaders{ETag: apivalue.Optional(set.ETag)}}, nil
}

func keyOf(key authority.Key) Key {
	return Key{
		Id: key.ID, Name: key.Name, Description: key.Description, Algorithm: key.Algorithm, KeySize: apivalue.Optional(key.KeySize),
		Curve: apivalue.Optional(key.Curve), Use: KeyUse(key.Use), Status: KeyStatus(key.Status), Published: key.Published,
		Exportable: key.Exportable, KmsKey: apivalue.Optional(key.KMSKey), TokenLifetimeSeconds: int64(key.TokenLifetime / time.Second), VersionCount: key.VersionCount,
		CreatedAt: apivalue.Timestamp(key.CreatedAt), UpdatedAt: apivalue.Timestamp(key.UpdatedAt),
	}
}

// seconds is a duration as requests have it.
func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }
