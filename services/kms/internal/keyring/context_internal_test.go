package keyring

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The names of RFC 8785 section 3.2.3 with their order, which is that of UTF-16 code units, not of code points or bytes.
func TestContext_CanonicalOrderIsUTF16(t *testing.T) {
	t.Parallel()
	c := Context{
		"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
		"\U0001f600": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis",
	}
	want := `{"\r":"Carriage Return","1":"One","` + "\u0080" + `":"Control","` + "\u00f6" + `":"Latin Small Letter O With Diaeresis","` +
		"\u20ac" + `":"Euro Sign","` + "\U0001f600" + `":"Emoji: Grinning Face","` + "\ufb33" + `":"Hebrew Letter Dalet With Dagesh"}`
	assert.Equal(t, want, string(c.canonical()))
}

func TestContext_CanonicalEscapes(t *testing.T) {
	t.Parallel()
	c := Context{"k": "\u20ac$\u000f\nA'B\"\\\"/<>&\u2028\x7f\b\t\f"}
	want := `{"k":"€$\u000f\nA'B\"\\\"/<>&` + "\u2028\x7f" + `\b\t\f"}`
	assert.Equal(t, []byte(want), c.canonical(), "byte for byte")
	var back map[string]string
	require.NoError(t, json.Unmarshal(c.canonical(), &back))
	assert.Equal(t, map[string]string(c), back)
}

func TestContext_Digest(t *testing.T) {
	t.Parallel()
	none, err := Context{}.digest()
	require.NoError(t, err)
	assert.Empty(t, none)
	// printf '{"record":"4711"}' | openssl dgst -sha256 -binary | basenc --base64url
	got, err := Context{"record": "4711"}.digest()
	require.NoError(t, err)
	assert.Equal(t, "10mEaleNMaONTlGZvWI2HKmaOg80KSdoP6KLYDkX2WM", got)

	tooMany := Context{}
	for i := range maxContextMembers + 1 {
		tooMany[strings.Repeat("x", i+1)] = ""
	}
	for _, bad := range []Context{tooMany, {"": "x"}, {"x": strings.Repeat("y", maxContextText+1)}, {strings.Repeat("y", maxContextText+1): ""}, {"x": "\xff"}} {
		_, err := bad.digest()
		assert.Equal(t, "validation_failed", code(t, err))
	}
}
