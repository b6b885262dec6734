package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// DeleteElasticKey implements POST /elastic-keys/{id}/delete.
func (h *Operations) DeleteElasticKey(ctx context.Context, request DeleteElasticKeyRequestObject) (DeleteElasticKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	who.Approval = apivalue.Of(request.Params.Approval)
	key, err := h.keys.Delete(ctx, who, keyring.Ref(request.Id))
	if err != nil {
		return nil, err
	}
	about(ctx, key.ID, 0)
	return DeleteElasticKey200JSONResponse{Body: elasticKey(key), Headers: DeleteElasticKey200ResponseHeaders{ETag: apivalue.Optional(etag.Of(key.Revision))}}, nil
}

// DestroyMaterialKey implements POST /elastic-keys/{id}/material-keys/{version}/destroy.
func (h *Operations) DestroyMaterialKey(ctx context.Context, request DestroyMaterialKeyRequestObject) (DestroyMaterialKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	who.Approval = apivalue.Of(request.Params.Approval)
	key, version, err := h.keys.DestroyVersion(ctx, who, keyring.Ref(request.Id), request.Version)
	if err != nil {
		return nil, err
	}
	about(ctx, key.ID, version.Version)
	return DestroyMaterialKey200JSONResponse(materialKey(version, key.PrimaryVersion)), nil
}
