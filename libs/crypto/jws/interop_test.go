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

// JSON serialization, flattened and general, in both directions.
func TestInterop_JSON(t *testing.T) {
	t.Parallel()
	list := signers(t)
	var keys []jose.SigningKey
	var verifiers []any
	var algorithms []jose.SignatureAlgorithm
	for i := range list {
		theirs, algorithm := foreignKey(t, list[i].Key)
		list[i].Protected.Algorithm = string(algorithm)
		keys = append(keys, jose.SigningKey{Algorithm: algorithm, Key: theirs.Key})
		algorithms = append(algorithms, algorithm)
		verifier := theirs.Key
		if !list[i].Key.IsSymmetric() {
			verifier = theirs.Public().Key
		}
		verifiers = append(verifiers, verifier)
	}
	for _, n := range []int{1, len(list)} {
		form := jws.General
		if n == 1 {
			form = jws.Flattened
		}
		draft := jws.Draft{Serialization: form, Payload: []byte("from us"), Signers: list[:n]}
		text, err := draft.Sign()
		require.NoError(t, err)
		parsed, err := jose.ParseSignedJSON(string(text), algorithms)
		require.NoError(t, err)
		for i := range n {
			_, _, payload, err := parsed.VerifyMulti(verifiers[i])
			require.NoError(t, err)
			assert.Equal(t, "from us", string(payload))
		}

		signer, err := jose.NewMultiSigner(keys[:n], (&jose.SignerOptions{}).WithType("a+json"))
		require.NoError(t, err)
		signed, err := signer.Sign([]byte("from them"))
		require.NoError(t, err)
		m, err := jws.Parse([]byte(signed.FullSerialize()), jws.Allow{})
		require.NoError(t, err)
		assert.Equal(t, form, m.Serialization)
		for i := range n {
			payload, _, err := m.Verify(i, list[i].Key, jws.Expect{Type: "a+json"})
			require.NoError(t, err)
			assert.Equal(t, "from them", string(payload))
		}
	}
}

// Payloads beside the message and as they stand, in both directions.
func TestInterop_DetachedAndUnencoded(t *testing.T) {
	t.Parallel()
	key := newKey(t, spec(t, "ES256"))
	theirs, algorithm := foreignKey(t, key)
	for _, unencoded := range []bool{false, true} {
		payload := []byte("a.b\n\x00")
		token, err := jws.SignDetached(key, jws.Header{Unencoded: unencoded}, payload)
		require.NoError(t, err)
		parsed, err := jose.ParseDetached(token, payload, []jose.SignatureAlgorithm{algorithm})
		require.NoError(t, err)
		_, err = parsed.Verify(theirs.Public().Key)
		require.NoError(t, err)

		options := &jose.SignerOptions{}
		if unencoded {
			options = options.WithBase64(false)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: theirs.Key}, options)
		require.NoError(t, err)
		signed, err := signer.Sign(payload)
		require.NoError(t, err)
		detached, err := signed.DetachedCompactSerialize()
		require.NoError(t, err)
		_, err = jws.VerifyDetached(key, detached, payload, jws.Expect{Allow: jws.Allow{Unencoded: true}})
		require.NoError(t, err)
	}
}
