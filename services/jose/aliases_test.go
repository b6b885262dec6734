package jose_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// at is call for a path as an alias calls it.
func (s *service) at(t testing.TB, token, method, path string, body any) answer {
	t.Helper()
	return s.call(t, token, method, "/jose/v1/"+path, body)
}

func TestAliases_AreTheOperationsThatTheyStandFor(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		made := s.at(t, token, http.MethodPost, "keys", object{"name": "signer", "algorithm": "ES256"})
		require.Equal(t, http.StatusCreated, made.Status, "%s", made.Body)
		s.create(t, token, "box", "A256GCM/A256KW")
		s.profile(t, token, "access", object{"key": "signer"})
		kid := s.get(t, token, "keys/signer/public-key").Member(t, "kid")
		for alias, path := range map[string]string{
			"keys": "keys", "keys/signer": "keys/signer", "keys/" + kid: "keys/" + kid, "keys/nobody": "keys/nobody", "jwks": "jwks",
		} {
			for _, as := range []string{token, "", "cu_at_default_x_y"} {
				want, got := s.call(t, as, http.MethodGet, path, nil), s.at(t, as, http.MethodGet, alias, nil)
				assert.Equal(t, want.Status, got.Status, alias)
				if want.Status == http.StatusOK {
					assert.Equal(t, string(want.Body), string(got.Body), alias)
					assert.Equal(t, want.Header.Get("ETag"), got.Header.Get("ETag"), alias)
				} else {
					assert.Equal(t, want.Member(t, "code"), got.Member(t, "code"), alias)
				}
			}
		}
		message := s.at(t, token, http.MethodPost, "sign", object{"key": "signer", "payload": "aGk"}).Member(t, "message")
		assert.Equal(t, "aGk", s.at(t, token, http.MethodPost, "verify", object{"message": message}).Member(t, "payload"))
		sealed := s.at(t, token, http.MethodPost, "encrypt", object{"key": "box", "plaintext": "aGk"}).Member(t, "message")
		assert.Equal(t, "aGk", s.at(t, token, http.MethodPost, "decrypt", object{"message": sealed}).Member(t, "plaintext"))
		issued := s.at(t, token, http.MethodPost, "jwt/issue", object{"profile": "access"}).Member(t, "token")
		assert.Equal(t, kid, s.at(t, token, http.MethodPost, "jwt/validate", object{"profile": "access", "token": issued}).Member(t, "kid"))

		reader := s.Token(t, "default", "reader", "jose:read")
		s.at(t, reader, http.MethodPost, "sign", object{"key": "signer", "payload": "aGk"}).refused(t, http.StatusForbidden, "insufficient_scope", "a reader")
		s.at(t, "", http.MethodPost, "sign", object{"key": "signer", "payload": "aGk"}).refused(t, http.StatusUnauthorized, "unauthenticated", "nobody")
		s.at(t, token, http.MethodPost, "sign", object{"key": "signer", "payload": "aGk", "x": 1}).refused(t, http.StatusBadRequest, "unknown_member", "an unknown member")
		s.at(t, token, http.MethodDelete, "sign", nil).refused(t, http.StatusMethodNotAllowed, "method_not_allowed", "another method")
		s.at(t, token, http.MethodGet, "profiles", nil).refused(t, http.StatusNotFound, "not_found", "what has no alias")
	})
}
