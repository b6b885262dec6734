package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// Config says where the KMS is and who calls it.
type Config = apiclient.Config

// Patch is a JSON merge patch (RFC 7396) by the API's member names, such as
// "description" or "rotation": what it does not name stays, and nil takes a member away
// or restores its default.
type Patch = apiclient.Patch

// FieldProblem is a fault of one member of a request.
type FieldProblem = apiclient.FieldProblem

// KMS calls one service with one credential. It is safe for concurrent use.
type KMS struct {
	api    *Client // builds and sends requests
	caller *apiclient.Caller
}

// New returns a client of the service that config names. It connects to nothing yet.
func New(config Config) (*KMS, error) {
	caller, err := apiclient.New("kms", config)
	if err != nil {
		return nil, err
	}
	api, err := NewClient(caller.Base(), WithHTTPClient(caller.HTTP()), WithRequestEditorFn(caller.Authorize))
	if err != nil {
		return nil, fmt.Errorf("kms client: %w", err)
	}
	return &KMS{api: api, caller: caller}, nil
}

// Close closes the connections that no call uses.
func (k *KMS) Close() { k.caller.Close() }

// call performs one operation.
func call[T any](ctx context.Context, k *KMS, operation string, send func(context.Context) (*http.Response, error)) (*T, error) {
	return apiclient.Call[T](ctx, k.caller, operation, send)
}
