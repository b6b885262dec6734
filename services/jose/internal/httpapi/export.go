package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// ExportKey implements POST /keys/{id}/export.
func (h *Operations) ExportKey(ctx context.Context, request ExportKeyRequestObject) (ExportKeyResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	about(ctx, request.Id, 0)
	exported, err := h.authority.Export(ctx, who, authority.RefOf(request.Id), apivalue.Of(b.Version), authority.RefOf(b.Recipient))
	if err != nil {
		return nil, err
	}
	about(ctx, exported.Of[0].KeyID, exported.Of[0].Version)
	return ExportKey200JSONResponse(exportedOf(exported)), nil
}

// ExportKeys implements POST /keys/export.
func (h *Operations) ExportKeys(ctx context.Context, request ExportKeysRequestObject) (ExportKeysResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	exported, err := h.authority.ExportSet(ctx, who, apivalue.Each(request.Body.Keys, authority.RefOf), authority.RefOf(request.Body.Recipient))
	if err != nil {
		return nil, err
	}
	return ExportKeys200JSONResponse(exportedOf(exported)), nil
}

func exportedOf(e authority.Exported) Exported {
	return Exported{Jwe: e.JWE, Keys: apivalue.Each(e.Of, usedOf), Recipient: usedOf(e.Recipient)}
}
