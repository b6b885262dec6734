package keyring_test

import (
	"crypto/sha512"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

func TestSign_EveryAlgorithmAndFormat(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		digest := sha512.Sum512([]byte("message"))
		for _, spec := range algorithms(t, alg.UseSign, alg.UseMAC) {
			key := create(t, ring, spec, nameOf(spec))
			ref := keyring.Ref(key.ID)
			var asks []keyring.SignRequest
			asks = append(asks, keyring.SignRequest{Payload: []byte("message"), Input: keyring.InputJWSPayload, Format: keyring.FormatJWS, Type: "x+jws"})
			formats := []keyring.Format{keyring.FormatRaw}
			if spec.KeyType == alg.KeyTypeEC {
				formats = []keyring.Format{keyring.FormatP1363, keyring.FormatDER}
			}
			for _, format := range formats {
				asks = append(asks, keyring.SignRequest{Payload: []byte("message"), Input: keyring.InputMessage, Format: format})
				if strings.HasSuffix(spec.Signature, "512") && spec.Use == alg.UseSign {
					asks = append(asks, keyring.SignRequest{Payload: digest[:], Input: keyring.InputDigest, Format: format})
				}
			}
			for _, ask := range asks {
				signed, err := ring.Sign(t.Context(), admin("a"), ref, ask)
				require.NoError(t, err, "%s %s %s", spec.Algorithm, ask.Input, ask.Format)
				check := keyring.VerifyRequest{
					Signature: signed.Signature, Payload: ask.Payload, HasPayload: true, Input: ask.Input, Format: ask.Format, Type: ask.Type,
				}
				verdict, err := ring.Verify(t.Context(), admin("a"), ref, check)
				require.NoError(t, err)
				assert.True(t, verdict.Valid, "%s %s %s", spec.Algorithm, ask.Input, ask.Format)

				check.Payload = append([]byte{}, ask.Payload...)
				check.Payload[0] ^= 1
				verdict, err = ring.Verify(t.Context(), admin("a"), ref, check)
				require.NoError(t, err)
				assert.False(t, verdict.Valid, "another message: %s %s %s", spec.Algorithm, ask.Input, ask.Format)
				assert.Empty(t, verdict.Payload)
			}
		}
	})
}

func TestVerify_ASignatureOfAnotherKeyTypeOrVersionIsNotValid(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("ES256", 0, "")
		require.NoError(t, err)
		key, other := create(t, ring, spec, "key"), create(t, ring, spec, "other")
		ask := keyring.SignRequest{Payload: []byte("m"), Input: keyring.InputJWSPayload, Format: keyring.FormatJWS, Type: "a+jws"}
		signed, err := ring.Sign(t.Context(), admin("a"), keyring.Ref(key.ID), ask)
		require.NoError(t, err)
		verify := func(ref string, change func(*keyring.VerifyRequest)) bool {
			check := keyring.VerifyRequest{Signature: signed.Signature, Input: keyring.InputJWSPayload, Format: keyring.FormatJWS}
			change(&check)
			verdict, err := ring.Verify(t.Context(), admin("a"), keyring.Ref(ref), check)
			require.NoError(t, err)
			return verdict.Valid
		}
		assert.True(t, verify(key.ID, func(*keyring.VerifyRequest) {}))
		assert.False(t, verify(other.ID, func(*keyring.VerifyRequest) {}))
		assert.False(t, verify(key.ID, func(r *keyring.VerifyRequest) { r.Type = "b+jws" }))
		assert.False(t, verify(key.ID, func(r *keyring.VerifyRequest) { r.Signature = "x.y.z" }))
		assert.False(t, verify(key.ID, func(r *keyring.VerifyRequest) { r.Signature = "" }))

		bare, err := ring.Sign(t.Context(), admin("a"), "key", keyring.SignRequest{Payload: []byte("m"), Input: keyring.InputMessage, Format: keyring.FormatP1363})
		require.NoError(t, err)
		_, err = ring.Rotate(t.Context(), admin("a"), "key")
		require.NoError(t, err)
		raw := func(version int64) bool {
			return verify("key", func(r *keyring.VerifyRequest) {
				*r = keyring.VerifyRequest{
					Signature: bare.Signature, Payload: []byte("m"), HasPayload: true,
					Input: keyring.InputMessage, Format: keyring.FormatP1363, Version: version,
				}
			})
		}
		assert.True(t, raw(1), "the version that made it")
		assert.False(t, raw(0), "the primary version is another by now")
		assert.True(t, verify(key.ID, func(*keyring.VerifyRequest) {}), "a JWS names its version")
	})
}

func TestSign_RefusesWhatAnAlgorithmDoesNotHave(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		for algorithm, asks := range map[string][]keyring.SignRequest{
			"Ed25519": {
				{Payload: make([]byte, 64), Input: keyring.InputDigest, Format: keyring.FormatRaw},
				{Payload: []byte("m"), Input: keyring.InputMessage, Format: keyring.FormatDER},
			},
			"HS256": {{Payload: make([]byte, 32), Input: keyring.InputDigest, Format: keyring.FormatRaw}},
			"ES256": {
				{Payload: make([]byte, 31), Input: keyring.InputDigest, Format: keyring.FormatDER},
				{Payload: []byte("m"), Input: keyring.InputMessage, Format: keyring.FormatRaw},
			},
		} {
			spec, err := alg.ParseSpec(algorithm, 0, "")
			require.NoError(t, err)
			key := create(t, ring, spec, nameOf(spec))
			for _, ask := range asks {
				_, err := ring.Sign(t.Context(), admin("a"), keyring.Ref(key.ID), ask)
				assert.Equal(t, "invalid_input", codeOf(t, err), "%s %s %s", algorithm, ask.Input, ask.Format)
				_, err = ring.Verify(t.Context(), admin("a"), keyring.Ref(key.ID), keyring.VerifyRequest{
					Signature: "AAAA", Payload: ask.Payload, HasPayload: true, Input: ask.Input, Format: ask.Format,
				})
				assert.Equal(t, "invalid_input", codeOf(t, err), "verify %s %s %s", algorithm, ask.Input, ask.Format)
			}
			for _, ask := range []keyring.SignRequest{
				{Payload: []byte("m"), Input: keyring.InputMessage, Format: keyring.FormatJWS},
				{Payload: []byte("m"), Input: keyring.InputJWSPayload, Format: keyring.FormatRaw},
				{Payload: []byte("m"), Input: keyring.InputMessage, Format: "pem"},
				{Payload: []byte("m"), Input: "file", Format: keyring.FormatRaw},
				{Payload: []byte("m"), Input: keyring.InputMessage, Format: keyring.FormatRaw, Type: "x"},
			} {
				_, err := ring.Sign(t.Context(), admin("a"), keyring.Ref(key.ID), ask)
				assert.Equal(t, "validation_failed", codeOf(t, err), "%+v", ask)
			}
		}
	})
}
