package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// ExportElasticKey implements POST /elastic-keys/{id}/export.
func (h *Operations) ExportElasticKey(ctx context.Context, request ExportElasticKeyRequestObject) (ExportElasticKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, apivalue.Of(request.Body.Version))
	who.Approval = apivalue.Of(request.Params.Approval)
	exported, err := h.keys.Export(ctx, who, keyring.Ref(request.Id), keyring.Export{
		Version: apivalue.Of(request.Body.Version), Recipient: request.Body.Recipient,
	})
	if err != nil {
		return nil, err
	}
	about(ctx, exported.ElasticKeyID, exported.Version)
	return ExportElasticKey200JSONResponse{
		Jwe: exported.JWE, Kid: exported.KeyID, ElasticKeyId: exported.ElasticKeyID, Version: exported.Version,
	}, nil
}

// AttestKey implements GET /elastic-keys/{id}/attestation.
func (h *Operations) AttestKey(ctx context.Context, request AttestKeyRequestObject) (AttestKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, apivalue.Of(request.Params.Version))
	attestation, version, err := h.keys.Attest(ctx, who, keyring.Ref(request.Id), apivalue.Of(request.Params.Version))
	if err != nil {
		return nil, err
	}
	about(ctx, version.ElasticKeyID, version.Version)
	return AttestKey200JSONResponse{
		Attestation: attestation, Kid: version.KeyID(), ElasticKeyId: version.ElasticKeyID, Version: version.Version,
	}, nil
}

// GetAttestationKeys implements GET /attestation-keys.
func (h *Operations) GetAttestationKeys(ctx context.Context, _ GetAttestationKeysRequestObject) (GetAttestationKeysResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	set, err := h.keys.AttestationKeysFor(ctx, who)
	if err != nil {
		return nil, err
	}
	return GetAttestationKeys200JSONResponse{Body: set, Headers: GetAttestationKeys200ResponseHeaders{ETag: apivalue.Optional(etag.OfContent(set))}}, nil
}
