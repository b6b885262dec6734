package keyring_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

func TestMAC_EveryAlgorithmAndVersion(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		for algorithm, size := range map[string]int{"HS256": 32, "HS384": 48, "HS512": 64} {
			key := create(t, ring, mustSpec(t, algorithm), nameOf(mustSpec(t, algorithm)))
			ref, ctx, who := keyring.Ref(key.ID), t.Context(), admin("a")
			made, err := ring.MakeMAC(ctx, who, ref, []byte("hello"))
			require.NoError(t, err)
			assert.Len(t, made.MAC, size)
			valid := func(payload, mac string, version int64) bool {
				verdict, err := ring.VerifyMAC(ctx, who, ref, []byte(payload), mac, version)
				require.NoError(t, err)
				return verdict.Valid
			}
			text := encode(made.MAC)
			assert.True(t, valid("hello", text, 0))
			for _, mac := range []string{"", "=", text[:len(text)-2], text + "AA", encode(made.MAC[:size/2]), text[1:]} {
				assert.False(t, valid("hello", mac, 0), mac)
			}
			assert.False(t, valid("hello ", text, 0))
			_, err = ring.Rotate(ctx, who, ref)
			require.NoError(t, err)
			assert.False(t, valid("hello", text, 0), "the primary version is another one")
			assert.True(t, valid("hello", text, 1))
			_, err = ring.VerifyMAC(ctx, who, ref, nil, text, 9)
			assert.Equal(t, "not_found", codeOf(t, err))
		}
	})
}

func TestDerive_AnswersTheSameToTheSameQuestion(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		ctx, who := t.Context(), admin("a")
		for _, spec := range algorithms(t, alg.UseDerive) {
			key := create(t, ring, spec, nameOf(spec))
			ref, ask := keyring.Ref(key.ID), keyring.DeriveRequest{Length: 32, Info: []byte("payroll"), Salt: []byte("salt")}
			var peer *jwk.Key
			if spec.Curve != "" {
				var err error
				peer, err = keygen.Generate(spec)
				require.NoError(t, err)
				public, err := peer.Public()
				require.NoError(t, err)
				ask.Peer, err = public.MarshalPublic()
				require.NoError(t, err)
				ask.KDF = "hkdf-sha512"
			}
			first, err := ring.Derive(ctx, who, ref, ask)
			require.NoError(t, err, spec.Algorithm)
			assert.Len(t, first.Secret, 32)
			_, err = ring.Rotate(ctx, who, ref)
			require.NoError(t, err)
			second, err := ring.Derive(ctx, who, ref, ask)
			require.NoError(t, err)
			assert.NotEqual(t, first.Secret, second.Secret, "another version")
			again := ask
			again.Version = 1
			third, err := ring.Derive(ctx, who, ref, again)
			require.NoError(t, err)
			assert.Equal(t, first.Secret, third.Secret)
			again.Info = []byte("other")
			fourth, err := ring.Derive(ctx, who, ref, again)
			require.NoError(t, err)
			assert.NotEqual(t, first.Secret, fourth.Secret)
			for _, length := range []int{-1, 1, 13, 1025} {
				again.Length = length
				_, err = ring.Derive(ctx, who, ref, again)
				assert.Equal(t, "invalid_input", codeOf(t, err), "%d bytes", length)
			}
			deriveRefusals(t, ring, ref, ask, peer)
		}
	})
}

// deriveRefusals asks a key what it cannot answer.
func deriveRefusals(t *testing.T, ring instance, ref keyring.Ref, ask keyring.DeriveRequest, peer *jwk.Key) {
	t.Helper()
	refuse := func(ask keyring.DeriveRequest, code string) {
		_, err := ring.Derive(t.Context(), admin("a"), ref, ask)
		assert.Equal(t, code, codeOf(t, err), "%+v", ask)
	}
	if peer == nil {
		refuse(keyring.DeriveRequest{Length: 32, KDF: "hkdf-sha256"}, "validation_failed")
		refuse(keyring.DeriveRequest{Length: 32, Peer: []byte("{}")}, "validation_failed")
		return
	}
	refuse(keyring.DeriveRequest{Length: 32, KDF: "hkdf-sha256"}, "validation_failed")
	refuse(keyring.DeriveRequest{Length: 32, Peer: ask.Peer}, "validation_failed")
	refuse(keyring.DeriveRequest{Length: 32, KDF: "hkdf-md5", Peer: ask.Peer}, "unsupported_algorithm")
	refuse(keyring.DeriveRequest{Peer: []byte(`{"kty":"EC"}`)}, "invalid_jwk")
	private, err := peer.MarshalPrivate()
	require.NoError(t, err)
	refuse(keyring.DeriveRequest{Peer: private}, "key_mismatch")
	for _, curve := range []string{alg.CurveP256, alg.CurveP384} {
		if curve == peer.Curve() {
			continue
		}
		spec, err := alg.ParseSpec("ECDH", 0, curve)
		require.NoError(t, err)
		other, err := keygen.Generate(spec)
		require.NoError(t, err)
		public, err := other.Public()
		require.NoError(t, err)
		text, err := public.MarshalPublic()
		require.NoError(t, err)
		refuse(keyring.DeriveRequest{Peer: text}, "key_mismatch")
	}
	raw, err := ring.Derive(t.Context(), admin("a"), ref, keyring.DeriveRequest{Peer: ask.Peer, Version: 1})
	require.NoError(t, err)
	assert.Contains(t, []int{32, 48, 66}, len(raw.Secret))
}

func TestKEM_BothSidesHaveTheSameSecret(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		for _, spec := range algorithms(t, alg.UseKEM) {
			key := create(t, ring, spec, nameOf(spec))
			ref, ctx, who := keyring.Ref(key.ID), t.Context(), admin("a")
			made, err := ring.Encapsulate(ctx, who, ref)
			require.NoError(t, err)
			_, err = ring.Rotate(ctx, who, ref)
			require.NoError(t, err)
			same, err := ring.Decapsulate(ctx, who, ref, made.Ciphertext, 1)
			require.NoError(t, err)
			assert.Equal(t, made.Shared, same.Secret)
			other, err := ring.Decapsulate(ctx, who, ref, made.Ciphertext, 0)
			require.NoError(t, err, "implicit rejection")
			assert.NotEqual(t, made.Shared, other.Secret)
			_, err = ring.Decapsulate(ctx, who, ref, made.Ciphertext[1:], 1)
			assert.Equal(t, "invalid_input", codeOf(t, err))
		}
	})
}
