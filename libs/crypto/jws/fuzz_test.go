package jws_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// FuzzParse feeds tokens to one key of each family: no panic, and nothing verifies but what was signed
// here.
func FuzzParse(f *testing.F) {
	var keys []*jwk.Key
	genuine := map[string]bool{}
	for _, algorithm := range []string{"HS256", "ES256", "Ed25519", "RS256", "PS256"} {
		key := newKey(f, spec(f, algorithm))
		keys = append(keys, key)
		token, err := jws.Sign(key, jws.Header{Type: "JWT", Extra: map[string]any{"a": 1}}, []byte("text"))
		require.NoError(f, err)
		genuine[token] = true
		f.Add(token)
	}
	for _, header := range []string{`{"alg":"none"}`, `{"alg":"ES256","crit":["b64"],"b64":false}`, `{"alg":"HS256","a":[{"b":1e5}]}`} {
		f.Add(encode(header) + ".AAAA.AAAA")
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, _ = jws.ParseHeader(token)
		for _, key := range keys {
			_, _, err := jws.Verify(key, token, jws.Expect{})
			require.False(t, err == nil && !genuine[token], "a forgery was accepted")
			_ = jws.VerifyRaw(key, "", jws.InputMessage, []byte(token), []byte(token), jws.FormatRaw)
			_ = jws.VerifyRaw(key, "", jws.InputMessage, []byte(token), []byte(token), jws.FormatDER)
		}
	})
}

// FuzzParseJSON feeds messages in any serialization: no panic, nothing verifies under the key but what was
// signed here, and what is read again says the same.
func FuzzParseJSON(f *testing.F) {
	key := newKey(f, spec(f, "HS256"))
	allow := jws.Allow{Unencoded: true, Critical: []string{"ext"}, EmbeddedKey: true, EmbeddedChain: true, KeyURLs: true}
	for _, form := range []jws.Serialization{jws.Compact, jws.Flattened, jws.General} {
		for _, detached := range []bool{false, true} {
			draft := jws.Draft{Serialization: form, Payload: []byte("text"), Detached: detached, Signers: []jws.Signer{{Key: key, Protected: jws.Header{Unencoded: detached, Critical: []string{"ext"}, Extra: map[string]any{"ext": 1}}}}}
			text, err := draft.Sign()
			require.NoError(f, err)
			f.Add(text)
		}
	}
	f.Add([]byte(`{"payload":"AAAA","signatures":[{"header":{"alg":"HS256","kid":"a"},"signature":""},{"protected":"e30","signature":"AA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := jws.Parse(text, allow)
		if err != nil {
			return
		}
		require.NotEmpty(t, m.Signatures)
		require.LessOrEqual(t, len(m.Signatures), jws.MaxSignatures)
		for i := range m.Signatures {
			payload, _, err := m.Verify(i, key, jws.Expect{Allow: allow})
			if err == nil {
				require.Equal(t, "text", string(payload))
			}
		}
	})
}
