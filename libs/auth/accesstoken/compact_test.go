package accesstoken_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

func newKey(t testing.TB, algorithm, id string) *jwk.Key {
	t.Helper()
	size := 0
	if strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS") {
		size = 2048
	}
	spec, err := alg.ParseSpec(algorithm, size, "")
	require.NoError(t, err)
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	key.ID = id
	return key
}

// compact makes a JWS of any header, right or wrong.
func compact(t testing.TB, key *jwk.Key, algorithm string, header, payload object) string {
	t.Helper()
	encode := func(v any) string {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := encode(header) + "." + encode(payload)
	format := jws.FormatRaw
	if strings.HasPrefix(algorithm, "ES") {
		format = jws.FormatP1363
	}
	signature, err := jws.SignRaw(key, algorithm, jws.InputMessage, []byte(signed), format)
	require.NoError(t, err)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
