package jws_test

import (
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// foreignKey reads a key's JSON form into the independent library, which knows Ed25519 by its old
// name alone.
func foreignKey(t *testing.T, key *jwk.Key) (*jose.JSONWebKey, jose.SignatureAlgorithm) {
	t.Helper()
	text, err := key.MarshalPrivate()
	require.NoError(t, err)
	var theirs jose.JSONWebKey
	require.NoError(t, json.Unmarshal(text, &theirs))
	algorithm := jose.SignatureAlgorithm(key.Algorithm)
	if key.Algorithm == "Ed25519" {
		algorithm = jose.EdDSA
	}
	theirs.Algorithm = string(algorithm)
	return &theirs, algorithm
}

func TestInterop_EveryAlgorithm(t *testing.T) {
	t.Parallel()
	for _, s := range signatureSpecs() {
		t.Run(s.Algorithm, func(t *testing.T) {
			t.Parallel()
			key := newKey(t, s)
			theirs, algorithm := foreignKey(t, key)
			verifier := theirs.Key
			if !key.IsSymmetric() {
				verifier = theirs.Public().Key
			}

			token, err := jws.Sign(key, jws.Header{Algorithm: string(algorithm), Type: "JWT", Extra: map[string]any{"a": 1}}, []byte("from us"))
			require.NoError(t, err)
			parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{algorithm})
			require.NoError(t, err)
			payload, err := parsed.Verify(verifier)
			require.NoError(t, err)
			assert.Equal(t, "from us", string(payload))
			assert.Equal(t, "k1", parsed.Signatures[0].Header.KeyID)

			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: theirs.Key}, (&jose.SignerOptions{}).WithType("JWT"))
			require.NoError(t, err)
			signed, err := signer.Sign([]byte("from them"))
			require.NoError(t, err)
			compact, err := signed.CompactSerialize()
			require.NoError(t, err)
			payload, h, err := jws.Verify(key, compact, jws.Expect{Type: "JWT"})
			require.NoError(t, err)
			assert.Equal(t, "from them", string(payload))
			assert.Equal(t, string(algorithm), h.Algorithm)
		})
	}
}
