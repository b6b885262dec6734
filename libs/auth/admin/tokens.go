package admin

import (
	"context"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/auth/internal/adminapi"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/mergepatch"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
)

// CreateApiToken implements POST /api-tokens. A user who does not say for whom the token is means himself.
func (o *Operations) CreateApiToken(ctx context.Context, request adminapi.CreateApiTokenRequestObject) (adminapi.CreateApiTokenResponseObject, error) { //nolint:revive // generated name
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	expires, err := o.future(b.ExpiresAt)
	if err != nil {
		return nil, err
	}
	owner := apivalue.Of(b.Owner)
	if owner == "" && !o.dir.Administers(by) {
		owner = o.dir.OwnerOf(by)
	}
	made, secret, err := o.dir.CreateToken(ctx, by, directory.Token{Name: b.Name, Owner: owner, Scopes: b.Scopes, ExpiresAt: expires})
	if err != nil {
		return nil, err
	}
	plain := token(made)
	return adminapi.CreateApiToken201JSONResponse{
		Body: adminapi.TokenWithText{
			Id: plain.Id, Name: plain.Name, Owner: plain.Owner, Scopes: plain.Scopes, Disabled: plain.Disabled, ExpiresAt: plain.ExpiresAt,
			Version: plain.Version, CreatedAt: plain.CreatedAt, UpdatedAt: plain.UpdatedAt, Token: secret.Text(),
		},
		Headers: adminapi.CreateApiToken201ResponseHeaders{ETag: apivalue.Optional(etag.Of(made.Version)), Location: apivalue.Optional("api-tokens/" + made.ID)},
	}, nil
}

// ListApiTokens implements GET /api-tokens.
func (o *Operations) ListApiTokens(ctx context.Context, request adminapi.ListApiTokensRequestObject) (adminapi.ListApiTokensResponseObject, error) { //nolint:revive // generated name
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	owner := apivalue.Of(request.Params.Owner)
	of := page.List{Tenant: by.Tenant, Name: "api-tokens", Sort: "id", Filter: []string{owner}}
	items, next, err := page.Read(o.cfg.Cursors, of, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]directory.Token, error) {
		return o.dir.Tokens(ctx, by, owner, after, limit)
	}, func(t directory.Token) string { return t.ID })
	if err != nil {
		return nil, err
	}
	return adminapi.ListApiTokens200JSONResponse{Items: apivalue.Each(items, token), NextCursor: next}, nil
}

// GetApiToken implements GET /api-tokens/{id}.
func (o *Operations) GetApiToken(ctx context.Context, request adminapi.GetApiTokenRequestObject) (adminapi.GetApiTokenResponseObject, error) { //nolint:revive // generated name
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	found, err := o.dir.Token(ctx, by, request.Id)
	if err != nil {
		return nil, err
	}
	return adminapi.GetApiToken200JSONResponse{Body: token(found), Headers: adminapi.GetApiToken200ResponseHeaders{ETag: apivalue.Optional(etag.Of(found.Version))}}, nil
}

// writableToken is what a patch can change.
type writableToken struct {
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	Disabled  bool       `json:"disabled"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// UpdateApiToken implements PATCH /api-tokens/{id}.
func (o *Operations) UpdateApiToken(ctx context.Context, request adminapi.UpdateApiTokenRequestObject) (adminapi.UpdateApiTokenResponseObject, error) { //nolint:revive // generated name
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	version, err := etag.Version(apivalue.Of(request.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	changed, err := o.dir.UpdateToken(ctx, by, request.Id, version, func(t *directory.Token) error {
		want, err := mergepatch.Apply(writableToken{Name: t.Name, Scopes: t.Scopes, Disabled: t.Disabled, ExpiresAt: moment(t.ExpiresAt)}, *request.Body)
		if err != nil {
			return err
		}
		t.Name, t.Scopes, t.Disabled = want.Name, want.Scopes, want.Disabled
		t.ExpiresAt, err = o.end(t.ExpiresAt, want.ExpiresAt)
		return err
	})
	if err != nil {
		return nil, err
	}
	return adminapi.UpdateApiToken200JSONResponse{Body: token(changed), Headers: adminapi.UpdateApiToken200ResponseHeaders{ETag: apivalue.Optional(etag.Of(changed.Version))}}, nil
}

// DeleteApiToken implements DELETE /api-tokens/{id}.
func (o *Operations) DeleteApiToken(ctx context.Context, request adminapi.DeleteApiTokenRequestObject) (adminapi.DeleteApiTokenResponseObject, error) { //nolint:revive // generated name
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return adminapi.DeleteApiToken204Response{}, o.dir.DeleteToken(ctx, by, request.Id)
}

func token(t directory.Token) adminapi.Token {
	return adminapi.Token{
		Id: t.ID, Name: t.Name, Owner: apivalue.Optional(t.Owner), Scopes: append([]string{}, t.Scopes...), Disabled: t.Disabled,
		ExpiresAt: apivalue.OptionalTimestamp(t.ExpiresAt), Version: t.Version, CreatedAt: apivalue.Timestamp(t.CreatedAt), UpdatedAt: apivalue.Timestamp(t.UpdatedAt),
	}
}
