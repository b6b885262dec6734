package keyring_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// A version that is not the primary one signs where it is asked for, by the same rules as the primary one.
func TestSign_ByAVersionThatMaySign(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ring instance) {
		spec, err := alg.ParseSpec("ES256", 0, "")
		require.NoError(t, err)
		key := create(t, ring, spec, "key")
		for range 2 {
			_, err = ring.Rotate(t.Context(), admin("a"), "key")
			require.NoError(t, err)
		}
		sign := func(version int64) (keyring.Signed, error) {
			return ring.Sign(t.Context(), admin("a"), "key",
				keyring.SignRequest{Payload: []byte("m"), Input: keyring.InputMessage, Format: keyring.FormatP1363, Version: version})
		}
		for version, by := range map[int64]int64{0: 3, 1: 1, 2: 2, 3: 3} {
			signed, err := sign(version)
			require.NoError(t, err)
			assert.Equal(t, by, signed.Version)
			verdict, err := ring.Verify(t.Context(), admin("a"), "key", keyring.VerifyRequest{
				Signature: signed.Signature, Payload: []byte("m"), HasPayload: true, Input: keyring.InputMessage, Format: keyring.FormatP1363, Version: by,
			})
			require.NoError(t, err)
			assert.True(t, verdict.Valid, "version %d", by)
		}
		named, err := ring.Sign(t.Context(), admin("a"), "key",
			keyring.SignRequest{Payload: []byte("m"), Input: keyring.InputJWSPayload, Format: keyring.FormatJWS, Version: 1})
		require.NoError(t, err)
		assert.Equal(t, int64(1), named.Version)
		verdict, err := ring.Verify(t.Context(), admin("a"), "key",
			keyring.VerifyRequest{Signature: named.Signature, Input: keyring.InputJWSPayload, Format: keyring.FormatJWS})
		require.NoError(t, err)
		assert.True(t, verdict.Valid, "a JWS names the version that made it")

		refused := func(version int64, code, why string) {
			t.Helper()
			_, err := sign(version)
			assert.True(t, problem.Is(err, code), "%s: %v", why, err)
		}
		refused(4, "not_found", "there is none")
		refused(-1, "not_found", "there never will be")
		_, _, err = ring.MoveVersion(t.Context(), admin("a"), "key", "1", keyring.DisableVersion, 0)
		require.NoError(t, err)
		refused(1, "invalid_state", "disabled")
		_, _, err = ring.MoveVersion(t.Context(), admin("a"), "key", "1", keyring.CompromiseVersion, 0)
		require.NoError(t, err)
		refused(1, "invalid_state", "compromised: nothing new is made by it, whatever the scopes")
		now, err := ring.Get(t.Context(), admin("a"), "key")
		require.NoError(t, err)
		_, err = ring.Update(t.Context(), admin("a"), keyring.Ref(key.ID), now.Revision, func(k keyring.ElasticKey) (keyring.ElasticKey, error) {
			k.MinEncryptVersion = 3
			return k, nil
		})
		require.NoError(t, err)
		refused(2, "version_below_minimum", "below the minimum")
		_, err = sign(3)
		require.NoError(t, err)
	})
}
