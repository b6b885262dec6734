package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// DataKeySpec says what data key is to be made. The zero value is a symmetric key of 256 bits that only the KMS can open.
type DataKeySpec struct {
	// Bits is the length of a symmetric key: 128, 192, 256 or 512; 256 when zero.
	Bits int
	// KeyPair is the kind of a pair: P-256, P-384, P-521, RSA-2048, RSA-3072, RSA-4096 or Ed25519. It excludes Bits.
	KeyPair string
	// IncludePlaintext asks for the key itself beside the wrapped one.
	IncludePlaintext bool
	// Context is what [KMS.Unwrap] must repeat.
	Context map[string]string
}

// GenerateDataKey makes a key for use elsewhere, wrapped under the key's primary version: Wrapped is what [KMS.Unwrap] opens. The key itself is
// in the answer only if spec asks for it: in Key for a symmetric one, in JWK for a pair.
func (k *KMS) GenerateDataKey(ctx context.Context, key string, spec DataKeySpec) (*GenerateDataKeyResponse, error) {
	request := GenerateDataKeyRequest{
		Bits: apiclient.Given(GenerateDataKeyRequestBits(spec.Bits)), KeyPair: apiclient.Given(GenerateDataKeyRequestKeyPair(spec.KeyPair)),
		IncludePlaintext: apiclient.Given(spec.IncludePlaintext), Context: contextOf(spec.Context),
	}
	answer, err := onKey[GenerateDataKeyResponse](ctx, k, "generate data key with", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.GenerateDataKey(ctx, key, request)
	})
	if err == nil && answer.Wrapped == "" {
		return nil, missing("generate data key with", key, "wrapped key")
	}
	return answer, err
}

// Wrap encrypts octets that are a key and returns a compact JWE, which [KMS.Unwrap] opens. See also [KMS.WrapJWK].
func (k *KMS) Wrap(ctx context.Context, key string, octets []byte, additional map[string]string) (string, error) {
	return k.wrap(ctx, key, WrapRequest{Key: new(EncodeBytes(octets)), Context: contextOf(additional)})
}

// WrapJWK is [KMS.Wrap] for a JWK (RFC 7517) of a kind that the service understands.
func (k *KMS) WrapJWK(ctx context.Context, key string, jwk json.RawMessage, additional map[string]string) (string, error) {
	return k.wrap(ctx, key, WrapRequest{JWK: &jwk, Context: contextOf(additional)})
}

func (k *KMS) wrap(ctx context.Context, key string, request WrapRequest) (string, error) {
	answer, err := onKey[WrapResponse](ctx, k, "wrap with", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.Wrap(ctx, key, request)
	})
	switch {
	case err != nil:
		return "", err
	case answer.Wrapped == "":
		return "", missing("wrap with", key, "wrapped key")
	}
	return answer.Wrapped, nil
}

// Unwrapped is a key that was wrapped: one of the two.
type Unwrapped struct {
	Octets []byte
	JWK    json.RawMessage
}

// Unwrap opens what [KMS.Wrap], [KMS.WrapJWK], [KMS.GenerateDataKey] and [KMS.Generate] have made.
func (k *KMS) Unwrap(ctx context.Context, key, wrapped string, additional map[string]string) (*Unwrapped, error) {
	request := UnwrapRequest{Wrapped: wrapped, Context: contextOf(additional)}
	answer, err := onKey[UnwrapResponse](ctx, k, "unwrap with", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.Unwrap(ctx, key, request)
	})
	switch {
	case err != nil:
		return nil, err
	case answer.JWK != nil:
		return &Unwrapped{JWK: *answer.JWK}, nil
	case answer.Key == nil:
		return nil, missing("unwrap with", key, "key")
	}
	octets, err := octetsOf("unwrap with", key, *answer.Key)
	return &Unwrapped{Octets: octets}, err
}

// Generate makes a JWK of any algorithm that elastic keys can have, wrapped under the key's primary version, which [KMS.Unwrap] opens.
func (k *KMS) Generate(ctx context.Context, key string, request GenerateRequest) (*GenerateResponse, error) {
	answer, err := onKey[GenerateResponse](ctx, k, "generate with", key, func(ctx context.Context) (*http.Response, error) {
		return k.api.Generate(ctx, key, request)
	})
	if err == nil && answer.Wrapped == "" {
		return nil, missing("generate with", key, "wrapped key")
	}
	return answer, err
}

// GenerateRandom returns 1 to 1,024 random bytes of the service's certified module.
func (k *KMS) GenerateRandom(ctx context.Context, bytes int) ([]byte, error) {
	answer, err := call[GenerateRandomResponse](ctx, k, "generate random bytes", func(ctx context.Context) (*http.Response, error) {
		return k.api.GenerateRandom(ctx, GenerateRandomRequest{Bytes: bytes})
	})
	if err != nil {
		return nil, err
	}
	random, err := DecodeBytes(answer.Random)
	if err != nil || len(random) != bytes {
		return nil, fmt.Errorf("generate random bytes: the answer does not hold %d bytes", bytes)
	}
	return random, nil
}

// missing is what an answer lacks.
func missing(verb, key, what string) error {
	return fmt.Errorf("%s key %q: the answer holds no %s", verb, key, what)
}

// octetsOf reads bytes of an answer.
func octetsOf(verb, key string, text Bytes) ([]byte, error) {
	octets, err := DecodeBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%s key %q: the answer: %w", verb, key, err)
	}
	return octets, nil
}
