package jose_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
)

// publicSet reads a public key set as anybody may.
func (s *service) publicSet(t testing.TB, path string, header ...string) (answer, *jwk.Set) {
	t.Helper()
	got := s.call(t, "", http.MethodGet, path, nil, header...)
	if got.Status != http.StatusOK {
		return got, nil
	}
	set, err := jwk.ParseSet(got.Body)
	require.NoError(t, err)
	require.Empty(t, set.Refused)
	return got, set
}

func TestPublicSet_IsCacheableAndATenantsOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		s.Tenant(t, "stranger")
		token := s.Operator(t)
		s.create(t, token, "tokens", "ES256")
		s.create(t, token, "secret", "HS256")
		s.create(t, s.Token(t, "stranger", "theirs", "jose:admin"), "tokens", "Ed25519")
		const path = "/.well-known/jwks.json"
		require.Eventually(t, func() bool { _, set := s.publicSet(t, path); return len(set.Keys) == 1 }, 5*time.Second, 20*time.Millisecond)
		got, set := s.publicSet(t, path)
		assert.Equal(t, "ES256", set.Keys[0].Algorithm)
		assert.False(t, set.Keys[0].IsPrivate())
		assert.Equal(t, "public, max-age=300, stale-if-error=3600", got.Header.Get("Cache-Control"))
		assert.Equal(t, "application/jwk-set+json", got.Header.Get("Content-Type"))
		unchanged, _ := s.publicSet(t, path, "If-None-Match", got.Header.Get("ETag"))
		assert.Equal(t, http.StatusNotModified, unchanged.Status)
		assert.Empty(t, unchanged.Body)
		assert.JSONEq(t, string(got.Body), string(s.get(t, token, "jwks").Body), "the authenticated one is the same")

		_, theirs := s.publicSet(t, "/t/stranger"+path)
		require.Len(t, theirs.Keys, 1)
		assert.Equal(t, "Ed25519", theirs.Keys[0].Algorithm)
		nobody, _ := s.publicSet(t, "/t/nobody"+path)
		nobody.refused(t, http.StatusNotFound, "not_found", "an unknown tenant")

		s.post(t, token, "keys/tokens/disable", nil)
		require.Eventually(t, func() bool { _, set := s.publicSet(t, path); return len(set.Keys) == 0 }, 5*time.Second, 20*time.Millisecond, "a disabled key leaves")
	})
}

func TestMessages_OpenAgainAndRefuseWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		for _, algorithm := range []string{"ES256", "Ed25519", "HS256"} {
			name := strings.ToLower(algorithm)
			s.create(t, token, name, algorithm)
			made := s.post(t, token, "jws/sign", map[string]any{"key": name, "payload": apivalue.Encode([]byte("hello")), "typ": "note+jws"})
			message := made.Member(t, "message")
			opened := s.post(t, token, "jws/verify", map[string]any{"message": message, "typ": "note+jws"})
			assert.Equal(t, []string{apivalue.Encode([]byte("hello")), "note+jws", made.Member(t, "kid")},
				[]string{opened.Member(t, "payload"), opened.Member(t, "typ"), opened.Member(t, "kid")})
			s.call(t, token, http.MethodPost, "jws/verify", map[string]any{"message": message[:len(message)-8] + "AAAAAAAA"}).
				refused(t, http.StatusBadRequest, "verification_failed", "a broken signature")
			s.call(t, token, http.MethodPost, "jwe/encrypt", map[string]any{"key": name, "plaintext": ""}).
				refused(t, http.StatusConflict, "wrong_key_use", algorithm)
		}
		for i, algorithm := range []string{"A256GCM/A256KW", "A128CBC-HS256/ECDH-ES", "A256GCM/dir"} {
			name := fmt.Sprintf("enc-%d", i)
			s.create(t, token, name, algorithm)
			message := s.post(t, token, "jwe/encrypt", map[string]any{"key": name, "plaintext": apivalue.Encode([]byte("hello"))}).Member(t, "message")
			assert.Equal(t, apivalue.Encode([]byte("hello")), s.post(t, token, "jwe/decrypt", map[string]any{"message": message}).Member(t, "plaintext"))
			s.call(t, token, http.MethodPost, "jwe/decrypt", map[string]any{"message": message[:len(message)-4] + "AAAA"}).
				refused(t, http.StatusBadRequest, "decryption_failed", "a broken tag")
			s.call(t, token, http.MethodPost, "jws/sign", map[string]any{"key": name, "payload": ""}).refused(t, http.StatusConflict, "wrong_key_use", algorithm)
		}
		reader := s.Token(t, "default", "reader", "jose:read")
		s.call(t, reader, http.MethodPost, "jws/sign", map[string]any{"key": "es256", "payload": ""}).refused(t, http.StatusForbidden, "insufficient_scope", "a reader")
	})
}

// header replaces the protected header of a compact message.
func withHeader(t testing.TB, message string, change func(map[string]any)) string {
	t.Helper()
	first, rest, _ := strings.Cut(message, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	require.NoError(t, err)
	var header map[string]any
	require.NoError(t, json.Unmarshal(text, &header))
	change(header)
	return apivalue.Encode(mustJSON(t, header)) + "." + rest
}

// membersOf are the members of the header of a message in compact serialization.
func membersOf(t testing.TB, message string) (header map[string]any) {
	t.Helper()
	withHeader(t, message, func(h map[string]any) { header = h })
	return header
}

func TestTokens_AreIssuedAndVerifiedByProfile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		s.create(t, token, "signer", "ES256")
		s.create(t, token, "other", "ES256")
		profile := func(name, key, typ string, more map[string]any) answer {
			body := map[string]any{"name": name, "key": key, "typ": typ, "issuer": "https://shop.example", "audience": []string{"api", "web"}}
			for member, value := range more {
				body[member] = value
			}
			return s.post(t, token, "profiles", body)
		}
		made := profile("access", "signer", "at+jwt", map[string]any{"required_claims": []string{"sub"}, "revocation": true, "lifetime_seconds": 60})
		profile("logout", "signer", "logout+jwt", nil)
		profile("foreign", "other", "at+jwt", nil)

		issue := map[string]any{"profile": "access", "subject": "ada", "audience": []string{"api"}, "claims": map[string]any{"role": "admin"}}
		issued := s.post(t, token, "jwt/issue", issue)
		text := issued.Member(t, "token")
		verified := s.post(t, token, "jwt/verify", map[string]any{"profile": "access", "token": text}).Object(t)
		claims := verified["claims"].(map[string]any)
		assert.Equal(t, []any{"https://shop.example", "ada", "admin", issued.Member(t, "jti")}, []any{claims["iss"], claims["sub"], claims["role"], claims["jti"]})
		assert.InDelta(t, 60, claims["exp"].(float64)-claims["iat"].(float64), 0)

		for what, c := range map[string]struct{ profile, token, code string }{
			"of another type":        {"logout", text, "token_wrong_type"},
			"of another key":         {"foreign", text, "token_bad_signature"},
			"with a touched header":  {"access", withHeader(t, text, func(h map[string]any) { h["x"] = 1 }), "token_bad_signature"},
			"with another algorithm": {"access", withHeader(t, text, func(h map[string]any) { h["alg"] = "ES384" }), "token_wrong_algorithm"},
			"no token":               {"access", "x.y.z", "token_malformed"},
		} {
			s.call(t, token, http.MethodPost, "jwt/verify", map[string]any{"profile": c.profile, "token": c.token}).refused(t, http.StatusBadRequest, c.code, what)
		}
		for what, change := range map[string]map[string]any{
			"a claim that the profile sets": {"claims": map[string]any{"iss": "me"}},
			"a life that is too long":       {"lifetime_seconds": 61},
		} {
			ask := map[string]any{"profile": "access", "subject": "ada"}
			for member, value := range change {
				ask[member] = value
			}
			s.call(t, token, http.MethodPost, "jwt/issue", ask).refused(t, http.StatusBadRequest, "validation_failed", what)
		}
		without := s.call(t, token, http.MethodPost, "jwt/issue", map[string]any{"profile": "access"})
		without.refused(t, http.StatusBadRequest, "invalid_input", "without a required claim")

		s.post(t, token, "profiles/access/revoke", map[string]any{"jti": issued.Member(t, "jti")})
		s.call(t, token, http.MethodPost, "jwt/verify", map[string]any{"profile": "access", "token": text}).
			refused(t, http.StatusBadRequest, "token_revoked", "revoked")
		s.call(t, token, http.MethodPost, "profiles/logout/revoke", map[string]any{"jti": "x"}).refused(t, http.StatusConflict, "invalid_state", "a profile without")

		changed := s.call(t, token, http.MethodPatch, "profiles/access", map[string]any{"audience": []string{"elsewhere"}},
			"Content-Type", "application/merge-patch+json", "If-Match", made.Header.Get("ETag"))
		require.Equal(t, http.StatusOK, changed.Status, "%s", changed.Body)
		stale := s.call(t, token, http.MethodDelete, "profiles/access", nil, "If-Match", made.Header.Get("ETag"))
		stale.refused(t, http.StatusPreconditionFailed, "precondition_failed", "a stale If-Match")
		gone := s.call(t, token, http.MethodDelete, "profiles/access", nil, "If-Match", changed.Header.Get("ETag"))
		assert.Equal(t, http.StatusNoContent, gone.Status, "%s", gone.Body)
		s.call(t, token, http.MethodGet, "profiles/access", nil).refused(t, http.StatusNotFound, "not_found", "deleted")
	})
}

func TestRotation_ASuccessorIsPublishedBeforeItSigns(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		s.create(t, token, "signer", "ES256")
		sign := func() string {
			return s.post(t, token, "jws/sign", map[string]any{"key": "signer", "payload": "aGk"}).Member(t, "kid")
		}
		first := sign()
		next := s.post(t, token, "keys/signer/rotate", nil)
		assert.Equal(t, "pending", next.Member(t, "status"))
		at, err := time.Parse(time.RFC3339, next.Member(t, "activate_at"))
		require.NoError(t, err)
		made, err := time.Parse(time.RFC3339, next.Member(t, "created_at"))
		require.NoError(t, err)
		assert.GreaterOrEqual(t, at.Sub(made), 5*time.Minute, "one lifetime of the set at least")
		require.Eventually(t, func() bool { _, set := s.publicSet(t, "/.well-known/jwks.json"); return len(set.Keys) == 2 }, 5*time.Second, 20*time.Millisecond)
		assert.Equal(t, first, sign(), "the successor is not used yet")
		s.call(t, token, http.MethodPost, "keys/signer/rotate", nil).refused(t, http.StatusConflict, "invalid_state", "one is pending")

		now := s.post(t, token, "keys/signer/rotate", map[string]any{"immediate": true})
		assert.Equal(t, "active", now.Member(t, "status"))
		require.Eventually(t, func() bool { return sign() == now.Member(t, "kid") }, 5*time.Second, 20*time.Millisecond)
		versions := s.get(t, token, "keys/signer/versions").Items(t)
		require.Len(t, versions, 3)
		for i, status := range []string{"active", "retired", "retired"} {
			assert.Equal(t, status, versions[i]["status"], "version %v", versions[i]["version"])
		}
		_, set := s.publicSet(t, "/.well-known/jwks.json")
		_, there := set.Find(first)
		assert.True(t, there, "until the last token that it signed has expired")
		assert.Equal(t, http.StatusOK, s.administer(t, http.MethodPost, "keys/signer/versions/1/destroy", nil).Status)
		refused := s.administer(t, http.MethodPost, "keys/signer/versions/3/destroy", nil)
		refused.refused(t, http.StatusConflict, "invalid_state", "it is in use")
	})
}
