package admin

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/auth/internal/adminapi"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/mergepatch"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// CreateUser implements POST /users.
func (o *Operations) CreateUser(ctx context.Context, request adminapi.CreateUserRequestObject) (adminapi.CreateUserResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	expires, err := o.future(b.ExpiresAt)
	if err != nil {
		return nil, err
	}
	ask := directory.User{Login: b.Login, Email: apivalue.Of(b.Email), Name: apivalue.Of(b.Name), Disabled: apivalue.Of(b.Disabled), ExpiresAt: expires}
	if err := checkLogins(ask); err != nil {
		return nil, err
	}
	made, err := o.dir.CreateUser(ctx, by, ask, apivalue.Of(b.Password))
	if err != nil {
		return nil, err
	}
	return adminapi.CreateUser201JSONResponse{Body: user(made), Headers: adminapi.CreateUser201ResponseHeaders{
		ETag: apivalue.Optional(etag.Of(made.Version)), Location: apivalue.Optional("users/" + made.ID),
	}}, nil
}

// checkLogins finds names that nobody could type.
func checkLogins(u directory.User) error {
	bad := func(text string) bool {
		return auth.NormalizeLogin(text) == "" || strings.TrimSpace(text) != text || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
	}
	fault := func(pointer, detail string) error {
		return problem.New(problem.ValidationFailed, "the body does not fit the operation").With(problem.Field{Pointer: pointer, Detail: detail})
	}
	if bad(u.Login) {
		return fault("/login", "must be printable characters without space around them")
	}
	if u.Email == "" {
		return nil
	}
	local, domain, _ := strings.Cut(u.Email, "@")
	if bad(u.Email) || local == "" || domain == "" || strings.ContainsAny(domain, "@ ") {
		return fault("/email", "must be an e-mail address")
	}
	return nil
}

// ListUsers implements GET /users.
func (o *Operations) ListUsers(ctx context.Context, request adminapi.ListUsersRequestObject) (adminapi.ListUsersResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	login := apivalue.Of(request.Params.Login)
	of := page.List{Tenant: by.Tenant, Name: "users", Sort: "id", Filter: []string{login}}
	items, next, err := page.Read(o.cfg.Cursors, of, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]directory.User, error) {
		return o.dir.Users(ctx, by.Tenant, login, after, limit)
	}, func(u directory.User) string { return u.ID })
	if err != nil {
		return nil, err
	}
	return adminapi.ListUsers200JSONResponse{Items: apivalue.Each(items, user), NextCursor: next}, nil
}

// GetUser implements GET /users/{id}.
func (o *Operations) GetUser(ctx context.Context, request adminapi.GetUserRequestObject) (adminapi.GetUserResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	found, err := o.dir.User(ctx, by.Tenant, request.Id)
	if err != nil {
		return nil, err
	}
	return adminapi.GetUser200JSONResponse{Body: user(found), Headers: adminapi.GetUser200ResponseHeaders{ETag: apivalue.Optional(etag.Of(found.Version))}}, nil
}

// writableUser is what a patch can change.
type writableUser struct {
	Login     string     `json:"login"`
	Email     *string    `json:"email,omitempty"`
	Name      *string    `json:"name,omitempty"`
	Disabled  bool       `json:"disabled"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// UpdateUser implements PATCH /users/{id}.
func (o *Operations) UpdateUser(ctx context.Context, request adminapi.UpdateUserRequestObject) (adminapi.UpdateUserResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	version, err := etag.Version(apivalue.Of(request.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	changed, err := o.dir.UpdateUser(ctx, by, request.Id, version, func(u *directory.User) error {
		want, err := mergepatch.Apply(writableUser{
			Login: u.Login, Email: apivalue.Optional(u.Email), Name: apivalue.Optional(u.Name), Disabled: u.Disabled, ExpiresAt: moment(u.ExpiresAt),
		}, *request.Body)
		if err != nil {
			return err
		}
		u.Login, u.Email, u.Name, u.Disabled = want.Login, apivalue.Of(want.Email), apivalue.Of(want.Name), want.Disabled
		if u.ExpiresAt, err = o.end(u.ExpiresAt, want.ExpiresAt); err != nil {
			return err
		}
		return checkLogins(*u)
	})
	if err != nil {
		return nil, err
	}
	return adminapi.UpdateUser200JSONResponse{Body: user(changed), Headers: adminapi.UpdateUser200ResponseHeaders{ETag: apivalue.Optional(etag.Of(changed.Version))}}, nil
}

// DeleteUser implements DELETE /users/{id}.
func (o *Operations) DeleteUser(ctx context.Context, request adminapi.DeleteUserRequestObject) (adminapi.DeleteUserResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return adminapi.DeleteUser204Response{}, o.dir.DeleteUser(ctx, by, request.Id)
}

// SetUserPassword implements POST /users/{id}/set-password.
func (o *Operations) SetUserPassword(ctx context.Context, request adminapi.SetUserPasswordRequestObject) (adminapi.SetUserPasswordResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return adminapi.SetUserPassword204Response{}, o.dir.ResetPassword(ctx, by, request.Id, request.Body.Password)
}

// RevokeUserSessions implements POST /users/{id}/revoke-sessions.
func (o *Operations) RevokeUserSessions(ctx context.Context, request adminapi.RevokeUserSessionsRequestObject) (adminapi.RevokeUserSessionsResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if o.cfg.Sessions == nil {
		return nil, disabled()
	}
	if _, err := o.dir.User(ctx, by.Tenant, request.Id); err != nil {
		return nil, err
	}
	ended, err := o.cfg.Sessions.RevokeAll(ctx, by.Tenant, server.KindUser, request.Id, "", "revoked")
	return adminapi.RevokeUserSessions200JSONResponse{Sessions: ended}, err
}

func user(u directory.User) adminapi.User {
	return adminapi.User{
		Id: u.ID, Login: u.Login, Email: apivalue.Optional(u.Email), Name: apivalue.Optional(u.Name), HasPassword: u.HasPassword, Disabled: u.Disabled,
		ExpiresAt: apivalue.OptionalTimestamp(u.ExpiresAt), Version: u.Version, CreatedAt: apivalue.Timestamp(u.CreatedAt), UpdatedAt: apivalue.Timestamp(u.UpdatedAt),
	}
}
