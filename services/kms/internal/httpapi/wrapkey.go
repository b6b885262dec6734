package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// wrap is POST /elastic-keys/{id}/wrap.
func (h *Operations) wrap() action[WrapRequest, keyring.Encrypted] {
	return action[WrapRequest, keyring.Encrypted]{
		op: keyring.OpWrap, name: "wrap", read: decode[WrapRequest],
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask WrapRequest) (keyring.Encrypted, error) {
			octets, err := apivalue.Decode("/key", apivalue.Of(ask.Key))
			if err != nil {
				return keyring.Encrypted{}, err
			}
			defer clear(octets)
			return h.keys.Wrap(ctx, who, ref, keyring.KeyText{JWK: apivalue.Of(ask.Jwk), Octets: octets}, keyring.Context(apivalue.Of(ask.Context)))
		},
		uses: func(name string, e keyring.Encrypted) uses { return single(name, e.Used) },
		write: func(out []byte, e keyring.Encrypted) ([]byte, error) {
			return appendUsed(appendPlain(out, "wrapped", e.Ciphertext), e.Used), nil
		},
	}
}

// unwrap is POST /elastic-keys/{id}/unwrap.
func (h *Operations) unwrap() action[UnwrapRequest, keyring.Unwrapped] {
	return action[UnwrapRequest, keyring.Unwrapped]{
		op: keyring.OpUnwrap, name: "unwrap", read: decode[UnwrapRequest],
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask UnwrapRequest) (keyring.Unwrapped, error) {
			return h.keys.Unwrap(ctx, who, ref, ask.Wrapped, keyring.Context(apivalue.Of(ask.Context)))
		},
		uses: func(name string, u keyring.Unwrapped) uses { return single(name, u.Used) },
		write: func(out []byte, u keyring.Unwrapped) ([]byte, error) {
			defer u.KeyText.Clear()
			answer := UnwrapResponse{ElasticKeyId: u.ElasticKeyID, Version: u.Version}
			answer.Key, answer.Jwk = keyMembers(u.KeyText)
			return appendObject(out, answer)
		},
	}
}

// keyMembers are the members that a key stands in: one of the two, or none.
func keyMembers(key keyring.KeyText) (octets *Bytes, jwk *rawJSON) {
	if len(key.Octets) > 0 {
		text := apivalue.Encode(key.Octets)
		octets = &text
	}
	if len(key.JWK) > 0 {
		jwk = &key.JWK
	}
	return octets, jwk
}
