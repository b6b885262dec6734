package client

import (
	"context"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// Mac computes the HMAC (RFC 2104) of up to [MaxInline] bytes with the primary version of a key of HS256, HS384 or HS512, and says which version
// that was.
func (k *KMS) Mac(ctx context.Context, key string, message []byte) (mac []byte, version int64, err error) {
	answer, err := onKey[MacResponse](ctx, k, "mac with", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.Mac(ctx, key, MacRequest{Payload: EncodeBytes(message)})
	})
	if err != nil {
		return nil, 0, err
	}
	if mac, err = octetsOf("mac with", key, answer.Mac); err != nil {
		return nil, 0, err
	}
	if len(mac) == 0 {
		return nil, 0, missing("mac with", key, "MAC")
	}
	return mac, answer.Version, nil
}

// VerifyMac says whether a MAC is that of the message under a version of the key, the primary one if it is 0.
func (k *KMS) VerifyMac(ctx context.Context, key string, message, mac []byte, version int64) (bool, error) {
	request := VerifyMacRequest{Payload: EncodeBytes(message), Mac: EncodeBytes(mac), Version: apiclient.Given(version)}
	answer, err := onKey[VerifyMacResponse](ctx, k, "verify mac with", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.VerifyMac(ctx, key, request)
	})
	if err != nil {
		return false, err
	}
	return answer.Valid, nil
}

// Derive returns the secret that a key of an HKDF or ECDH algorithm makes of the request: always the same of the same.
func (k *KMS) Derive(ctx context.Context, key string, request DeriveRequest) ([]byte, error) {
	answer, err := onKey[DeriveResponse](ctx, k, "derive with", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.Derive(ctx, key, request)
	})
	if err != nil {
		return nil, err
	}
	return secretOf("derive with", key, answer.Secret)
}

// Encapsulate makes a secret that it shares with whoever may use the ML-KEM key (FIPS 203), and the ciphertext from which [KMS.Decapsulate]
// gets it.
func (k *KMS) Encapsulate(ctx context.Context, key string) (sharedKey, ciphertext []byte, err error) {
	answer, err := onKey[EncapsulateResponse](ctx, k, "encapsulate with", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.Encapsulate(ctx, key, EncapsulateRequest{})
	})
	if err != nil {
		return nil, nil, err
	}
	if ciphertext, err = secretOf("encapsulate with", key, answer.Ciphertext); err != nil {
		return nil, nil, err
	}
	sharedKey, err = secretOf("encapsulate with", key, answer.SharedKey)
	return sharedKey, ciphertext, err
}

// Decapsulate gets the secret out of a ciphertext for a version of the ML-KEM key, the primary one if it is 0. A ciphertext that was not made
// for it gives a secret that nobody else has, not an error.
func (k *KMS) Decapsulate(ctx context.Context, key string, ciphertext []byte, version int64) ([]byte, error) {
	request := DecapsulateRequest{Ciphertext: EncodeBytes(ciphertext), Version: apiclient.Given(version)}
	answer, err := onKey[DecapsulateResponse](ctx, k, "decapsulate with", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.Decapsulate(ctx, key, request)
	})
	if err != nil {
		return nil, err
	}
	return secretOf("decapsulate with", key, answer.SharedKey)
}

// secretOf reads bytes of an answer, of which there must be some.
func secretOf(verb, key string, text Bytes) ([]byte, error) {
	octets, err := octetsOf(verb, key, text)
	if err == nil && len(octets) == 0 {
		return nil, missing(verb, key, "secret")
	}
	return octets, err
}
