package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// MaxInline is how many bytes of plaintext, payload or message an operation takes.
const MaxInline = 64 << 10

// Encrypt encrypts up to [MaxInline] bytes under the key's primary version and
// returns a compact JWE. The same additional context, if any, is needed to decrypt.
func (k *KMS) Encrypt(ctx context.Context, key string, plaintext []byte, additional map[string]string) (string, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return "", err
	}
	request := EncryptRequest{Plaintext: EncodeBytes(plaintext), Context: contextOf(additional)}
	operation := fmt.Sprintf("encrypt with key %q", key)
	answer, err := call[EncryptResponse](ctx, k, operation, func(ctx context.Context) (*http.Response, error) {
		return k.api.Encrypt(ctx, key, request)
	})
	if err != nil {
		return "", err
	}
	if answer.Ciphertext == "" {
		return "", fmt.Errorf("%s: the answer holds no ciphertext", operation)
	}
	return answer.Ciphertext, nil
}

// Decrypt decrypts a compact JWE that some version of the key made.
func (k *KMS) Decrypt(ctx context.Context, key, ciphertext string, additional map[string]string) ([]byte, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return nil, err
	}
	request := DecryptRequest{Ciphertext: ciphertext, Context: contextOf(additional)}
	operation := fmt.Sprintf("decrypt with key %q", key)
	answer, err := call[DecryptResponse](ctx, k, operation, func(ctx context.Context) (*http.Response, error) {
		return k.api.Decrypt(ctx, key, request)
	})
	if err != nil {
		return nil, err
	}
	plaintext, err := DecodeBytes(answer.Plaintext)
	if err != nil {
		return nil, fmt.Errorf("%s: plaintext in the answer: %w", operation, err)
	}
	return plaintext, nil
}

// Sign signs what request holds under the key's primary version.
func (k *KMS) Sign(ctx context.Context, key string, request SignRequest) (*SignResponse, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return nil, err
	}
	operation := fmt.Sprintf("sign with key %q", key)
	answer, err := call[SignResponse](ctx, k, operation, func(ctx context.Context) (*http.Response, error) {
		return k.api.Sign(ctx, key, request)
	})
	if err == nil && answer.Signature == "" {
		return nil, fmt.Errorf("%s: the answer holds no signature", operation)
	}
	return answer, err
}

// Verify checks a signature. That it does not verify is an answer, not an error:
// look at Valid.
func (k *KMS) Verify(ctx context.Context, key string, request VerifyRequest) (*VerifyResponse, error) {
	if err := apiclient.CheckRef(key); err != nil {
		return nil, err
	}
	return call[VerifyResponse](ctx, k, fmt.Sprintf("verify with key %q", key), func(ctx context.Context) (*http.Response, error) {
		return k.api.Verify(ctx, key, request)
	})
}

// EncodeBytes writes bytes as the API carries them: base64url without padding
// (RFC 4648 section 5).
func EncodeBytes(b []byte) Bytes { return apiclient.EncodeBytes(b) }

// DecodeBytes reads what [EncodeBytes] writes and nothing else.
func DecodeBytes(text Bytes) ([]byte, error) { return apiclient.DecodeBytes(text) }

func contextOf(additional map[string]string) *Context {
	if len(additional) == 0 {
		return nil
	}
	return new(Context(additional))
}
