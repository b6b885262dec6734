package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxAnswer bounds what is read of an answer. The largest are a page of 1,000 keys
// with long descriptions and a plaintext of 64 KiB.
const maxAnswer = 16 << 20

// errNoAnswer marks the failure of an attempt that no complete answer ended.
var errNoAnswer = errors.New("no answer")

// call performs one operation: it sends until an attempt succeeds or the retry
// policy gives up, and decodes the answer. The operation must be safe to repeat, and
// send must build a new request each time.
func call[T any](ctx context.Context, k *KMS, operation string, send func(context.Context) (*http.Response, error)) (*T, error) {
	for done := 1; ; done++ {
		result, after, err := attempt[T](ctx, k.timeout, send)
		if err == nil {
			return result, nil
		}
		wait, again := k.retry.next(done, err, after)
		if !again || ctx.Err() != nil {
			return nil, fmt.Errorf("%s: %w", operation, err)
		}
		if stopped := k.retry.pause(ctx, wait); stopped != nil {
			return nil, fmt.Errorf("%s: %w, after: %w", operation, stopped, err)
		}
	}
}

// attempt sends once. With an error comes the Retry-After of the answer, if any.
func attempt[T any](ctx context.Context, timeout time.Duration, send func(context.Context) (*http.Response, error)) (*T, time.Duration, error) {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	answer, err := send(bounded)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("%w: read body: %w", errNoAnswer, err)
	case len(body) > maxAnswer:
		return nil, 0, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return nil, retryAfter(answer.Header), problemFrom(answer, body)
	}

	result := new(T)
	if err := json.Unmarshal(body, result); err != nil {
		return nil, 0, fmt.Errorf("decode answer: %w", err)
	}
	return result, 0, nil
}
