package base64url_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func TestDecode_RefusesEverySecondEncoding(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"A", "AA=", "AA==", "AB", "AAB", "A+", "A/", " AA", "AA ", "A\nA", "AA\n", "AA\r\n", "A.A", "A?", "é", "AAAAA", "AAAA\n", "AAA\nA", "\nAAAA", "AA\nAA\n", "AAA\r\n", "\n", "\n\n", "\n\n\n", "\n\n\n\n", "AA\n\n", "A\nA\nA\nA\n"} {
		_, err := base64url.Decode(text)
		require.ErrorIs(t, err, base64url.ErrEncoding, "%q", text)
	}
}

func TestEncodeAndDecode(t *testing.T) {
	t.Parallel()
	for n := range 70 {
		data := bytes.Repeat([]byte{0xfb}, n)
		text := base64url.Encode(data)
		assert.Len(t, text, base64url.EncodedLen(n))
		assert.Equal(t, n, base64url.DecodedLen(len(text)))
		got, err := base64url.Decode(text)
		require.NoError(t, err)
		assert.Equal(t, data, got)
		got, err = base64url.AppendDecode([]byte("x"), text)
		require.NoError(t, err)
		assert.Equal(t, append([]byte("x"), data...), got)
		assert.Equal(t, "x"+text, string(base64url.AppendEncode([]byte("x"), data)))
	}
}
