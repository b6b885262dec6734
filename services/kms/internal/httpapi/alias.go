package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/mergepatch"
	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// CreateAlias implements POST /aliases.
func (h *Operations) CreateAlias(ctx context.Context, request CreateAliasRequestObject) (CreateAliasResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	made, err := h.keys.CreateAlias(ctx, who, request.Body.Name, keyring.Ref(request.Body.Key))
	if err != nil {
		return nil, err
	}
	about(ctx, made.ElasticKeyID, 0)
	return CreateAlias201JSONResponse{
		Body: alias(made),
		// Relative to /aliases (RFC 9110 section 10.2.2).
		Headers: CreateAlias201ResponseHeaders{ETag: apivalue.Optional(etag.Of(made.Revision)), Location: apivalue.Optional("aliases/" + made.Name)},
	}, nil
}

// ListAliases implements GET /aliases.
func (h *Operations) ListAliases(ctx context.Context, request ListAliasesRequestObject) (ListAliasesResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	ref := keyring.Ref(apivalue.Of(request.Params.Key))
	if ref != "" { // the list is the key's, however the query calls it
		key, err := h.keys.Get(ctx, who, ref)
		if err != nil {
			return nil, err
		}
		ref = keyring.Ref(key.ID)
	}
	list := page.List{Tenant: who.Tenant, Name: "aliases", Sort: "name", Filter: []string{string(ref)}}
	aliases, next, err := page.Read(h.cursors, list, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]keyring.Alias, error) {
		return h.keys.Aliases(ctx, who, ref, after, limit)
	}, func(a keyring.Alias) string { return a.Name })
	if err != nil {
		return nil, err
	}
	return ListAliases200JSONResponse{Items: apivalue.Each(aliases, alias), NextCursor: next}, nil
}

// GetAlias implements GET /aliases/{name}.
func (h *Operations) GetAlias(ctx context.Context, request GetAliasRequestObject) (GetAliasResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	found, err := h.keys.Alias(ctx, who, request.Name)
	if err != nil {
		return nil, err
	}
	about(ctx, found.ElasticKeyID, 0)
	tag := etag.Of(found.Revision)
	if etag.NoneMatch(apivalue.Of(request.Params.IfNoneMatch), tag) {
		return GetAlias304Response{Headers: NotModifiedResponseHeaders{ETag: &tag}}, nil
	}
	return GetAlias200JSONResponse{Body: alias(found), Headers: GetAlias200ResponseHeaders{ETag: &tag}}, nil
}

// writableAlias is what a patch can change.
type writableAlias struct {
	Key string `json:"key"`
}

// UpdateAlias implements PATCH /aliases/{name}.
func (h *Operations) UpdateAlias(ctx context.Context, request UpdateAliasRequestObject) (UpdateAliasResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	revision, err := etag.Version(apivalue.Of(request.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	want, err := mergepatch.Apply(writableAlias{}, *request.Body)
	if err != nil {
		return nil, err
	}
	moved, err := h.keys.MoveAlias(ctx, who, request.Name, revision, keyring.Ref(want.Key))
	if err != nil {
		return nil, unseen(err)
	}
	about(ctx, moved.ElasticKeyID, 0)
	return UpdateAlias200JSONResponse{Body: alias(moved), Headers: UpdateAlias200ResponseHeaders{ETag: apivalue.Optional(etag.Of(moved.Revision))}}, nil
}

// DeleteAlias implements DELETE /aliases/{name}.
func (h *Operations) DeleteAlias(ctx context.Context, request DeleteAliasRequestObject) (DeleteAliasResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := h.keys.DeleteAlias(ctx, who, request.Name); err != nil {
		return nil, err
	}
	return DeleteAlias204Response{}, nil
}

func alias(a keyring.Alias) Alias {
	return Alias{Name: a.Name, ElasticKeyId: a.ElasticKeyID, CreatedAt: apivalue.Timestamp(a.CreatedAt), UpdatedAt: apivalue.Timestamp(a.UpdatedAt)}
}
