package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// Encrypt implements POST /elastic-keys/{id}/encrypt.
func (h *Operations) Encrypt(ctx context.Context, request EncryptRequestObject) (EncryptResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	plaintext, err := decodeBytes("/plaintext", request.Body.Plaintext)
	if err != nil {
		return nil, err
	}
	defer clear(plaintext)
	encrypted, err := h.keys.Encrypt(ctx, who, keyring.Ref(request.Id), plaintext, keyring.Context(value(request.Body.Context)))
	if err != nil {
		return nil, err
	}
	if err := h.used(ctx, "encrypt", encrypted.ElasticKeyID, encrypted.Version); err != nil {
		return nil, err
	}
	return Encrypt200JSONResponse{Ciphertext: encrypted.Ciphertext, ElasticKeyId: encrypted.ElasticKeyID, Version: encrypted.Version}, nil
}

// Decrypt implements POST /elastic-keys/{id}/decrypt.
func (h *Operations) Decrypt(ctx context.Context, request DecryptRequestObject) (DecryptResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	opened, err := h.keys.Decrypt(ctx, who, keyring.Ref(request.Id), request.Body.Ciphertext, keyring.Context(value(request.Body.Context)))
	if err != nil {
		return nil, err
	}
	defer clear(opened.Plaintext)
	if err := h.used(ctx, "decrypt", opened.ElasticKeyID, opened.Version); err != nil {
		return nil, err
	}
	return Decrypt200JSONResponse{Plaintext: encodeBytes(opened.Plaintext), ElasticKeyId: opened.ElasticKeyID, Version: opened.Version}, nil
}

// Sign implements POST /elastic-keys/{id}/sign.
func (h *Operations) Sign(ctx context.Context, request SignRequestObject) (SignResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	payload, err := decodeBytes("/payload", request.Body.Payload)
	if err != nil {
		return nil, err
	}
	input, format := shape(request.Body.Input, request.Body.Format)
	signed, err := h.keys.Sign(ctx, who, keyring.Ref(request.Id), keyring.SignRequest{
		Payload: payload, Input: input, Format: format, Type: value(request.Body.Typ),
	})
	if err != nil {
		return nil, err
	}
	if err := h.used(ctx, "sign", signed.ElasticKeyID, signed.Version); err != nil {
		return nil, err
	}
	return Sign200JSONResponse{
		Signature: signed.Signature, Algorithm: signed.Algorithm, ElasticKeyId: signed.ElasticKeyID, Version: signed.Version,
	}, nil
}

// Verify implements POST /elastic-keys/{id}/verify.
func (h *Operations) Verify(ctx context.Context, request VerifyRequestObject) (VerifyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	payload, err := decodeBytes("/payload", value(request.Body.Payload))
	if err != nil {
		return nil, err
	}
	input, format := shape(request.Body.Input, request.Body.Format)
	verdict, err := h.keys.Verify(ctx, who, keyring.Ref(request.Id), keyring.VerifyRequest{
		Signature: request.Body.Signature, Payload: payload, HasPayload: request.Body.Payload != nil,
		Input: input, Format: format, Type: value(request.Body.Typ), Version: value(request.Body.Version),
	})
	if err != nil {
		return nil, err
	}
	if err := h.used(ctx, "verify", request.Id, verdict.Version); err != nil {
		return nil, err
	}
	answer := Verify200JSONResponse{Valid: verdict.Valid, Version: optional(verdict.Version)}
	if verdict.Valid && format == keyring.FormatJWS {
		text := encodeBytes(verdict.Payload)
		answer.Payload = &text
	}
	return answer, nil
}

// shape applies the defaults: a JWS over its payload.
func shape(input *SignatureInput, format *SignatureFormat) (keyring.Input, keyring.Format) {
	in, out := keyring.InputJWSPayload, keyring.FormatJWS
	if input != nil {
		in = keyring.Input(*input)
	}
	if format != nil {
		out = keyring.Format(*format)
	}
	return in, out
}
