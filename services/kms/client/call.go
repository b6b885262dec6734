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

// nothing is the result of an operation whose answer has no body.
type nothing struct{}

// call performs one operation: it sends until an attempt succeeds or the retry
// policy gives up, and decodes the answer. The operation must be safe to repeat, and
// send must build a new request each time.
func call[T any](ctx context.Context, k *KMS, operation string, send func(context.Context) (*http.Response, error)) (*T, error) {
	result, _, err := callTagged[T](ctx, k, operation, send)
	return result, err
}

// callTagged is call that also returns the ETag of the answer.
func callTagged[T any](ctx context.Context, k *KMS, operation string, send func(context.Context) (*http.Response, error)) (*T, string, error) {
	for done := 1; ; done++ {
		result, header, err := attempt[T](ctx, k.timeout, send)
		if err == nil {
			return result, header.Get("ETag"), nil
		}
		wait, again := k.retry.next(done, err, retryAfter(header))
		if !again || ctx.Err() != nil {
			return nil, "", fmt.Errorf("%s: %w", operation, err)
		}
		if stopped := k.retry.pause(ctx, wait); stopped != nil {
			return nil, "", fmt.Errorf("%s: %w, after: %w", operation, stopped, err)
		}
	}
}

// attempt sends once. The header is that of the answer, nil if there is none that is whole.
func attempt[T any](ctx context.Context, timeout time.Duration, send func(context.Context) (*http.Response, error)) (*T, http.Header, error) {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	answer, err := send(bounded)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%w: read body: %w", errNoAnswer, err)
	case len(body) > maxAnswer:
		return nil, nil, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return nil, answer.Header, problemFrom(answer, body)
	}

	result := new(T)
	if _, none := any(result).(*nothing); none {
		return result, answer.Header, nil
	}
	if err := json.Unmarshal(body, result); err != nil {
		return nil, nil, fmt.Errorf("decode answer: %w", err)
	}
	return result, answer.Header, nil
}
