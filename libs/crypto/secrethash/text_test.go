package secrethash_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
)

func TestVerify_RefusesTextsThatAreNoHashes(t *testing.T) {
	t.Parallel()
	set := open(t, secrethash.Config{Peppers: peppers()})
	texts := map[secrethash.Kind]string{}
	for _, kind := range secrethash.Kinds() {
		texts[kind] = known(t, kind)
	}
	for kind, text := range texts {
		r := set.Registry(kind)
		require.NoError(t, r.Check(text))
		wrong := []string{
			"", ":", ":::", "secret", "{3}", "{3}:", strings.TrimPrefix(text, "{3}:"), "3:" + strings.TrimPrefix(text, "{3}:"), text + "\n", "\n" + text,
			text + ":", text + ":x", text + "=", text + strings.Repeat("A", 1000), text[:len(text)-1], text[:len(text)-4], text + "AAAA",
			strings.ReplaceAll(text, "HMAC-SHA", "HMAC-SHA3-"), strings.ReplaceAll(text, "HMAC-SHA", "hmac-sha"),
		}
		for _, version := range []string{"{03}", "{-3}", "{+3}", "{0}", "{}", "{3", " {3}", "{ 3}", "{3.0}", "{99999999999999999999}"} {
			wrong = append(wrong, version+strings.TrimPrefix(text, "{3}"))
		}
		for _, salt := range []string{"salt=", "", "salt=AAECAwQFBgcICQoLDA0O:", "salt=" + strings.Repeat("AAAA", 22) + ":", "SALT=", "salt= "} {
			wrong = append(wrong, strings.ReplaceAll(text, "salt=", salt))
		}
		for _, rounds := range []string{"", "rounds=", "rounds=1,", "rounds=-220000,", "rounds=0220000,", "rounds=219999,", "rounds=10000001,", "rounds=220000;", "rounds=2e5,"} {
			wrong = append(wrong, strings.Replace(text, "rounds=220000,", rounds, 1), strings.Replace(text, "salt=", rounds+"salt=", 1))
		}
		for other, otherText := range texts {
			if deterministic := func(k secrethash.Kind) bool { return strings.HasSuffix(string(k), "deterministic") }; other != kind && !(deterministic(other) && deterministic(kind)) {
				wrong = append(wrong, otherText)
			}
		}
		for _, w := range wrong {
			if w == text {
				continue // this part is not in a text of this kind
			}
			require.ErrorIs(t, r.Check(w), secrethash.ErrFormat, "%s: %q", kind, w)
			result, err := r.Verify(t.Context(), []byte(secret16), w)
			require.ErrorIs(t, err, secrethash.ErrFormat, "%s: %q", kind, w)
			require.Zero(t, result)
		}
	}
}

// FuzzCheck looks for texts that are accepted in two spellings, or panic.
func FuzzCheck(f *testing.F) {
	set, err := secrethash.Open(secrethash.Config{Peppers: peppers()})
	require.NoError(f, err)
	for _, v := range vectors(f) {
		f.Add(v.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range secrethash.Kinds() {
			if set.Registry(kind).Check(text) != nil {
				continue
			}
			if strings.ContainsAny(text, " \r\n\t=+/") && !strings.Contains(text, "salt=") || strings.TrimSpace(text) != text {
				t.Errorf("%s accepts %q", kind, text)
			}
		}
	})
}
