package credential_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func TestParse_ReadsWhatGenerateMade(t *testing.T) {
	t.Parallel()
	scanner := regexp.MustCompile(`^cu_(at|cs|st)_[a-z0-9-]{1,31}_[a-z0-9._-]{1,63}_[A-Za-z0-9_-]{49}$`)
	for _, kind := range []credential.Kind{credential.APIToken, credential.ClientSecret, credential.SessionToken} {
		for _, tenant := range []string{"default", "a", "0-", strings.Repeat("t", 31)} {
			for _, id := range []string{"payments", "0190b2b3-0000-7000-8000-000000000000", "with_under__score", "a.b-c_", strings.Repeat("i", 63)} {
				made := generate(t, kind, tenant, id)
				require.Regexp(t, scanner, made.Text())
				read, err := credential.Parse(made.Text())
				require.NoError(t, err)
				assert.Equal(t, made, read)
				assert.Equal(t, kind, read.Kind())
				assert.Equal(t, tenant, read.Tenant())
				assert.Equal(t, id, read.ID())
				assert.Len(t, read.Secret(), credential.SecretSize)
			}
		}
	}
}

func TestParse_KeepsReadingThisFormat(t *testing.T) {
	t.Parallel()
	// The checksum: printf cu_at_demo_ci_AAEC... | openssl dgst -sha256 -binary | head -c 4 | basenc --base64url
	const text = "cu_at_demo_ci_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8uWUxpg"
	c, err := credential.Parse(text)
	require.NoError(t, err)
	assert.Equal(t, []string{"at", "demo", "ci"}, []string{string(c.Kind()), c.Tenant(), c.ID()})
	assert.Equal(t, byte(31), c.Secret()[31])
	assert.Equal(t, text, c.Text())
}

func TestGenerate_SecretsDiffer(t *testing.T) {
	t.Parallel()
	a, b := generate(t, credential.APIToken, "demo", "ci"), generate(t, credential.APIToken, "demo", "ci")
	assert.NotEqual(t, a.Secret(), b.Secret())
}

func TestGenerate_RefusesNamesThatCouldNotBeReadBack(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"xx", "demo", "ci"},
		{"", "demo", "ci"},
		{"at", "", "ci"},
		{"at", "De", "ci"},
		{"at", "a_b", "ci"},
		{"at", "-a", "ci"},
		{"at", strings.Repeat("t", 32), "ci"},
		{"at", "demo", ""},
		{"at", "demo", "Ci"},
		{"at", "demo", "_ci"},
		{"at", "demo", "a b"},
		{"at", "demo", "a\n"},
		{"at", "demo\n", "a"},
		{"at", "demo", strings.Repeat("i", 64)},
	} {
		_, err := credential.Generate(credential.Kind(c[0]), c[1], c[2])
		require.Error(t, err, "%q", c)
	}
}

func TestParse_NoticesEverySingleWrongCharacter(t *testing.T) {
	t.Parallel()
	text := generate(t, credential.ClientSecret, "demo", "my_client").Text()
	for i := range text {
		for _, replacement := range []byte("aZ0_-.\n ") {
			if text[i] == replacement {
				continue
			}
			wrong := text[:i] + string(replacement) + text[i+1:]
			_, err := credential.Parse(wrong)
			require.Error(t, err, "character %d", i)
			require.NotContains(t, err.Error(), text[20:])
		}
		_, err := credential.Parse(text[:i])
		require.Error(t, err)
		_, err = credential.Parse(text[:i] + text[i+1:])
		require.Error(t, err)
	}
	for _, wrong := range []string{"", " " + text, text + " ", text + "\n", text + "=", strings.ToUpper(text), text + text, text + strings.Repeat("A", 10_000)} {
		_, err := credential.Parse(wrong)
		require.Error(t, err)
	}
	last := len(text) - 1
	_, err := credential.Parse(text[:last-20] + flip(text[last-20]) + text[last-19:])
	require.ErrorIs(t, err, credential.ErrChecksum)
}

func TestCredential_HidesItsSecret(t *testing.T) {
	t.Parallel()
	c := generate(t, credential.APIToken, "demo", "ci")
	encoded, err := json.Marshal(map[string]any{"c": c})
	require.NoError(t, err)
	for _, shown := range []string{fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, c), c.LogValue().String(), string(encoded)} {
		assert.Contains(t, shown, "cu_at_demo_ci_[redacted]")
		assert.NotContains(t, shown, base64.RawURLEncoding.EncodeToString(c.Secret())[:12])
		assert.NotContains(t, shown, fmt.Sprintf("%d %d %d", c.Secret()[0], c.Secret()[1], c.Secret()[2]))
	}
}

func FuzzParse(f *testing.F) {
	c, err := credential.Generate(credential.APIToken, "demo", "c_i")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.Text())
	f.Add("cu_at_demo_ci_")
	f.Add("cu____" + strings.Repeat("A", 49))
	f.Fuzz(func(t *testing.T, text string) {
		if read, err := credential.Parse(text); err == nil {
			require.Equal(t, text, read.Text())
			require.True(t, credential.ValidTenant(read.Tenant()) && credential.ValidID(read.ID()))
		}
	})
}

func generate(t *testing.T, kind credential.Kind, tenant, id string) credential.Credential {
	t.Helper()
	c, err := credential.Generate(kind, tenant, id)
	require.NoError(t, err)
	return c
}

func flip(b byte) string {
	if b == 'A' {
		return "B"
	}
	return "A"
}
