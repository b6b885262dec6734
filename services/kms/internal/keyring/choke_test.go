package keyring_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

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
