package apiclient

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

// Update reads a resource, asks for a patch of what it is, and applies that to this very state: if somebody else has changed it meanwhile,
// nothing happens and the error is a [*Problem] with the code precondition_failed. The resource is then read and change asked anew, up to again
// times. That code may also come where an answer was lost and the patch had been applied.
func Update[T any](
	ctx context.Context, c *Caller, operation string, again int,
	read func(context.Context) (*http.Response, error), change func(T) (Patch, error),
	write func(ctx context.Context, tag string, patch json.RawMessage) (*http.Response, error),
) (*T, error) {
	for {
		now, tag, err := CallTagged[T](ctx, c, operation, read)
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
		changed, err := Call[T](ctx, c, operation, func(ctx context.Context) (*http.Response, error) { return write(ctx, tag, text) })
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
