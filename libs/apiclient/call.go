package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxAnswer bounds what is read of an answer. The largest are pages of 1,000 items with long descriptions.
const maxAnswer = 16 << 20

// errNoAnswer marks the failure of an attempt that no complete answer ended.
var errNoAnswer = errors.New("no answer")

// Nothing is the result of an operation whose answer has no body.
type Nothing struct{}

// Call performs one operation: it sends until an attempt succeeds or the retry
// policy gives up, and decodes the answer. The operation must be safe to repeat, and
// send must build a new request each time.
func Call[T any](ctx context.Context, c *Caller, operation string, send func(context.Context) (*http.Response, error)) (*T, error) {
	result, _, err := CallTagged[T](ctx, c, operation, send)
	return result, err
}

// CallTagged is Call that also returns the ETag of the answer.
func CallTagged[T any](ctx context.Context, c *Caller, operation string, send func(context.Context) (*http.Response, error)) (*T, string, error) {
	for done := 1; ; done++ {
		result, header, err := attempt[T](ctx, c.timeout, send)
		if err == nil {
			return result, header.Get("ETag"), nil
		}
		wait, again := c.retry.next(done, err, retryAfter(header))
		if !again || ctx.Err() != nil {
			return nil, "", fmt.Errorf("%s: %w", operation, err)
		}
		if stopped := c.retry.pause(ctx, wait); stopped != nil {
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
	if _, none := any(result).(*Nothing); none {
		return result, answer.Header, nil
	}
	if err := json.Unmarshal(body, result); err != nil {
		return nil, nil, fmt.Errorf("decode answer: %w", err)
	}
	return result, answer.Header, nil
}
