package admin

import (
	"context"
	"encoding/json"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/auth/internal/adminapi"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
)

// CreateGrant implements POST /grants.
func (o *Operations) CreateGrant(ctx context.Context, request adminapi.CreateGrantRequestObject) (adminapi.CreateGrantResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	expires, err := o.future(b.ExpiresAt)
	if err != nil {
		return nil, err
	}
	made, err := o.dir.CreateGrant(ctx, by, directory.Grant{
		SubjectKind: string(b.SubjectKind), SubjectID: b.SubjectId,
		Grant: auth.Grant{Kind: b.ResourceKind, Resource: b.Resource, Prefix: apivalue.Of(b.Prefix), Scopes: b.Scopes, ExpiresAt: expires},
	})
	if err != nil {
		return nil, err
	}
	return adminapi.CreateGrant201JSONResponse{
		Body: grant(made), Headers: adminapi.CreateGrant201ResponseHeaders{Location: apivalue.Optional("grants/" + made.ID)},
	}, nil
}

// ListGrants implements GET /grants.
func (o *Operations) ListGrants(ctx context.Context, request adminapi.ListGrantsRequestObject) (adminapi.ListGrantsResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	subject, resource := apivalue.Of(request.Params.Subject), apivalue.Of(request.Params.Resource)
	of := page.List{Tenant: by.Tenant, Name: "grants", Sort: "id", Filter: []string{subject, resource}}
	items, next, err := page.Read(o.cfg.Cursors, of, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]directory.Grant, error) {
		return o.dir.ListGrants(ctx, by.Tenant, subject, resource, after, limit)
	}, func(g directory.Grant) string { return g.ID })
	if err != nil {
		return nil, err
	}
	return adminapi.ListGrants200JSONResponse{Items: apivalue.Each(items, grant), NextCursor: next}, nil
}

// GetGrant implements GET /grants/{id}.
func (o *Operations) GetGrant(ctx context.Context, request adminapi.GetGrantRequestObject) (adminapi.GetGrantResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	found, err := o.dir.Grant(ctx, by.Tenant, request.Id)
	return adminapi.GetGrant200JSONResponse(grant(found)), err
}

// DeleteGrant implements DELETE /grants/{id}.
func (o *Operations) DeleteGrant(ctx context.Context, request adminapi.DeleteGrantRequestObject) (adminapi.DeleteGrantResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return adminapi.DeleteGrant204Response{}, o.dir.DeleteGrant(ctx, by, request.Id)
}

func grant(g directory.Grant) adminapi.Grant {
	var terms *json.RawMessage
	if g.Terms != "" {
		terms = new(json.RawMessage(g.Terms))
	}
	return adminapi.Grant{
		Terms: terms,
		Id:    g.ID, SubjectKind: adminapi.GrantSubjectKind(g.SubjectKind), SubjectId: g.SubjectID, ResourceKind: g.Kind, Resource: g.Resource,
		Prefix: g.Prefix, Scopes: append([]string{}, g.Scopes...), ExpiresAt: apivalue.OptionalTimestamp(g.ExpiresAt), CreatedAt: apivalue.Timestamp(g.CreatedAt),
	}
}
