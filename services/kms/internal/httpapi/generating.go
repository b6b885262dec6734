package httpapi

import (
	"context"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// respondAsync is the preference for an answer before the work is done (RFC 7240 section 4.1).
const respondAsync = "respond-async"

// prefersAsync reads a Prefer header: preferences with values and parameters, names in any case, and the first of a name counts (RFC 7240
// section 2). This one has no value, and one that is given makes it something else.
func prefersAsync(header string) bool {
	for _, preference := range strings.Split(header, ",") {
		name, _, _ := strings.Cut(preference, ";")
		if strings.EqualFold(strings.TrimSpace(name), respondAsync) {
			return true
		}
	}
	return false
}

// generating is the answer about a key that is yet to be generated.
func generating(key keyring.ElasticKey) GeneratingJSONResponse {
	return GeneratingJSONResponse{
		Body: elasticKey(key),
		Headers: GeneratingResponseHeaders{
			ETag: apivalue.Optional(etag.Of(key.Revision)), Location: apivalue.Optional("elastic-keys/" + key.ID),
		},
	}
}

// RetryElasticKeyGeneration implements POST /elastic-keys/{id}/retry-generation.
func (h *Operations) RetryElasticKeyGeneration(
	ctx context.Context, request RetryElasticKeyGenerationRequestObject,
) (RetryElasticKeyGenerationResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	about(ctx, request.Id, 0)
	key, err := h.keys.RetryGeneration(ctx, who, keyring.Ref(request.Id))
	if err != nil {
		return nil, err
	}
	about(ctx, key.ID, 0)
	return RetryElasticKeyGeneration202JSONResponse{generating(key)}, nil
}
