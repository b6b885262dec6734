package httpapi

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/page"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// CreateKeyGrant implements POST /elastic-keys/{id}/grants.
func (h *Operations) CreateKeyGrant(ctx context.Context, request CreateKeyGrantRequestObject) (CreateKeyGrantResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	made, key, err := h.keys.CreateGrant(ctx, who, keyring.Ref(request.Id), newGrant(*request.Body))
	if err != nil {
		return nil, err
	}
	about(ctx, key.ID, 0)
	return CreateKeyGrant201JSONResponse{
		Body: keyGrant(key, made),
		// Relative to /elastic-keys/{id}/grants (RFC 9110 section 10.2.2).
		Headers: CreateKeyGrant201ResponseHeaders{Location: apivalue.Optional("grants/" + made.ID)},
	}, nil
}

// ListKeyGrants implements GET /elastic-keys/{id}/grants.
func (h *Operations) ListKeyGrants(ctx context.Context, request ListKeyGrantsRequestObject) (ListKeyGrantsResponseObject, error) {
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
	list := page.List{Tenant: who.Tenant, Name: "key-grants", Sort: "id", Filter: []string{key.ID}}
	grants, next, err := page.Read(h.cursors, list, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]keyring.Grant, error) {
		_, grants, err := h.keys.Grants(ctx, who, keyring.Ref(key.ID), after, limit)
		return grants, err
	}, func(g keyring.Grant) string { return g.ID })
	if err != nil {
		return nil, err
	}
	return ListKeyGrants200JSONResponse{Items: apivalue.Each(grants, func(g keyring.Grant) KeyGrant { return keyGrant(key, g) }), NextCursor: next}, nil
}

// GetKeyGrant implements GET /elastic-keys/{id}/grants/{grant}.
func (h *Operations) GetKeyGrant(ctx context.Context, request GetKeyGrantRequestObject) (GetKeyGrantResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	key, g, err := h.keys.Grant(ctx, who, keyring.Ref(request.Id), request.Grant)
	if err != nil {
		return nil, err
	}
	return GetKeyGrant200JSONResponse(keyGrant(key, g)), nil
}

// ending takes a grant back, or gives it up.
type ending func(context.Context, keyring.Caller, keyring.Ref, string) (keyring.ElasticKey, error)

func end(ctx context.Context, key, grant string, how ending) error {
	who, err := caller(ctx)
	if err != nil {
		return err
	}
	about(ctx, key, 0)
	of, err := how(ctx, who, keyring.Ref(key), grant)
	if err == nil {
		about(ctx, of.ID, 0)
	}
	return err
}

// RevokeKeyGrant implements DELETE /elastic-keys/{id}/grants/{grant}.
func (h *Operations) RevokeKeyGrant(ctx context.Context, request RevokeKeyGrantRequestObject) (RevokeKeyGrantResponseObject, error) {
	return RevokeKeyGrant204Response{}, end(ctx, request.Id, request.Grant, h.keys.RevokeGrant)
}

// RetireKeyGrant implements POST /elastic-keys/{id}/grants/{grant}/retire.
func (h *Operations) RetireKeyGrant(ctx context.Context, request RetireKeyGrantRequestObject) (RetireKeyGrantResponseObject, error) {
	return RetireKeyGrant204Response{}, end(ctx, request.Id, request.Grant, h.keys.RetireGrant)
}

func newGrant(body NewKeyGrant) keyring.Grant {
	ask := keyring.Grant{Grantee: keyring.Principal{Kind: string(body.Grantee.Kind), ID: body.Grantee.Id}, ExpiresAt: apivalue.Of(body.ExpiresAt)}
	for _, op := range body.Operations {
		ask.Operations = append(ask.Operations, keyring.Operation(op))
	}
	if c := body.Constraints; c != nil {
		ask.Terms = keyring.Terms{Equals: keyring.Context(apivalue.Of(c.ContextEquals)), Includes: keyring.Context(apivalue.Of(c.ContextIncludes))}
	}
	if r := body.RetiringPrincipal; r != nil {
		ask.Retiring = &keyring.Principal{Kind: string(r.Kind), ID: r.Id}
	}
	if !ask.ExpiresAt.IsZero() {
		ask.ExpiresAt = ask.ExpiresAt.Truncate(time.Microsecond)
	}
	return ask
}

func keyGrant(key keyring.ElasticKey, g keyring.Grant) KeyGrant {
	view := KeyGrant{
		Id: g.ID, ElasticKeyId: key.ID, Grantee: principal(g.Grantee), CreatedBy: GrantMaker{Kind: GrantMakerKind(g.Maker.Kind), Subject: g.Maker.ID}, Operations: []string{},
		ExpiresAt: apivalue.OptionalTimestamp(g.ExpiresAt), CreatedAt: apivalue.Timestamp(g.CreatedAt),
	}
	for _, op := range g.Operations {
		view.Operations = append(view.Operations, string(op))
	}
	if g.Retiring != nil {
		view.RetiringPrincipal = new(principal(*g.Retiring))
	}
	if len(g.Terms.Equals)+len(g.Terms.Includes) > 0 {
		view.Constraints = &GrantConstraints{ContextEquals: bound(g.Terms.Equals), ContextIncludes: bound(g.Terms.Includes)}
	}
	return view
}

func principal(p keyring.Principal) GrantPrincipal {
	return GrantPrincipal{Kind: GrantPrincipalKind(p.Kind), Id: p.ID}
}

// bound is a context, or nil for an empty one, which is left out of JSON.
func bound(c keyring.Context) *Context {
	if len(c) == 0 {
		return nil
	}
	return new(Context(c))
}
