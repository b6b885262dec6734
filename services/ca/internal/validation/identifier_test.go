package validation_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

func TestParseIdentifier_HasOneFormForEachName(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"example.com": "example.com", "WWW.Example.COM": "www.example.com", "*.Example.com": "*.example.com", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"db": "db", "1.example.com": "1.example.com", "a-b.c": "a-b.c",
	} {
		i, err := validation.ParseIdentifier("dns", value)
		require.NoError(t, err, value)
		assert.Equal(t, want, i.Value)
	}
	for _, value := range []string{"192.0.2.1", "2001:db8::1", "::1"} {
		i, err := validation.ParseIdentifier("ip", value)
		require.NoError(t, err, value)
		assert.Equal(t, value, i.Value)
	}
}

func TestParseIdentifier_RefusesWhatIsNoName(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"", ".", "*.", "*", "example.com.", ".example.com", "a..b", "*.*.example.com", "www.*.example.com", "w*.example.com", "exa_mple.com", "exämple.com",
		"-a.example", "a-.example", "example.com:443", "exam ple.com", "example.com/", "user@example.com", "192.0.2.1", "[::1]", "a.0x7f", "a.127", "ab--c.example",
		"K\u212Aelvin.example", "a\x00.example", "example.com\n", strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "aa",
	} {
		_, err := validation.ParseIdentifier("dns", value)
		assert.Error(t, err, "%q", value)
	}
	for _, value := range []string{"", "example.com", "192.0.2.01", "192.0.2", "2001:DB8::1", "2001:db8:0:0:0:0:0:1", "::ffff:192.0.2.1", "fe80::1%eth0", "[::1]", "1.2.3.4/32"} {
		_, err := validation.ParseIdentifier("ip", value)
		assert.Error(t, err, "%q", value)
	}
	_, err := validation.ParseIdentifier("email", "a@example.com")
	assert.ErrorIs(t, err, validation.ErrIdentifierType)
}

func TestMethods_FitTheIdentifier(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []validation.Method{validation.HTTP01, validation.DNS01, validation.TLSALPN01}, domain(t, "example.com").Methods())
	assert.Equal(t, []validation.Method{validation.DNS01}, domain(t, "*.example.com").Methods())
	assert.Equal(t, []validation.Method{validation.HTTP01, validation.TLSALPN01}, ip(t, "192.0.2.1").Methods())
}
