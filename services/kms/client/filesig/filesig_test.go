package filesig_test

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/services/kms/client/filesig"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// The digest is that of FIPS 180-4's example "abc".
const abc = `{"alg":"SHA-512","digest":"3a81oZNherrMQXNJriBBMRLm-k6JqX6iCp7u5ktV05ohkpkqJ0_BqDa6PCOj_uu9RU1EI2Q86A4qmslPpUyknw","size":3}`

func TestOf_HashesWhatItReads(t *testing.T) {
	t.Parallel()
	statement, err := filesig.Of(t.Context(), strings.NewReader("abc"))
	require.NoError(t, err)
	assert.JSONEq(t, abc, string(statement.Payload()))

	large := strings.Repeat("0123456789abcdef", 20_000)
	statement, err = filesig.Of(t.Context(), iotest.HalfReader(strings.NewReader(large)))
	require.NoError(t, err)
	assert.Equal(t, filesig.Statement{Digest: sha512.Sum512([]byte(large)), Size: 320_000}, statement)

	statement, err = filesig.Of(t.Context(), strings.NewReader(""))
	require.NoError(t, err)
	assert.Equal(t, filesig.Statement{Digest: sha512.Sum512(nil)}, statement)
}

func TestOf_ReportsABrokenSource(t *testing.T) {
	t.Parallel()
	for _, broken := range []error{errors.New("gone"), io.ErrUnexpectedEOF} {
		_, err := filesig.Of(t.Context(), io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := filesig.Of(ctx, strings.NewReader("abc"))
	require.ErrorIs(t, err, context.Canceled)
}

func TestParse_ReadsWhatPayloadWrites(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 1, 1 << 40, 1<<63 - 1} {
		statement := filesig.Statement{Digest: sha512.Sum512([]byte("x")), Size: size}
		assert.True(t, json.Valid(statement.Payload()))
		parsed, err := filesig.Parse(statement.Payload())
		require.NoError(t, err)
		assert.Equal(t, statement, parsed)
		assert.Less(t, len(statement.Payload()), filesig.MaxPayload)
	}
}

func TestParse_TakesMembersInAnyOrder(t *testing.T) {
	t.Parallel()
	digest := base64.RawURLEncoding.EncodeToString(make([]byte, 64))
	parsed, err := filesig.Parse([]byte("{ \"size\": 7,\n\"digest\": \"" + digest + "\", \"alg\": \"SHA-512\" }\n"))
	require.NoError(t, err)
	assert.Equal(t, filesig.Statement{Size: 7}, parsed)
}

func TestParse_RefusesAllElse(t *testing.T) {
	t.Parallel()
	replace := func(old, replacement string) string {
		require.Contains(t, abc, old)
		return strings.Replace(abc, old, replacement, 1)
	}
	for name, payload := range map[string]string{
		"nothing":             "",
		"array":               "[" + abc + "]",
		"two objects":         abc + abc,
		"cut":                 abc[:len(abc)-1],
		"trailing text":       abc + "x",
		"missing member":      replace(`,"size":3`, ""),
		"further member":      replace(`"size":3`, `"size":3,"name":"x"`),
		"member twice":        replace(`"size":3`, `"size":4,"size":3`),
		"algorithm twice":     replace(`"alg":"SHA-512"`, `"alg":"SHA-512","alg":"SHA-512"`),
		"other case":          replace(`"alg"`, `"Alg"`),
		"other algorithm":     replace("SHA-512", "SHA-256"),
		"algorithm in small":  replace("SHA-512", "sha-512"),
		"number as algorithm": replace(`"SHA-512"`, "512"),
		"object as value":     replace(`"size":3`, `"size":{}`),
		"null as value":       replace(`"size":3`, `"size":null`),
		"text as size":        replace(`"size":3`, `"size":"3"`),
		"negative size":       replace(`"size":3`, `"size":-3`),
		"minus zero":          replace(`"size":3`, `"size":-0`),
		"fraction":            replace(`"size":3`, `"size":3.0`),
		"exponent":            replace(`"size":3`, `"size":3e0`),
		"leading zero":        replace(`"size":3`, `"size":03`),
		"too large":           replace(`"size":3`, `"size":9223372036854775808`),
		"short digest":        replace("3a81oZ", "3a81"),
		"long digest":         replace("3a81oZ", "3a81oZAAAA"),
		"padded digest":       replace(`Uyknw"`, `Uyknw=="`),
		"other alphabet":      replace("-k6JqX", "+k6JqX"),
		"unused bits":         replace(`Uyknw"`, `Uyknx"`),
		"line feed in digest": replace("3a81", `3a\n81`),
		"far too long":        replace("{", "{"+strings.Repeat(" ", filesig.MaxPayload)),
	} {
		_, err := filesig.Parse([]byte(payload))
		assert.Error(t, err, name)
	}
}

func TestCompare_SaysHowFilesDiffer(t *testing.T) {
	t.Parallel()
	signed, err := filesig.Of(t.Context(), strings.NewReader("signed"))
	require.NoError(t, err)
	for text, want := range map[string]string{
		"Signed":  "the file is not the signed one: same size, other content",
		"signed!": "the file has 7 bytes, the signed one has 6",
		"":        "the file has 0 bytes, the signed one has 6",
	} {
		found, err := filesig.Of(t.Context(), strings.NewReader(text))
		require.NoError(t, err)
		require.EqualError(t, signed.Compare(found), want)
	}
	again, err := filesig.Of(t.Context(), strings.NewReader("signed"))
	require.NoError(t, err)
	assert.NoError(t, signed.Compare(again))
}
