package naming_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

const id = "0190a0b0-0000-7000-8000-0000000000ab"

func TestCheck_HoldsNamesToTheirForm(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "0", "payroll", "a.b_c-d", strings.Repeat("x", 63)} {
		assert.NoError(t, naming.Check(name), name)
	}
	for _, name := range []string{"", "A", "-a", ".a", "a b", "ä", "a/b", "a\x00", strings.Repeat("x", 64), id} {
		assert.Error(t, naming.Check(name), name)
	}
}

func TestRef_IsAnIDInEitherCaseOrAName(t *testing.T) {
	t.Parallel()
	got, is := naming.Ref(strings.ToUpper(id)).ID()
	assert.True(t, is)
	assert.Equal(t, id, got)
	for _, name := range []string{"payroll", "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", "")} {
		_, is := naming.Ref(name).ID()
		assert.False(t, is, name)
	}
	assert.True(t, naming.Ref("payroll").Names())
	assert.True(t, naming.Ref(strings.ToUpper(id)).Names())
	assert.False(t, naming.Ref("no name").Names())
}

func TestStorable_IsWhatEveryDatabaseKeeps(t *testing.T) {
	t.Parallel()
	assert.True(t, naming.Storable("ä\n"))
	assert.False(t, naming.Storable("a\x00"))
	assert.False(t, naming.Storable("\xff"))
}
