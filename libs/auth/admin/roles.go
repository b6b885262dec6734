package admin

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/auth/internal/adminapi"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/mergepatch"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
)

// CreateRole implements POST /roles.
func (o *Operations) CreateRole(ctx context.Context, request adminapi.CreateRoleRequestObject) (adminapi.CreateRoleResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	if err := checkName(b.Name); err != nil {
		return nil, err
	}
	made, err := o.dir.CreateRole(ctx, by, directory.Role{Name: b.Name, Description: apivalue.Of(b.Description), Scopes: b.Scopes})
	if err != nil {
		return nil, err
	}
	return adminapi.CreateRole201JSONResponse{Body: role(made), Headers: adminapi.CreateRole201ResponseHeaders{
		ETag: apivalue.Optional(etag.Of(made.Version)), Location: apivalue.Optional("roles/" + made.ID),
	}}, nil
}

// ListRoles implements GET /roles.
func (o *Operations) ListRoles(ctx context.Context, request adminapi.ListRolesRequestObject) (adminapi.ListRolesResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	of := page.List{Tenant: by.Tenant, Name: "roles", Sort: "id"}
	items, next, err := page.Read(o.cfg.Cursors, of, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]directory.Role, error) {
		return o.dir.Roles(ctx, by.Tenant, after, limit)
	}, func(r directory.Role) string { return r.ID })
	if err != nil {
		return nil, err
	}
	if apivalue.Of(request.Params.Cursor) == "" {
		items = append(o.dir.BuiltIn(), items...)
	}
	return adminapi.ListRoles200JSONResponse{Items: apivalue.Each(items, role), NextCursor: next}, nil
}

// GetRole implements GET /roles/{id}.
func (o *Operations) GetRole(ctx context.Context, request adminapi.GetRoleRequestObject) (adminapi.GetRoleResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	found, err := o.dir.FindRole(ctx, by.Tenant, request.Id)
	if err != nil {
		return nil, err
	}
	return adminapi.GetRole200JSONResponse{Body: role(found), Headers: adminapi.GetRole200ResponseHeaders{ETag: apivalue.Optional(etag.Of(found.Version))}}, nil
}

// writableRole is what a patch can change.
type writableRole struct {
	Name        string   `json:"name"`
	Description *string  `json:"description,omitempty"`
	Scopes      []string `json:"scopes"`
}

// UpdateRole implements PATCH /roles/{id}.
func (o *Operations) UpdateRole(ctx context.Context, request adminapi.UpdateRoleRequestObject) (adminapi.UpdateRoleResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	version, err := etag.Version(apivalue.Of(request.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	changed, err := o.dir.UpdateRole(ctx, by, request.Id, version, func(r *directory.Role) error {
		want, err := mergepatch.Apply(writableRole{Name: r.Name, Description: apivalue.Optional(r.Description), Scopes: r.Scopes}, *request.Body)
		if err != nil {
			return err
		}
		r.Name, r.Description, r.Scopes = want.Name, apivalue.Of(want.Description), want.Scopes
		return checkName(r.Name)
	})
	if err != nil {
		return nil, err
	}
	return adminapi.UpdateRole200JSONResponse{Body: role(changed), Headers: adminapi.UpdateRole200ResponseHeaders{ETag: apivalue.Optional(etag.Of(changed.Version))}}, nil
}

// DeleteRole implements DELETE /roles/{id}.
func (o *Operations) DeleteRole(ctx context.Context, request adminapi.DeleteRoleRequestObject) (adminapi.DeleteRoleResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return adminapi.DeleteRole204Response{}, o.dir.DeleteRole(ctx, by, request.Id)
}

// CreateRoleBinding implements POST /role-bindings.
func (o *Operations) CreateRoleBinding(ctx context.Context, request adminapi.CreateRoleBindingRequestObject) (adminapi.CreateRoleBindingResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	made, err := o.dir.Bind(ctx, by, request.Body.Role, string(request.Body.SubjectKind), request.Body.SubjectId)
	if err != nil {
		return nil, err
	}
	return adminapi.CreateRoleBinding201JSONResponse{
		Body: binding(made), Headers: adminapi.CreateRoleBinding201ResponseHeaders{Location: apivalue.Optional("role-bindings/" + made.ID)},
	}, nil
}

// ListRoleBindings implements GET /role-bindings.
func (o *Operations) ListRoleBindings(ctx context.Context, request adminapi.ListRoleBindingsRequestObject) (adminapi.ListRoleBindingsResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	of, subject := "", apivalue.Of(request.Params.Subject)
	if ref := apivalue.Of(request.Params.Role); ref != "" {
		found, err := o.dir.FindRole(ctx, by.Tenant, ref)
		if err != nil {
			return nil, err
		}
		of = found.ID
	}
	lst := page.List{Tenant: by.Tenant, Name: "role-bindings", Sort: "id", Filter: []string{of, subject}}
	items, next, err := page.Read(o.cfg.Cursors, lst, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]directory.Binding, error) {
		return o.dir.Bindings(ctx, by.Tenant, of, subject, after, limit)
	}, func(b directory.Binding) string { return b.ID })
	if err != nil {
		return nil, err
	}
	return adminapi.ListRoleBindings200JSONResponse{Items: apivalue.Each(items, binding), NextCursor: next}, nil
}

// GetRoleBinding implements GET /role-bindings/{id}.
func (o *Operations) GetRoleBinding(ctx context.Context, request adminapi.GetRoleBindingRequestObject) (adminapi.GetRoleBindingResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	found, err := o.dir.Binding(ctx, by.Tenant, request.Id)
	return adminapi.GetRoleBinding200JSONResponse(binding(found)), err
}

// DeleteRoleBinding implements DELETE /role-bindings/{id}.
func (o *Operations) DeleteRoleBinding(ctx context.Context, request adminapi.DeleteRoleBindingRequestObject) (adminapi.DeleteRoleBindingResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	return adminapi.DeleteRoleBinding204Response{}, o.dir.Unbind(ctx, by, request.Id)
}

func role(r directory.Role) adminapi.Role {
	return adminapi.Role{
		Id: r.ID, Name: r.Name, Description: apivalue.Optional(r.Description), Scopes: append([]string{}, r.Scopes...), BuiltIn: r.BuiltIn,
		Version: apivalue.Optional(r.Version), CreatedAt: apivalue.OptionalTimestamp(r.CreatedAt), UpdatedAt: apivalue.OptionalTimestamp(r.UpdatedAt),
	}
}

func binding(b directory.Binding) adminapi.Binding {
	return adminapi.Binding{
		Id: b.ID, RoleId: b.RoleID, SubjectKind: adminapi.SubjectKind(b.SubjectKind), SubjectId: b.SubjectID, CreatedAt: apivalue.Timestamp(b.CreatedAt),
	}
}
