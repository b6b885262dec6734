package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// derive is POST /elastic-keys/{id}/derive.
func (h *Operations) derive() action[DeriveRequest, keyring.Secret] {
	return action[DeriveRequest, keyring.Secret]{
		op: keyring.OpDerive, name: "derive", read: decode[DeriveRequest],
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask DeriveRequest) (keyring.Secret, error) {
			salt, err := apivalue.Decode("/salt", apivalue.Of(ask.Salt))
			if err != nil {
				return keyring.Secret{}, err
			}
			info, err := apivalue.Decode("/info", apivalue.Of(ask.Info))
			if err != nil {
				return keyring.Secret{}, err
			}
			return h.keys.Derive(ctx, who, ref, keyring.DeriveRequest{
				Salt: salt, Info: info, Length: apivalue.Of(ask.Length), Peer: apivalue.Of(ask.Peer), KDF: string(apivalue.Of(ask.Kdf)), Version: apivalue.Of(ask.Version),
			})
		},
		uses:  func(name string, s keyring.Secret) uses { return single(name, s.Used) },
		write: func(out []byte, s keyring.Secret) ([]byte, error) { return writeSecret(out, "secret", s), nil },
	}
}

func writeSecret(out []byte, member string, s keyring.Secret) []byte {
	out = appendUsed(appendBytes(out, member, s.Secret), s.Used)
	clear(s.Secret)
	return out
}

// encapsulate is POST /elastic-keys/{id}/encapsulate.
func (h *Operations) encapsulate() action[struct{}, keyring.Encapsulated] {
	return action[struct{}, keyring.Encapsulated]{
		op: keyring.OpEncapsulate, name: "encapsulate", read: decode[struct{}],
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, _ struct{}) (keyring.Encapsulated, error) {
			return h.keys.Encapsulate(ctx, who, ref)
		},
		uses: func(name string, e keyring.Encapsulated) uses { return single(name, e.Used) },
		write: func(out []byte, e keyring.Encapsulated) ([]byte, error) {
			out = append(appendBytes(out, "ciphertext", e.Ciphertext), ',')
			return writeSecret(out, "shared_key", keyring.Secret{Used: e.Used, Secret: e.Shared}), nil
		},
	}
}

// decapsulate is POST /elastic-keys/{id}/decapsulate.
func (h *Operations) decapsulate() action[DecapsulateRequest, keyring.Secret] {
	return action[DecapsulateRequest, keyring.Secret]{
		op: keyring.OpDecapsulate, name: "decapsulate", read: decode[DecapsulateRequest],
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask DecapsulateRequest) (keyring.Secret, error) {
			ciphertext, err := apivalue.Decode("/ciphertext", ask.Ciphertext)
			if err != nil {
				return keyring.Secret{}, err
			}
			return h.keys.Decapsulate(ctx, who, ref, ciphertext, apivalue.Of(ask.Version))
		},
		uses:  func(name string, s keyring.Secret) uses { return single(name, s.Used) },
		write: func(out []byte, s keyring.Secret) ([]byte, error) { return writeSecret(out, "shared_key", s), nil },
	}
}
