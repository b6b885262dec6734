package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// SignJWS implements POST /jws/sign.
func (h *Operations) SignJWS(ctx context.Context, request SignJWSRequestObject) (SignJWSResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	about(ctx, b.Key, 0)
	payload, err := apivalue.Decode("/payload", b.Payload)
	if err != nil {
		return nil, err
	}
	made, err := h.authority.Sign(ctx, who, authority.RefOf(b.Key), payload, apivalue.Of(b.Typ), apivalue.Of(b.Cty))
	if err != nil {
		return nil, err
	}
	return SignJWS200JSONResponse(madeOf(made)), h.used(ctx, "sign", made.KeyID, made.Version)
}

// EncryptJWE implements POST /jwe/encrypt.
func (h *Operations) EncryptJWE(ctx context.Context, request EncryptJWERequestObject) (EncryptJWEResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	about(ctx, b.Key, 0)
	plaintext, err := apivalue.Decode("/plaintext", b.Plaintext)
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	made, err := h.authority.Encrypt(ctx, who, authority.RefOf(b.Key), plaintext, apivalue.Of(b.Typ), apivalue.Of(b.Cty))
	if err != nil {
		return nil, err
	}
	return EncryptJWE200JSONResponse(madeOf(made)), h.used(ctx, "encrypt", made.KeyID, made.Version)
}

func madeOf(m authority.Made) Made {
	return Made{Message: m.Message, Algorithm: m.Algorithm, KeyId: m.KeyID, Version: m.Version, Kid: m.KID}
}

// VerifyJWS implements POST /jws/verify.
func (h *Operations) VerifyJWS(ctx context.Context, request VerifyJWSRequestObject) (VerifyJWSResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	about(ctx, apivalue.Of(b.Key), 0)
	opened, err := h.authority.Verify(ctx, who, authority.RefOf(apivalue.Of(b.Key)), b.Message, apivalue.Of(b.Typ))
	if err != nil {
		return nil, err
	}
	return VerifyJWS200JSONResponse{
		Payload: apivalue.Encode(opened.Content), Typ: apivalue.Optional(opened.Type), Cty: apivalue.Optional(opened.ContentType),
		KeyId: opened.KeyID, Version: opened.Version, Kid: opened.KID,
	}, h.used(ctx, "verify", opened.KeyID, opened.Version)
}

// DecryptJWE implements POST /jwe/decrypt.
func (h *Operations) DecryptJWE(ctx context.Context, request DecryptJWERequestObject) (DecryptJWEResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	about(ctx, apivalue.Of(b.Key), 0)
	opened, err := h.authority.Decrypt(ctx, who, authority.RefOf(apivalue.Of(b.Key)), b.Message)
	if err != nil {
		return nil, err
	}
	defer clear(opened.Content)
	return DecryptJWE200JSONResponse{
		Plaintext: apivalue.Encode(opened.Content), Typ: apivalue.Optional(opened.Type), Cty: apivalue.Optional(opened.ContentType),
		KeyId: opened.KeyID, Version: opened.Version, Kid: opened.KID,
	}, h.used(ctx, "decrypt", opened.KeyID, opened.Version)
}

// Thumbprint implements POST /thumbprints.
func (h *Operations) Thumbprint(_ context.Context, request ThumbprintRequestObject) (ThumbprintResponseObject, error) {
	key, err := jwk.Parse(request.Body.Jwk)
	if err != nil {
		return nil, err
	}
	defer key.Zero()
	if key.IsSymmetric() { // it would be a hash of the secret (RFC 7638 section 7)
		return nil, problem.New("no_public_key", "the key is symmetric; it has no public part")
	}
	// RFC 9278 section 3, with the name of the hash from its registry.
	digest := key.ThumbprintSHA256()
	return Thumbprint200JSONResponse{Thumbprint: digest, Uri: "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + digest}, nil
}
