package keyring_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// Whatever wraps or encrypts does so under every pair of algorithms, and what is made under an old version is read after a rotation.
func TestSealing_EveryPairWrapsGeneratesAndReencrypts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		ctx, who, bind := t.Context(), admin("a"), keyring.Context{"record": "4711"}
		other := create(t, ring, mustSpec(t, "A256GCM/A256KW"), "other")
		for _, spec := range algorithms(t, alg.UseEncrypt) {
			key := create(t, ring, spec, nameOf(spec))
			ref := keyring.Ref(key.Name)
			wrapped, err := ring.Wrap(ctx, who, ref, keyring.KeyText{Octets: []byte("secret octets")}, bind)
			require.NoError(t, err, spec.Algorithm)
			data, err := ring.GenerateDataKey(ctx, who, ref, keyring.DataKeyRequest{Bits: 512, IncludePlaintext: true, Context: bind})
			require.NoError(t, err, spec.Algorithm)
			pair, err := ring.Generate(ctx, who, ref, keyring.GenerateRequest{Algorithm: "ES256", Context: bind})
			require.NoError(t, err, spec.Algorithm)
			_, err = ring.Rotate(ctx, who, ref)
			require.NoError(t, err)

			back, err := ring.Unwrap(ctx, who, ref, wrapped.Ciphertext, bind)
			require.NoError(t, err, spec.Algorithm)
			assert.Equal(t, "secret octets", string(back.Octets))
			assert.Equal(t, int64(1), back.Version)
			back, err = ring.Unwrap(ctx, who, ref, data.Wrapped, bind)
			require.NoError(t, err)
			assert.Equal(t, data.Octets, back.Octets)
			assert.Len(t, back.Octets, 64)
			back, err = ring.Unwrap(ctx, who, ref, pair.Wrapped, bind)
			require.NoError(t, err)
			private, err := jwk.Parse(back.JWK)
			require.NoError(t, err)
			assert.True(t, private.IsPrivate())
			public, err := jwk.Parse(pair.Public)
			require.NoError(t, err)
			assert.Equal(t, private.ThumbprintSHA256(), public.ThumbprintSHA256())
			assert.Equal(t, public.ThumbprintSHA256(), public.ID)

			again, err := ring.Reencrypt(ctx, who, ref, keyring.ReencryptRequest{Ciphertext: wrapped.Ciphertext, Context: bind})
			require.NoError(t, err, spec.Algorithm)
			assert.Equal(t, []int64{1, 2}, []int64{again.Source.Version, again.Version})
			back, err = ring.Unwrap(ctx, who, ref, again.Ciphertext, bind)
			require.NoError(t, err, "what says that it is a key goes on saying so")
			assert.Equal(t, "secret octets", string(back.Octets))
			moved, err := ring.Reencrypt(ctx, who, ref,
				keyring.ReencryptRequest{Ciphertext: wrapped.Ciphertext, Context: bind, Target: "other", NewContext: keyring.Context{}})
			require.NoError(t, err)
			assert.Equal(t, other.ID, moved.ElasticKeyID)
			back, err = ring.Unwrap(ctx, who, "other", moved.Ciphertext, nil)
			require.NoError(t, err, "bound to nothing any more")
			assert.Equal(t, "secret octets", string(back.Octets))
			for _, wrong := range []keyring.Context{nil, {"record": "4712"}} {
				_, err = ring.Unwrap(ctx, who, ref, wrapped.Ciphertext, wrong)
				assert.Equal(t, "decryption_failed", codeOf(t, err))
				_, err = ring.Reencrypt(ctx, who, ref, keyring.ReencryptRequest{Ciphertext: wrapped.Ciphertext, Context: wrong})
				assert.Equal(t, "decryption_failed", codeOf(t, err))
			}
		}
	})
}

func encode(content []byte) string { return base64.RawURLEncoding.EncodeToString(content) }

func mustSpec(t *testing.T, algorithm string) alg.Spec {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	return spec
}

func TestDataKeys_HaveTheKindAndTheLengthAskedFor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		create(t, ring, mustSpec(t, "A256GCM/A256KW"), "k")
		for bits, size := range map[int]int{0: 32, 128: 16, 192: 24, 256: 32, 512: 64} {
			made, err := ring.GenerateDataKey(t.Context(), admin("a"), "k", keyring.DataKeyRequest{Bits: bits, IncludePlaintext: true})
			require.NoError(t, err)
			assert.Len(t, made.Octets, size)
			assert.Nil(t, made.JWK)
			assert.Nil(t, made.Public)
			made, err = ring.GenerateDataKey(t.Context(), admin("a"), "k", keyring.DataKeyRequest{Bits: bits})
			require.NoError(t, err)
			assert.Equal(t, keyring.KeyText{}, made.KeyText, "not asked for")
		}
		for _, kind := range []string{"P-256", "P-384", "P-521", "Ed25519", "RSA-2048"} {
			made, err := ring.GenerateDataKey(t.Context(), admin("a"), "k", keyring.DataKeyRequest{Pair: kind, IncludePlaintext: true})
			require.NoError(t, err, kind)
			private, err := jwk.Parse(made.JWK)
			require.NoError(t, err, kind)
			public, err := jwk.Parse(made.Public)
			require.NoError(t, err, kind)
			assert.True(t, private.IsPrivate())
			assert.False(t, public.IsPrivate())
			assert.Equal(t, private.ThumbprintSHA256(), public.ThumbprintSHA256())
			assert.Empty(t, private.Algorithm, "what it is for is its owner's affair")
			assert.Empty(t, private.Use)
		}
		for _, refused := range []keyring.DataKeyRequest{{Bits: 64}, {Bits: 129}, {Bits: -128}, {Bits: 256, Pair: "P-256"}} {
			_, err := ring.GenerateDataKey(t.Context(), admin("a"), "k", refused)
			assert.Equal(t, "validation_failed", codeOf(t, err), "%+v", refused)
		}
		_, err := ring.GenerateDataKey(t.Context(), admin("a"), "k", keyring.DataKeyRequest{Pair: "secp256k1"})
		assert.Equal(t, "unsupported_algorithm", codeOf(t, err))
	})
}

func TestUnwrap_OpensNothingButKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		create(t, ring, mustSpec(t, "A256GCM/A256KW"), "k")
		plain, err := ring.Encrypt(t.Context(), admin("a"), "k", []byte("hello"), nil)
		require.NoError(t, err)
		_, err = ring.Unwrap(t.Context(), admin("a"), "k", plain.Ciphertext, nil)
		assert.Equal(t, "decryption_failed", codeOf(t, err))
		for what, key := range map[string]keyring.KeyText{
			"nothing": {}, "both": {Octets: []byte{1}, JWK: json.RawMessage(`{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODw"}`)},
		} {
			_, err = ring.Wrap(t.Context(), admin("a"), "k", key, nil)
			assert.Equal(t, "validation_failed", codeOf(t, err), what)
		}
		for _, text := range []string{`{}`, `{"kty":"oct","k":"AA"}`, `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`, `{"kty":"oct","kty":"oct","k":"AAECAwQFBgcICQoLDA0ODw"}`} {
			_, err = ring.Wrap(t.Context(), admin("a"), "k", keyring.KeyText{JWK: json.RawMessage(text)}, nil)
			assert.Equal(t, "invalid_jwk", codeOf(t, err), text)
		}
	})
}
