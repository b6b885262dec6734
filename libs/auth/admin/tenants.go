package admin

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/auth/internal/adminapi"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/mergepatch"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// landlord is the caller, if he may rule over tenants: the scope is the document's to demand, but only the default tenant's callers have it
// for what it says.
func (o *Operations) landlord(ctx context.Context) (*server.Principal, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if by.Tenant != server.DefaultTenant {
		return nil, problem.New(problem.Forbidden, "tenants are administered from the default tenant")
	}
	if o.cfg.Tenants == nil {
		return nil, disabled()
	}
	return by, nil
}

// changeTenant runs a change with its event in one transaction.
func (o *Operations) changeTenant(ctx context.Context, by *server.Principal, action, id string, change func(ctx context.Context) (tenants.Tenant, error)) (tenants.Tenant, error) {
	var changed tenants.Tenant
	err := o.cfg.DB.InTx(ctx, func(ctx context.Context) error {
		var err error
		if changed, err = change(ctx); err != nil {
			return err
		}
		return o.record(ctx, by, action, id)
	})
	return changed, err
}

// record puts the event into the chain of the caller's tenant.
func (o *Operations) record(ctx context.Context, by *server.Principal, action, id string) error {
	if o.cfg.Record == nil {
		return nil
	}
	server.Annotate(ctx, "tenant", id, 0)
	return o.cfg.Record(database.WithTenant(ctx, by.Tenant), directory.Event{Action: action, By: by, ObjectKind: "tenant", ObjectID: id})
}

// CreateTenant implements POST /tenants. A schema is made outside of transactions: its event is recorded first.
func (o *Operations) CreateTenant(ctx context.Context, request adminapi.CreateTenantRequestObject) (adminapi.CreateTenantResponseObject, error) {
	by, err := o.landlord(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	isolation := tenants.IsolationRow
	if b.Isolation != nil {
		isolation = tenants.Isolation(*b.Isolation)
	}
	create := func(ctx context.Context) (tenants.Tenant, error) {
		return o.cfg.Tenants.Create(ctx, b.Id, apivalue.Of(b.Name), isolation)
	}
	var made tenants.Tenant
	if isolation == tenants.IsolationRow {
		made, err = o.changeTenant(ctx, by, "tenant.create", b.Id, create)
	} else if err = o.cfg.DB.InTx(ctx, func(ctx context.Context) error { return o.record(ctx, by, "tenant.create", b.Id) }); err == nil {
		made, err = create(ctx)
	}
	if err != nil {
		return nil, err
	}
	return adminapi.CreateTenant201JSONResponse{Body: tenant(made), Headers: adminapi.CreateTenant201ResponseHeaders{
		ETag: apivalue.Optional(etag.Of(made.Version)), Location: apivalue.Optional("tenants/" + made.ID),
	}}, nil
}

// ListTenants implements GET /tenants.
func (o *Operations) ListTenants(ctx context.Context, request adminapi.ListTenantsRequestObject) (adminapi.ListTenantsResponseObject, error) {
	by, err := o.landlord(ctx)
	if err != nil {
		return nil, err
	}
	of := page.List{Tenant: by.Tenant, Name: "tenants", Sort: "id"}
	items, next, err := page.Read(o.cfg.Cursors, of, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]tenants.Tenant, error) {
		return o.cfg.Tenants.List(ctx, after, limit)
	}, func(t tenants.Tenant) string { return t.ID })
	if err != nil {
		return nil, err
	}
	return adminapi.ListTenants200JSONResponse{Items: apivalue.Each(items, tenant), NextCursor: next}, nil
}

// GetTenant implements GET /tenants/{id}.
func (o *Operations) GetTenant(ctx context.Context, request adminapi.GetTenantRequestObject) (adminapi.GetTenantResponseObject, error) {
	if _, err := o.landlord(ctx); err != nil {
		return nil, err
	}
	found, err := o.cfg.Tenants.Get(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	return adminapi.GetTenant200JSONResponse{Body: tenant(found), Headers: adminapi.GetTenant200ResponseHeaders{ETag: apivalue.Optional(etag.Of(found.Version))}}, nil
}

// writableTenant is what a patch can change.
type writableTenant struct {
	Name *string `json:"name,omitempty"`
}

// UpdateTenant implements PATCH /tenants/{id}.
func (o *Operations) UpdateTenant(ctx context.Context, request adminapi.UpdateTenantRequestObject) (adminapi.UpdateTenantResponseObject, error) {
	by, err := o.landlord(ctx)
	if err != nil {
		return nil, err
	}
	version, err := etag.Version(apivalue.Of(request.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	want, err := mergepatch.Apply(writableTenant{}, *request.Body)
	if err != nil {
		return nil, err
	}
	changed, err := o.changeTenant(ctx, by, "tenant.update", request.Id, func(ctx context.Context) (tenants.Tenant, error) {
		return o.cfg.Tenants.Rename(ctx, request.Id, apivalue.Of(want.Name), version)
	})
	if err != nil {
		return nil, err
	}
	return adminapi.UpdateTenant200JSONResponse{Body: tenant(changed), Headers: adminapi.UpdateTenant200ResponseHeaders{ETag: apivalue.Optional(etag.Of(changed.Version))}}, nil
}

// turn moves a tenant to another state, from whatever version.
func (o *Operations) turn(ctx context.Context, action, id string, to func(ctx context.Context, id string, version int64) (tenants.Tenant, error)) (adminapi.Tenant, *string, error) {
	by, err := caller(ctx)
	if err != nil {
		return adminapi.Tenant{}, nil, err
	}
	changed, err := o.changeTenant(ctx, by, action, id, func(ctx context.Context) (tenants.Tenant, error) { return to(ctx, id, 0) })
	return tenant(changed), apivalue.Optional(etag.Of(changed.Version)), err
}

// DeleteTenant implements DELETE /tenants/{id}.
func (o *Operations) DeleteTenant(ctx context.Context, request adminapi.DeleteTenantRequestObject) (adminapi.DeleteTenantResponseObject, error) {
	if _, err := o.landlord(ctx); err != nil {
		return nil, err
	}
	body, tag, err := o.turn(ctx, "tenant.delete", request.Id, o.cfg.Tenants.Delete)
	return adminapi.DeleteTenant200JSONResponse{Body: body, Headers: adminapi.DeleteTenant200ResponseHeaders{ETag: tag}}, err
}

// SuspendTenant implements POST /tenants/{id}/suspend.
func (o *Operations) SuspendTenant(ctx context.Context, request adminapi.SuspendTenantRequestObject) (adminapi.SuspendTenantResponseObject, error) {
	if _, err := o.landlord(ctx); err != nil {
		return nil, err
	}
	body, tag, err := o.turn(ctx, "tenant.suspend", request.Id, o.cfg.Tenants.Suspend)
	return adminapi.SuspendTenant200JSONResponse{Body: body, Headers: adminapi.SuspendTenant200ResponseHeaders{ETag: tag}}, err
}

// ResumeTenant implements POST /tenants/{id}/resume.
func (o *Operations) ResumeTenant(ctx context.Context, request adminapi.ResumeTenantRequestObject) (adminapi.ResumeTenantResponseObject, error) {
	if _, err := o.landlord(ctx); err != nil {
		return nil, err
	}
	body, tag, err := o.turn(ctx, "tenant.resume", request.Id, o.cfg.Tenants.Resume)
	return adminapi.ResumeTenant200JSONResponse{Body: body, Headers: adminapi.ResumeTenant200ResponseHeaders{ETag: tag}}, err
}

// RestoreTenant implements POST /tenants/{id}/restore.
func (o *Operations) RestoreTenant(ctx context.Context, request adminapi.RestoreTenantRequestObject) (adminapi.RestoreTenantResponseObject, error) {
	if _, err := o.landlord(ctx); err != nil {
		return nil, err
	}
	body, tag, err := o.turn(ctx, "tenant.restore", request.Id, o.cfg.Tenants.Restore)
	return adminapi.RestoreTenant200JSONResponse{Body: body, Headers: adminapi.RestoreTenant200ResponseHeaders{ETag: tag}}, err
}

func tenant(t tenants.Tenant) adminapi.Tenant {
	return adminapi.Tenant{
		Id: t.ID, Name: t.Name, Status: adminapi.TenantStatus(t.Status), Isolation: adminapi.TenantIsolation(t.Isolation),
		DeleteAfter: apivalue.OptionalTimestamp(t.DeleteAfter), Version: t.Version, CreatedAt: apivalue.Timestamp(t.CreatedAt), UpdatedAt: apivalue.Timestamp(t.UpdatedAt),
	}
}
