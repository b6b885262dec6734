package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// IssueJWT implements POST /jwt/issue.
func (h *Operations) IssueJWT(ctx context.Context, request IssueJWTRequestObject) (IssueJWTResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	token, err := h.authority.Issue(ctx, who, authority.Ref(b.Profile), authority.NewToken{
		Subject: apivalue.Of(b.Subject), Audience: apivalue.Of(b.Audience), Lifetime: seconds(apivalue.Of(b.LifetimeSeconds)), Claims: apivalue.Of(b.Claims),
	})
	if err != nil {
		return nil, err
	}
	return IssueJWT200JSONResponse{
		Token: token.Message, Jti: token.ID, ExpiresAt: apivalue.Timestamp(token.ExpiresAt), KeyId: token.KeyID, Version: token.Version, Kid: token.KID,
	}, h.used(ctx, "issue", token.KeyID, token.Version)
}

// VerifyJWT implements POST /jwt/verify.
func (h *Operations) VerifyJWT(ctx context.Context, request VerifyJWTRequestObject) (VerifyJWTResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	verified, err := h.authority.VerifyToken(ctx, who, authority.Ref(request.Body.Profile), request.Body.Token)
	if err != nil {
		return nil, err
	}
	return VerifyJWT200JSONResponse{Claims: verified.Claims, KeyId: verified.KeyID, Version: verified.Version, Kid: verified.KID},
		h.used(ctx, "verify", verified.KeyID, verified.Version)
}

// RevokeToken implements POST /profiles/{id}/revoke.
func (h *Operations) RevokeToken(ctx context.Context, request RevokeTokenRequestObject) (RevokeTokenResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	revoked, err := h.authority.Revoke(ctx, who, authority.Ref(request.Id), request.Body.Jti, apivalue.Of(request.Body.ExpiresAt))
	if err != nil {
		return nil, err
	}
	return RevokeToken200JSONResponse{Jti: revoked.TokenID, ExpiresAt: apivalue.Timestamp(revoked.ExpiresAt)}, nil
}
