package httpapi

import (
	"context"
	"encoding/json"

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
	claims, err := authority.Members("/claims", apivalue.Of(b.Claims))
	if err != nil {
		return nil, err
	}
	token, err := h.authority.Issue(ctx, who, authority.Ref(b.Profile), authority.NewToken{
		Subject: apivalue.Of(b.Subject), Audience: apivalue.Of(b.Audience), Lifetime: seconds(apivalue.Of(b.LifetimeSeconds)), Claims: claims,
	})
	if err != nil {
		return nil, err
	}
	return IssueJWT200JSONResponse(tokenOf(token)), h.usedAll(ctx, "issue", []authority.Used{token.Used, token.Recipient})
}

func tokenOf(t authority.Token) Token {
	return Token{
		Token: t.Text, Jti: t.ID, ExpiresAt: apivalue.Timestamp(t.ExpiresAt), Recipient: optionalUsed(t.Recipient),
		KeyId: t.KeyID, Version: t.Version, Kid: t.KID,
	}
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
	return VerifyJWT200JSONResponse{
		Claims: verified.Claims, Recipient: optionalUsed(verified.Recipient),
		KeyId: apivalue.Optional(verified.KeyID), Version: apivalue.Optional(verified.Version), Kid: verified.KID,
	}, h.usedAll(ctx, "verify", []authority.Used{verified.Used, verified.Recipient})
}

// IssueSDJWT implements POST /sd-jwt/issue.
func (h *Operations) IssueSDJWT(ctx context.Context, request IssueSDJWTRequestObject) (IssueSDJWTResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	claims, err := authority.Members("/claims", b.Claims)
	if err != nil {
		return nil, err
	}
	token, err := h.authority.IssueSelective(ctx, who, authority.Ref(b.Profile), authority.NewSelective{
		NewToken: authority.NewToken{
			Subject: apivalue.Of(b.Subject), Audience: apivalue.Of(b.Audience), Lifetime: seconds(apivalue.Of(b.LifetimeSeconds)), Claims: claims,
		},
		Selective: b.Selective, Decoys: apivalue.Of(b.Decoys), Hash: string(apivalue.Of(b.Hash)), Holder: apivalue.Of(b.HolderJwk),
	})
	if err != nil {
		return nil, err
	}
	return IssueSDJWT200JSONResponse(tokenOf(token)), h.used(ctx, "issue", token.KeyID, token.Version)
}

// PresentSDJWT implements POST /sd-jwt/present.
func (h *Operations) PresentSDJWT(ctx context.Context, request PresentSDJWTRequestObject) (PresentSDJWTResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	about(ctx, apivalue.Of(b.Key), 0)
	if b.Key == nil && (b.Audience != nil || b.Nonce != nil) || b.Key != nil && (b.Audience == nil || b.Nonce == nil) {
		return nil, apivalue.Invalid("/key", "a proof takes key, audience and nonce")
	}
	token, by, err := h.authority.Present(ctx, who, authority.Presentation{
		Token: b.Token, Disclose: b.Disclose, Key: authority.RefOf(apivalue.Of(b.Key)), Audience: apivalue.Of(b.Audience), Nonce: apivalue.Of(b.Nonce),
	})
	if err != nil {
		return nil, err
	}
	return PresentSDJWT200JSONResponse{Token: token, Key: optionalUsed(by)}, h.usedAll(ctx, "sign", []authority.Used{by})
}

// defaultProofAge is how old the proof of a holder may be unless the verifier says otherwise, in seconds.
const defaultProofAge = 300

// VerifySDJWT implements POST /sd-jwt/verify.
func (h *Operations) VerifySDJWT(ctx context.Context, request VerifySDJWTRequestObject) (VerifySDJWTResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	var proof *authority.Proof
	if b.Binding != nil {
		age := int64(defaultProofAge)
		if b.Binding.MaxAgeSeconds != nil {
			age = *b.Binding.MaxAgeSeconds
		}
		proof = &authority.Proof{Audience: b.Binding.Audience, Nonce: b.Binding.Nonce, MaxAge: seconds(age)}
	}
	verified, err := h.authority.VerifySelective(ctx, who, authority.Ref(b.Profile), b.Token, proof)
	if err != nil {
		return nil, err
	}
	answer := VerifySDJWT200JSONResponse{
		Claims: verified.Claims, KeyId: apivalue.Optional(verified.KeyID), Version: apivalue.Optional(verified.Version), Kid: verified.KID,
	}
	if verified.Holder != nil {
		holder := json.RawMessage(verified.Holder)
		answer.HolderJwk = &holder
	}
	return answer, h.usedAll(ctx, "verify", []authority.Used{verified.Used})
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
