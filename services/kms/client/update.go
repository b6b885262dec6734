package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// UpdateKey changes what a key says of itself. change is given the key as it is and
// returns the patch, which is applied to that very state: if somebody else changed the
// key meanwhile, nothing happens and the error is a [*Problem] with the code
// precondition_failed. The key is then read and change asked anew, up to again times.
// That code may also come where an answer was lost and the patch had been applied.
func (k *KMS) UpdateKey(ctx context.Context, key string, again int, change func(ElasticKey) (Patch, error)) (*ElasticKey, error) {
	return k.UpdateKeyApproved(ctx, key, "", again, change)
}

// UpdateKeyApproved is UpdateKey for what weakens the key's quorum, with the id of an
// approval of "updateElasticKey" that the caller asked for.
func (k *KMS) UpdateKeyApproved(ctx context.Context, key, approved string, again int, change func(ElasticKey) (Patch, error)) (*ElasticKey, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return nil, err
	}
	operation := fmt.Sprintf("update key %q", key)
	read := func(ctx context.Context) (*http.Response, error) { return k.api.GetElasticKey(ctx, key, nil) }
	write := func(ctx context.Context, tag string, patch json.RawMessage) (*http.Response, error) {
		return k.api.UpdateElasticKeyWithApplicationMergePatchPlusJSONBody(ctx, key, &UpdateElasticKeyParams{IfMatch: &tag, Approval: apiclient.Given(approved)}, patch)
	}
	return apiclient.Update(ctx, k.caller, operation, again, read, change, write)
}
