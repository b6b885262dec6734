package admin

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/auth/internal/adminapi"
	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
)

// ListSessions implements GET /sessions.
func (o *Operations) ListSessions(ctx context.Context, request adminapi.ListSessionsRequestObject) (adminapi.ListSessionsResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if o.cfg.Sessions == nil {
		return nil, disabled()
	}
	filter := session.Filter{PrincipalID: apivalue.Of(request.Params.Principal)}
	if !o.dir.Administers(by) {
		if filter.PrincipalID != "" && filter.PrincipalID != by.ID {
			return adminapi.ListSessions200JSONResponse{Items: []adminapi.Session{}}, nil
		}
		filter.Kind, filter.PrincipalID = by.Kind, by.ID
	}
	of := page.List{Tenant: by.Tenant, Name: "sessions", Sort: "id", Filter: []string{filter.Kind, filter.PrincipalID}}
	items, next, err := page.Read(o.cfg.Cursors, of, request.Params.Limit, request.Params.Cursor, func(after string, limit int) ([]session.Info, error) {
		return o.cfg.Sessions.List(ctx, by.Tenant, filter, after, limit)
	}, func(s session.Info) string { return s.ID })
	if err != nil {
		return nil, err
	}
	return adminapi.ListSessions200JSONResponse{
		Items:      apivalue.Each(items, func(s session.Info) adminapi.Session { return sessionOf(s, s.ID == by.SessionID) }),
		NextCursor: next,
	}, nil
}

// DeleteSession implements DELETE /sessions/{id}.
func (o *Operations) DeleteSession(ctx context.Context, request adminapi.DeleteSessionRequestObject) (adminapi.DeleteSessionResponseObject, error) {
	by, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	if o.cfg.Sessions == nil {
		return nil, disabled()
	}
	if o.dir.Administers(by) {
		err = o.cfg.Sessions.Revoke(ctx, by.Tenant, request.Id, "revoked")
	} else {
		err = o.cfg.Sessions.RevokeOwn(ctx, by, request.Id, "revoked")
	}
	return adminapi.DeleteSession204Response{}, err
}

func sessionOf(s session.Info, current bool) adminapi.Session {
	methods := append([]string{}, s.Methods...)
	return adminapi.Session{
		Id: s.ID, Client: s.Client, Format: string(s.Format), Realm: apivalue.Optional(s.Realm), PrincipalKind: s.Kind, PrincipalId: s.PrincipalID,
		Name: apivalue.Optional(s.Name), Scopes: append([]string{}, s.Scopes...), Methods: &methods, AuthenticatedAt: apivalue.OptionalTimestamp(s.AuthenticatedAt),
		CreatedAt: apivalue.Timestamp(s.CreatedAt), LastUsedAt: apivalue.OptionalTimestamp(s.LastUsedAt), ExpiresAt: apivalue.Timestamp(s.ExpiresAt),
		Address: apivalue.Optional(s.Address), UserAgent: apivalue.Optional(s.UserAgent), Current: current,
	}
}
