package keyring

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "0", "payroll", "a.b_c-d", strings.Repeat("x", 63), "0198c8e0-0000-7000-8000-00000000000"} {
		assert.NoError(t, checkName(good), good)
	}
	bad := []string{"", "A", "-a", ".a", "_a", "a b", "a/b", "ä", "a\x00", strings.Repeat("x", 64), "0198c8e0-0000-7000-8000-000000000000"}
	for _, name := range bad {
		assert.Equal(t, "validation_failed", code(t, checkName(name)), "%q", name)
	}
}

func TestRef_UpperCaseUUIDIsTheSameKey(t *testing.T) {
	t.Parallel()
	id, ok := Ref("0198C8E0-AAAA-7000-8000-00000000000F").ID()
	assert.True(t, ok)
	assert.Equal(t, "0198c8e0-aaaa-7000-8000-00000000000f", id)
	for _, other := range []Ref{"payroll", "{0198c8e0-0000-7000-8000-000000000000}", "urn:uuid:0198c8e0-0000-7000-8000-000000000000", "0198c8e0000070008000000000000000"} {
		_, ok := other.ID()
		assert.False(t, ok, other)
	}
}

func TestParseKeyID_AcceptsOneSpellingOnly(t *testing.T) {
	t.Parallel()
	id, version, ok := parseKeyID("0198c8e0-aaaa-7000-8000-00000000000f.12")
	assert.True(t, ok)
	assert.Equal(t, "0198c8e0-aaaa-7000-8000-00000000000f", id)
	assert.Equal(t, int64(12), version)
	for _, bad := range []string{"", ".", "x", "x.", "x.0", "x.-1", "x.+1", "x.01", "x.1.", "x.1 ", "x.99999999999999999999", "x.1e3"} {
		_, _, ok := parseKeyID(bad)
		assert.False(t, ok, "%q", bad)
	}
}
