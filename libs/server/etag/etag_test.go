package etag_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var coded problem.Coded
	require.ErrorAs(t, err, &coded)

	return coded.ErrorCode()
}

func TestMatch(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `"7"`, etag.Of(7))
	for field, want := range map[string]string{
		"": "precondition_required", " ": "precondition_required", `"7"`: "", ` "7" `: "", "*": "", `"1","7"`: "", `"1" , "7"`: "", `"7", "1"`: "",
		`"8"`: "precondition_failed", `W/"7"`: "precondition_failed", `"07"`: "precondition_failed", `"1", W/"7"`: "precondition_failed",
		`7`: "bad_request", `"7`: "bad_request", `"7""8"`: "bad_request", `"7",`: "bad_request", `,"7"`: "bad_request", `w/"7"`: "bad_request", `"7", *`: "bad_request",
		"\"7\x00\"": "bad_request",
	} {
		assert.Equal(t, want, code(t, etag.Match(field, etag.Of(7))), field)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		"": "precondition_required", `"7"`: "", `W/"7"`: "precondition_failed", `"x"`: "precondition_failed", `"+7"`: "precondition_failed", `"007"`: "precondition_failed",
		"*": "bad_request", `"7","8"`: "bad_request", `7`: "bad_request",
	} {
		version, err := etag.Version(field)
		assert.Equal(t, want, code(t, err), field)
		assert.Equal(t, want == "", version == 7, field)
	}
}

func TestNoneMatch(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]bool{
		"": false, `"7"`: true, `W/"7"`: true, "*": true, `"1", "7"`: true, `"8"`: false, `7`: false, `"7`: false, `"7",`: false,
	} {
		assert.Equal(t, want, etag.NoneMatch(field, etag.Of(7)), field)
	}
}

func TestOfContent_IsOneTagForOneContent(t *testing.T) {
	t.Parallel()
	// echo -n abc | openssl dgst -sha256 -binary | head -c 16 | basenc --base64url
	assert.Equal(t, `"ungWv48Bz-pBQUDeXa4iIw"`, etag.OfContent([]byte("abc")))
	assert.Equal(t, etag.OfContent(nil), etag.OfContent([]byte{}))
	tags := map[string]bool{}
	for i := range 256 {
		tag := etag.OfContent([]byte{byte(i)})
		assert.False(t, tags[tag], i)
		tags[tag] = true
		require.NoError(t, etag.Match(tag, tag))
		assert.True(t, etag.NoneMatch("W/"+tag, tag))
		assert.Equal(t, "precondition_failed", code(t, etag.Match("W/"+tag, tag)))
	}
}
