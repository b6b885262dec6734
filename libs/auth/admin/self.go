package admin

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/auth/internal/adminapi"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
)

// GetSelf implements GET /self.
func (o *Operations) GetSelf(ctx context.Context, _ adminapi.GetSelfRequestObject) (adminapi.GetSelfResponseObject, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	self := adminapi.GetSelf200JSONResponse{
		Tenant: p.Tenant, Realm: p.Realm, Kind: adminapi.SelfKind(p.Kind), Id: p.ID, Name: apivalue.Optional(p.Name),
		Scopes: append([]string{}, p.Scopes...), Roles: append([]string{}, p.Roles...), Confirmed: p.Confirmed,
		ExpiresAt: apivalue.OptionalTimestamp(p.ExpiresAt), AuthenticatedAt: apivalue.OptionalTimestamp(p.AuthenticatedAt), SessionId: apivalue.Optional(p.SessionID),
	}
	if len(p.Methods) > 0 {
		self.Methods = &p.Methods
	}
	return self, nil
}
