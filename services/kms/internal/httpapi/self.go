package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// GetSelf implements GET /self.
func (h *Operations) GetSelf(ctx context.Context, _ GetSelfRequestObject) (GetSelfResponseObject, error) {
	principal, ok := server.PrincipalFrom(ctx)
	if !ok {
		return nil, problem.New(problem.Unauthenticated, "the request carries no credential")
	}
	self := GetSelf200JSONResponse{
		Tenant: principal.Tenant,
		Kind:   SelfKind(principal.Kind),
		Id:     principal.ID,
		Name:   optional(principal.Name),
		Scopes: append([]string{}, principal.Scopes...),
	}
	if !principal.ExpiresAt.IsZero() {
		self.ExpiresAt = optional(timestamp(principal.ExpiresAt))
	}
	return self, nil
}
