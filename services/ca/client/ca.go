package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// Config says where the service is and who calls it.
type Config = apiclient.Config

// Patch is a JSON merge patch (RFC 7396) by the API's member names.
type Patch = apiclient.Patch

// Authority calls one service with one credential. It is safe for concurrent use.
type Authority struct {
	api    *Client // builds and sends requests
	caller *apiclient.Caller
}

// New returns a client of the service that config names. It connects to nothing yet.
func New(config Config) (*Authority, error) {
	caller, err := apiclient.New("ca", config)
	if err != nil {
		return nil, err
	}
	api, err := NewClient(caller.Base(), WithHTTPClient(caller.HTTP()), WithRequestEditorFn(caller.Authorize))
	if err != nil {
		return nil, fmt.Errorf("ca client: %w", err)
	}
	return &Authority{api: api, caller: caller}, nil
}

// Close closes the connections that no call uses.
func (c *Authority) Close() { c.caller.Close() }

// call performs one operation.
func call[T any](ctx context.Context, c *Authority, operation string, send func(context.Context) (*http.Response, error)) (*T, error) {
	return apiclient.Call[T](ctx, c.caller, operation, send)
}

// about is call for an operation on one resource, which the path names.
func about[T any](ctx context.Context, c *Authority, verb, ref string, send func(context.Context) (*http.Response, error)) (*T, error) {
	operation := fmt.Sprintf("%s %q", verb, ref)
	if err := apiclient.CheckRef(ref); err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	return call[T](ctx, c, operation, send)
}

// once is a new Idempotency-Key, which all attempts of a call share.
func once() *string { return new(apiclient.IdempotencyKey()) }

// EncodeBytes writes bytes as the API carries them: base64url without padding (RFC 4648 section 5).
func EncodeBytes(b []byte) Bytes { return apiclient.EncodeBytes(b) }

// DecodeBytes reads what [EncodeBytes] writes and nothing else.
func DecodeBytes(text Bytes) ([]byte, error) { return apiclient.DecodeBytes(text) }
