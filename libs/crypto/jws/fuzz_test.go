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
