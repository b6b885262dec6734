package jwe_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
)

// JSON serialization with one and with several recipients, in both directions. The independent library reads
// and writes only what FIPS 140-3 enforcement leaves it here: no AES-GCM.
func TestInterop_JSON(t *testing.T) {
	t.Parallel()
	var list []jwe.Recipient
	var theirs []jose.Recipient
	var decrypters []any
	var algorithms []jose.KeyAlgorithm
	for _, r := range recipients(t) {
		algorithm := r.Key.Algorithm
		if !foreign(alg.Spec{KeyManagement: algorithm}) || strings.Contains(algorithm, "GCM") {
			continue
		}
		encrypterText, decrypterText := texts(t, r.Key)
		var encrypterKey, decrypterKey jose.JSONWebKey
		require.NoError(t, json.Unmarshal(encrypterText, &encrypterKey))
		require.NoError(t, json.Unmarshal(decrypterText, &decrypterKey))
		list = append(list, r)
		theirs = append(theirs, jose.Recipient{Algorithm: jose.KeyAlgorithm(algorithm), Key: encrypterKey.Key, KeyID: algorithm})
		decrypters = append(decrypters, decrypterKey.Key)
		algorithms = append(algorithms, jose.KeyAlgorithm(algorithm))
	}
	require.GreaterOrEqual(t, len(list), 7)
	const encryption = "A128CBC-HS256"
	for _, n := range []int{1, len(list)} {
		form := jwe.General
		if n == 1 {
			form = jwe.Flattened
		}
		for _, aad := range []string{"", "in the clear"} {
			draft := jwe.Draft{Serialization: form, Protected: jwe.Header{Encryption: encryption}, Plaintext: []byte("from us"), Recipients: list[:n]}
			if aad != "" {
				draft.AAD = []byte(aad)
			}
			text, err := draft.Encrypt()
			require.NoError(t, err)
			parsed, err := jose.ParseEncryptedJSON(string(text), algorithms, []jose.ContentEncryption{encryption})
			require.NoError(t, err)
			assert.Equal(t, aad, string(parsed.GetAuthData()))
			for i := range n {
				_, _, plaintext, err := parsed.DecryptMulti(decrypters[i])
				require.NoError(t, err, list[i].KeyID)
				assert.Equal(t, "from us", string(plaintext))
			}

			encrypter, err := jose.NewMultiEncrypter(encryption, theirs[:n], (&jose.EncrypterOptions{}).WithContentType("c"))
			require.NoError(t, err)
			message, err := encrypter.EncryptWithAuthData([]byte("from them"), draft.AAD)
			require.NoError(t, err)
			m, err := jwe.Parse([]byte(message.FullSerialize()), jwe.Allow{})
			require.NoError(t, err)
			assert.Equal(t, form, m.Serialization)
			for i := range n {
				plaintext, h, err := m.Decrypt(i, list[i].Key, jwe.Expect{Encryption: encryption})
				require.NoError(t, err, list[i].KeyID)
				assert.Equal(t, "from them", string(plaintext))
				assert.Equal(t, "c", h.ContentType)
				assert.Equal(t, aad, string(m.AAD))
			}
		}
	}
}

// AES-GCM, for content and keys, in JSON serialization with every recipient at once, outside enforcement.
func TestInterop_JSONOutsideEnforcement(t *testing.T) {
	t.Parallel()
	p := startPeer(t)
	defer p.stop()
	var list []jwe.Recipient
	var public, private []json.RawMessage
	for _, r := range recipients(t) {
		if foreign(alg.Spec{KeyManagement: r.Key.Algorithm}) {
			encrypter, decrypter := texts(t, r.Key)
			list, public, private = append(list, r), append(public, encrypter), append(private, decrypter)
		}
	}
	for _, encryption := range []string{"A128GCM", "A256GCM", "A256CBC-HS512"} {
		draft := jwe.Draft{Serialization: jwe.General, Protected: jwe.Header{Encryption: encryption}, AAD: []byte("aad"), Plaintext: []byte("from us"), Recipients: list}
		text, err := draft.Encrypt()
		require.NoError(t, err)
		assert.Equal(t, "from us", p.ask(encryption, map[string]any{"operation": "decrypt-json", "encryption": encryption, "keys": private, "key": private[0], "text": string(text), "aad": "aad"}))

		message := p.ask(encryption, map[string]any{"operation": "encrypt-json", "encryption": encryption, "keys": public, "key": public[0], "text": "from them", "aad": "aad"})
		m, err := jwe.Parse([]byte(message), jwe.Allow{})
		require.NoError(t, err)
		require.Len(t, m.Headers, len(list))
		for i, r := range list {
			plaintext, _, err := m.Decrypt(i, r.Key, jwe.Expect{Encryption: encryption})
			require.NoError(t, err, r.KeyID)
			assert.Equal(t, "from them", string(plaintext))
		}
	}
}
