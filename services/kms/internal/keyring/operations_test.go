package keyring_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"

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

// What a compromised version has made is read under the scope for that alone, and whoever does so is told about it.
func TestCompromisedVersions_AreReadUnderTheirOwnScopeAndNamed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		ctx, who := t.Context(), admin("a")
		over := who
		over.Scopes = []string{keyring.ScopeAdmin, keyring.ScopeCompromised}
		for _, algorithm := range []string{"A256GCM/A256KW", "ES256", "HS256", "ML-KEM-768", "HKDF-SHA256"} {
			create(t, ring, mustSpec(t, algorithm), nameOf(mustSpec(t, algorithm)))
		}
		sealed, err := ring.Encrypt(ctx, who, "a256gcm_a256kw_", []byte("x"), nil)
		require.NoError(t, err)
		wrapped, err := ring.Wrap(ctx, who, "a256gcm_a256kw_", keyring.KeyText{Octets: []byte("x")}, nil)
		require.NoError(t, err)
		signed, err := ring.Sign(ctx, who, "es256_p-256", keyring.SignRequest{Payload: []byte("x"), Input: keyring.InputJWSPayload, Format: keyring.FormatJWS})
		require.NoError(t, err)
		mac, err := ring.MakeMAC(ctx, who, "hs256_", []byte("x"))
		require.NoError(t, err)
		shared, err := ring.Encapsulate(ctx, who, "ml-kem-768_")
		require.NoError(t, err)
		reads := map[string]func(who keyring.Caller) (keyring.Used, error){
			"decrypt": func(who keyring.Caller) (keyring.Used, error) {
				got, err := ring.Decrypt(ctx, who, "a256gcm_a256kw_", sealed.Ciphertext, nil)
				return got.Used, err
			},
			"unwrap": func(who keyring.Caller) (keyring.Used, error) {
				got, err := ring.Unwrap(ctx, who, "a256gcm_a256kw_", wrapped.Ciphertext, nil)
				return got.Used, err
			},
			"reencrypt": func(who keyring.Caller) (keyring.Used, error) {
				got, err := ring.Reencrypt(ctx, who, "a256gcm_a256kw_", keyring.ReencryptRequest{Ciphertext: sealed.Ciphertext})
				if err == nil {
					assert.False(t, got.Used.Compromised, "the new one is not")
				}
				return got.Source, err
			},
			"verify": func(who keyring.Caller) (keyring.Used, error) {
				got, err := ring.Verify(ctx, who, "es256_p-256", keyring.VerifyRequest{Signature: signed.Signature, Input: keyring.InputJWSPayload, Format: keyring.FormatJWS})
				return got.Used, err
			},
			"verify-mac": func(who keyring.Caller) (keyring.Used, error) {
				got, err := ring.VerifyMAC(ctx, who, "hs256_", []byte("x"), encode(mac.MAC), 1)
				return got.Used, err
			},
			"decapsulate": func(who keyring.Caller) (keyring.Used, error) {
				got, err := ring.Decapsulate(ctx, who, "ml-kem-768_", shared.Ciphertext, 1)
				return got.Used, err
			},
			"derive": func(who keyring.Caller) (keyring.Used, error) {
				got, err := ring.Derive(ctx, who, "hkdf-sha256_", keyring.DeriveRequest{Length: 32, Version: 1})
				return got.Used, err
			},
		}
		for _, name := range []string{"a256gcm_a256kw_", "es256_p-256", "hs256_", "ml-kem-768_", "hkdf-sha256_"} {
			_, err := ring.Rotate(ctx, who, keyring.Ref(name))
			require.NoError(t, err)
			_, _, err = ring.MoveVersion(ctx, who, keyring.Ref(name), "1", keyring.CompromiseVersion, 0)
			require.NoError(t, err)
		}
		for what, read := range reads {
			_, err := read(who)
			assert.Equal(t, "version_compromised", codeOf(t, err), what)
			used, err := read(over)
			require.NoError(t, err, what)
			assert.True(t, used.Compromised, what)
			assert.Equal(t, int64(1), used.Version, what)
		}
	})
}

// The target of a reencryption lets it be made there, or nothing happens.
func TestReencrypt_AsksBothKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		ctx, who := t.Context(), admin("a")
		create(t, ring, mustSpec(t, "A256GCM/A256KW"), "from")
		create(t, ring, mustSpec(t, "A256GCM/A256KW"), "to")
		create(t, ring, mustSpec(t, "ES256"), "signer")
		sealed, err := ring.Encrypt(ctx, who, "from", []byte("x"), nil)
		require.NoError(t, err)
		try := func(who keyring.Caller, target keyring.Ref) string {
			_, err := ring.Reencrypt(ctx, who, "from", keyring.ReencryptRequest{Ciphertext: sealed.Ciphertext, Target: target})
			return codeOf(t, err)
		}
		assert.Empty(t, try(who, "to"))
		assert.Equal(t, "wrong_key_use", try(who, "signer"))
		assert.Equal(t, "not_found", try(who, "nobody"))
		stranger := who
		stranger.Scopes = []string{"kms:encrypt", "kms:decrypt"}
		assert.Equal(t, "insufficient_scope", try(stranger, "to"))
		_, err = ring.Disable(ctx, who, "to")
		require.NoError(t, err)
		assert.Equal(t, "invalid_state", try(who, "to"))
		assert.Empty(t, try(who, ""))
		_, err = ring.Disable(ctx, who, "from")
		require.NoError(t, err)
		_, err = ring.Enable(ctx, who, "to")
		require.NoError(t, err)
		assert.Equal(t, "invalid_state", try(who, "to"), "the source is disabled")
	})
}

// A key that stops working in the middle of a batch stops for the rest of it.
func TestBatch_DecisionsDoNotOutliveAChangeByASecond(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		ctx := t.Context()
		create(t, ring, mustSpec(t, "A256GCM/A256KW"), "k")
		who, err := ring.Batch(ctx, admin("a"), keyring.OpEncrypt, "k", 2)
		require.NoError(t, err)
		_, err = ring.Encrypt(ctx, who, "k", []byte("x"), nil)
		require.NoError(t, err)
		_, err = ring.Disable(ctx, admin("a"), "k")
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err := ring.Encrypt(ctx, who, "k", []byte("x"), nil)
			return codeOf(t, err) == "invalid_state"
		}, 5*time.Second, 10*time.Millisecond)
		for ref, code := range map[keyring.Ref]string{"k": "invalid_state", "nobody": "not_found"} {
			_, err = ring.Batch(ctx, admin("a"), keyring.OpEncrypt, ref, 1)
			assert.Equal(t, code, codeOf(t, err))
		}
		_, err = ring.Batch(ctx, keyring.Caller{Tenant: "a"}, keyring.OpEncrypt, "k", 1)
		assert.Equal(t, "insufficient_scope", codeOf(t, err))
		_, err = ring.Batch(ctx, keyring.Caller{Tenant: "a"}, keyring.OpGenerateRandom, "", 1)
		assert.Equal(t, "insufficient_scope", codeOf(t, err))
	})
}
