package jwe_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// FuzzParse feeds messages to one key of each family: no panic, and nothing is decrypted but what was
// encrypted here.
func FuzzParse(f *testing.F) {
	var keys []*jwk.Key
	genuine := map[string]bool{}
	for _, algorithm := range []string{"A256GCM/A256KW", "A128CBC-HS256/dir", "A128GCM/dir", "A256GCM/A128GCMKW", "A256GCM/RSA-OAEP-256", "A256CBC-HS512/ECDH-ES", "A128GCM/ECDH-ES+A128KW"} {
		s, err := alg.ParseSpec(algorithm, 0, "")
		require.NoError(f, err)
		key := newKey(f, s)
		keys = append(keys, key)
		message, err := jwe.Encrypt(key, jwe.Header{Encryption: s.ContentEncryption, Extra: map[string]any{"ctx": "x"}}, []byte("text"))
		require.NoError(f, err)
		genuine[message] = true
		f.Add(message)
	}
	for _, header := range []string{`{"alg":"A256KW","enc":"A256GCM","crit":["a"]}`, `{"alg":"ECDH-ES","enc":"A256CBC-HS512","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}`, `{"alg":"A128GCMKW","enc":"A256GCM","iv":"","tag":"AA"}`} {
		f.Add(encode(header) + ".AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA")
	}
	f.Fuzz(func(t *testing.T, message string) {
		_, _ = jwe.ParseHeader(message)
		for _, key := range keys {
			plaintext, _, err := jwe.Decrypt(key, message, jwe.Expect{})
			require.Equal(t, err == nil, plaintext != nil)
			require.False(t, err == nil && !genuine[message], "a forgery was accepted")
		}
	})
}

// FuzzParseJSON feeds messages in any serialization: no panic, and nothing is decrypted but what was encrypted
// here.
func FuzzParseJSON(f *testing.F) {
	key := newKey(f, spec(f, "A256GCM/A256KW"))
	allow := jwe.Allow{MaxInflated: 1 << 10, Critical: []string{"ext"}, KeyMembers: true}
	for _, form := range []jwe.Serialization{jwe.Compact, jwe.Flattened, jwe.General} {
		draft := jwe.Draft{
			Serialization: form, Plaintext: []byte("text"), Recipients: []jwe.Recipient{{Key: key}},
			Protected: jwe.Header{Encryption: "A256GCM", Compressed: true, Critical: []string{"ext"}, Extra: map[string]any{"ext": 1}},
		}
		if form != jwe.Compact {
			draft.AAD, draft.Unprotected = []byte("aad"), map[string]any{"shared": []any{"x"}}
		}
		text, err := draft.Encrypt()
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(`{"unprotected":{"enc":"A256GCM","jku":"https://a"},"recipients":[{"header":{"alg":"A256KW"},"encrypted_key":"AA"},{"header":{"alg":"ECDH-ES+A128KW","epk":{}}}],"iv":"","ciphertext":"","tag":""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := jwe.Parse(text, allow)
		if err != nil {
			return
		}
		require.NotEmpty(t, m.Headers)
		require.LessOrEqual(t, len(m.Headers), jwe.MaxRecipients)
		for i := range m.Headers {
			plaintext, _, err := m.Decrypt(i, key, jwe.Expect{Encryption: "A256GCM", Allow: allow})
			if err == nil {
				require.Equal(t, "text", string(plaintext))
			}
		}
	})
}
