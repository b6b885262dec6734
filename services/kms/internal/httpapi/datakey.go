package httpapi

import (
	"context"
	"encoding/json"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// rawJSON is a member that stands in an answer as it is.
type rawJSON = json.RawMessage

// generateDataKey is POST /elastic-keys/{id}/generate-data-key.
func (h *Operations) generateDataKey() action[GenerateDataKeyRequest, keyring.DataKey] {
	return action[GenerateDataKeyRequest, keyring.DataKey]{
		op: keyring.OpGenerateDataKey, name: "generateDataKey", read: decode[GenerateDataKeyRequest],
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask GenerateDataKeyRequest) (keyring.DataKey, error) {
			return h.keys.GenerateDataKey(ctx, who, ref, keyring.DataKeyRequest{
				Bits: int(apivalue.Of(ask.Bits)), Pair: string(apivalue.Of(ask.KeyPair)), IncludePlaintext: apivalue.Of(ask.IncludePlaintext),
				Context: keyring.Context(apivalue.Of(ask.Context)),
			})
		},
		uses: func(name string, d keyring.DataKey) uses { return single(name, d.Used) },
		write: func(out []byte, d keyring.DataKey) ([]byte, error) {
			defer d.KeyText.Clear()
			answer := GenerateDataKeyResponse{Wrapped: d.Wrapped, PublicJwk: publicMember(d.Public), ElasticKeyId: d.ElasticKeyID, Version: d.Version}
			answer.Key, answer.Jwk = keyMembers(d.KeyText)
			return appendObject(out, answer)
		},
	}
}

// generate is POST /elastic-keys/{id}/generate.
func (h *Operations) generate() action[GenerateRequest, keyring.GeneratedKey] {
	return action[GenerateRequest, keyring.GeneratedKey]{
		op: keyring.OpGenerate, name: "generate", read: decode[GenerateRequest],
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask GenerateRequest) (keyring.GeneratedKey, error) {
			return h.keys.Generate(ctx, who, ref, keyring.GenerateRequest{
				Algorithm: ask.Algorithm, KeySize: int(apivalue.Of(ask.KeySize)), Curve: string(apivalue.Of(ask.Curve)), Context: keyring.Context(apivalue.Of(ask.Context)),
			})
		},
		uses: func(name string, g keyring.GeneratedKey) uses { return single(name, g.Used) },
		write: func(out []byte, g keyring.GeneratedKey) ([]byte, error) {
			return appendObject(out, GenerateResponse{
				Wrapped: g.Wrapped, Algorithm: g.Algorithm, PublicJwk: publicMember(g.Public), ElasticKeyId: g.ElasticKeyID, Version: g.Version,
			})
		},
	}
}

func publicMember(public []byte) *rawJSON {
	if len(public) == 0 {
		return nil
	}
	text := rawJSON(public)
	return &text
}

// random are random bytes.
type random struct{ bytes []byte }

// generateRandom is POST /generate-random.
func (h *Operations) generateRandom() action[GenerateRandomRequest, random] {
	return action[GenerateRandomRequest, random]{
		op: keyring.OpGenerateRandom, name: "generateRandom", read: decode[GenerateRandomRequest],
		do: func(_ context.Context, who keyring.Caller, _ keyring.Ref, ask GenerateRandomRequest) (random, error) {
			made, err := h.keys.Random(who, ask.Bytes)
			return random{made}, err
		},
		uses: func(name string, _ random) uses { return uses{{name: name}} },
		write: func(out []byte, made random) ([]byte, error) {
			out = appendBytes(out, "random", made.bytes)
			clear(made.bytes)
			return out, nil
		},
	}
}
