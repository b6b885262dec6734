package keyimport_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
)

func TestCommitment_IsOfTheMaterialAlone(t *testing.T) {
	t.Parallel()
	secret := random(t, 32)
	seen := map[string]bool{}
	for _, algorithm := range []string{"ES256", "ES384", "Ed25519", "ML-KEM-768", "HS256", "A256GCM/A256KW"} {
		key := generate(t, parseSpec(t, algorithm, 0, ""))
		commitment, err := keyimport.Commitment(key, secret)
		require.NoError(t, err)
		assert.Len(t, commitment, 43)
		assert.False(t, seen[commitment])
		seen[commitment] = true
		for form, material := range forms(t, key) {
			again, err := importOne(t, parseSpec(t, algorithm, 0, ""), material)
			require.NoError(t, err, form)
			again.ID = "renamed"
			same, err := keyimport.Matches(commitment, again, secret)
			require.NoError(t, err)
			assert.True(t, same, form)
		}
		same, err := keyimport.Matches(commitment, generate(t, parseSpec(t, algorithm, 0, "")), secret)
		require.NoError(t, err)
		assert.False(t, same)
		same, err = keyimport.Matches(commitment, key, random(t, 32))
		require.NoError(t, err)
		assert.Equal(t, !key.IsSymmetric(), same, "a public thumbprint needs no secret")
		if key.IsSymmetric() {
			assert.NotEqual(t, key.ThumbprintSHA256(), commitment, "a hash of the key alone could be tried out")
		} else {
			assert.Equal(t, key.ThumbprintSHA256(), commitment)
		}
	}
	key := generate(t, parseSpec(t, "HS256", 0, ""))
	_, err := keyimport.Commitment(key, secret[:31])
	assertCode(t, err, "invalid_input")
	_, err = keyimport.Matches("", key, nil)
	assertCode(t, err, "invalid_input")
}

// The answer was computed with Python's hmac: the secret is the bytes 0 to 31, the key the bytes 255 down to 224.
func TestCommitment_KnownAnswer(t *testing.T) {
	t.Parallel()
	secret, material := make([]byte, 32), make([]byte, 32)
	for i := range secret {
		secret[i], material[i] = byte(i), byte(0xff-i)
	}
	key, err := jwk.FromMaterial(material, jwk.Attributes{})
	require.NoError(t, err)
	commitment, err := keyimport.Commitment(key, secret)
	require.NoError(t, err)
	assert.Equal(t, "6FnpzPjJJtMNvdfp8aElbdK6BGtnvvCSpwNHFnvldP0", commitment)
}
