package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Patch is a JSON merge patch (RFC 7396) by the API's member names, such as
// "description" or "rotation": what it does not name stays, and nil takes a member away
// or restores its default.
type Patch map[string]any

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
	if err := checkKey(key); err != nil {
		return nil, err
	}
	operation := fmt.Sprintf("update key %q", key)
	read := func(ctx context.Context) (*http.Response, error) { return k.api.GetElasticKey(ctx, key, nil) }
	write := func(ctx context.Context, tag string, patch json.RawMessage) (*http.Response, error) {
		return k.api.UpdateElasticKeyWithApplicationMergePatchPlusJSONBody(ctx, key, &UpdateElasticKeyParams{IfMatch: &tag, Approval: given(approved)}, patch)
	}
	return update(ctx, k, operation, again, read, change, write)
}

// update reads a resource, asks for a patch of what it is, and applies that to nothing else.
func update[T any](
	ctx context.Context, k *KMS, operation string, again int,
	read func(context.Context) (*http.Response, error), change func(T) (Patch, error),
	write func(ctx context.Context, tag string, patch json.RawMessage) (*http.Response, error),
) (*T, error) {
	for {
		now, tag, err := callTagged[T](ctx, k, operation, read)
		if err != nil {
			return nil, err
		}
		if tag == "" {
			return nil, fmt.Errorf("%s: the answer has no ETag", operation)
		}
		patch, err := change(*now)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(patch)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", operation, err)
		}
		changed, err := call[T](ctx, k, operation, func(ctx context.Context) (*http.Response, error) { return write(ctx, tag, text) })
		if again--; again >= 0 && changedMeanwhile(err) {
			continue
		}
		return changed, err
	}
}

func changedMeanwhile(err error) bool {
	var problem *Problem
	return errors.As(err, &problem) && problem.Code == "precondition_failed"
}
