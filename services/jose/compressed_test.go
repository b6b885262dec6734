package jose_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// recipient is the public part of a key as a partner has it.
func (s *service) recipient(t testing.TB, token, name string) *jwk.Key {
	t.Helper()
	text, err := json.Marshal(s.get(t, token, "keys/"+name+"/public-key").Object(t)["jwk"])
	require.NoError(t, err)
	key, err := jwk.Parse(text)
	require.NoError(t, err)
	return key
}

func TestCompressedTokens_AreOpenedAsFarAsTheProfileSays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		s.create(t, token, "signer", "ES256")
		s.create(t, token, "box", "A256GCM/ECDH-ES+A256KW")
		s.profile(t, token, "plain", object{"key": "signer", "typ": "at+jwt"})
		s.profile(t, token, "strict", object{"key": "signer", "encryption_key": "box", "typ": "at+jwt"})
		inner := s.post(t, token, "jwt/issue", object{"profile": "plain", "claims": object{"note": strings.Repeat("again and ", 300)}}).Member(t, "token")
		made := s.profile(t, token, "lenient", object{"key": "signer", "encryption_key": "box", "typ": "at+jwt", "max_inflated_bytes": len(inner)})
		assert.InDelta(t, len(inner), made.Object(t)["max_inflated_bytes"], 0)

		box := s.recipient(t, token, "box")
		sealed := func(plaintext string) string {
			message, err := jwe.Encrypt(box, jwe.Header{Encryption: "A256GCM", ContentType: "JWT", Compressed: true}, []byte(plaintext))
			require.NoError(t, err)
			return message
		}
		verify := func(profile, text string) answer {
			return s.call(t, token, http.MethodPost, "jwt/verify", object{"profile": profile, "token": text})
		}
		good := sealed(inner)
		assert.Equal(t, http.StatusOK, verify("lenient", good).Status)
		bomb := sealed(strings.Repeat("A", 40<<20))
		require.Less(t, len(bomb), 60<<10)
		for what, c := range map[string]struct{ profile, token string }{
			"a profile that does not allow it": {"strict", good},
			"a byte more than allowed":         {"lenient", sealed(inner + "A")},
			"a bomb":                           {"lenient", bomb},
			"another compression":              {"lenient", withHeader(t, good, func(h map[string]any) { h["zip"] = "GZIP" })},
			"a token that is not encrypted":    {"lenient", inner},
		} {
			verify(c.profile, c.token).refused(t, http.StatusBadRequest, "token_malformed", what)
		}
		verify("lenient", withHeader(t, good, func(h map[string]any) { delete(h, "zip") })).
			refused(t, http.StatusBadRequest, "token_decryption_failed", "the header is authentic")
		s.call(t, token, http.MethodPost, "jwe/decrypt", object{"message": good}).refused(t, http.StatusBadRequest, "invalid_jwe", "no profile")

		withHeader(t, s.post(t, token, "jwt/issue", object{"profile": "lenient"}).Member(t, "token"), func(h map[string]any) {
			assert.NotContains(t, h, "zip", "what it makes is never compressed")
		})
		patch := func(body object) answer {
			tag := s.get(t, token, "profiles/lenient").Header.Get("ETag")
			return s.call(t, token, http.MethodPatch, "profiles/lenient", body, "Content-Type", "application/merge-patch+json", "If-Match", tag)
		}
		for _, size := range []any{0, -1, 64<<10 + 1, "1"} {
			patch(object{"max_inflated_bytes": size}).refused(t, http.StatusBadRequest, "validation_failed", fmt.Sprint(size))
		}
		patch(object{"encryption_key": nil}).refused(t, http.StatusBadRequest, "validation_failed", "nothing is encrypted then")
		assert.Equal(t, http.StatusOK, patch(object{"max_inflated_bytes": nil}).Status)
		verify("lenient", good).refused(t, http.StatusBadRequest, "token_malformed", "it is allowed no more")
	})
}
