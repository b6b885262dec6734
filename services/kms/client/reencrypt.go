package client

import (
	"context"
	"net/http"
)

// Reencrypt encrypts a message anew, under the key's primary version or another key. The plaintext does not leave the service. The request
// says what the message's context is and what that of the new one is to be: the same if NewContext is nil.
func (k *KMS) Reencrypt(ctx context.Context, key string, request ReencryptRequest) (*ReencryptResponse, error) {
	answer, err := onKey[ReencryptResponse](ctx, k, "reencrypt with", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.Reencrypt(ctx, key, request)
	})
	if err == nil && answer.Ciphertext == "" {
		return nil, missing("reencrypt with", key, "ciphertext")
	}
	return answer, err
}
