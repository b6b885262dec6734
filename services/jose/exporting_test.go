package jose_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
)

func raw(text []byte) json.RawMessage { return text }

func encoded(text string) string { return apivalue.Encode([]byte(text)) }

func apiText(t testing.TB, text string) string {
	t.Helper()
	decoded, err := apivalue.Decode("", text)
	require.NoError(t, err)
	return string(decoded)
}

func TestExport_LeavesEncryptedToARecipientAndComesBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		const wrapping = "A256GCM/ECDH-ES+A256KW"
		outside, _, public := generate(t, wrapping)
		s.post(t, token, "keys/import", object{"name": "outside", "algorithm": wrapping, "jwk": raw(public)})
		s.create(t, token, "inside", "A256GCM/A256KW")
		made := s.post(t, token, "keys", object{"name": "leaves", "algorithm": "ES256", "exportable": true})
		assert.Equal(t, true, made.Object(t)["exportable"])
		s.create(t, token, "stays", "ES256")
		export := func(path string, body object) answer { return s.administer(t, http.MethodPost, path, body) }

		s.call(t, token, http.MethodPost, "keys/leaves/export", object{"recipient": "outside"}).
			refused(t, http.StatusUnauthorized, "step_up_required", "an API token")
		s.call(t, token, http.MethodPost, "keys/export", object{"keys": []string{"leaves"}, "recipient": "outside"}).
			refused(t, http.StatusUnauthorized, "step_up_required", "an API token")
		out := export("keys/leaves/export", object{"recipient": "outside"})
		require.Equal(t, http.StatusOK, out.Status, "%s", out.Body)
		key, header, err := jwe.DecryptKey(outside, out.Member(t, "jwe"), jwe.Expect{})
		require.NoError(t, err)
		assert.Equal(t, "jwk+json", header.ContentType)
		assert.Equal(t, out.Object(t)["keys"].([]any)[0].(object)["kid"], key.ID)
		assert.True(t, key.IsPrivate())
		signed := s.post(t, token, "jws/sign", object{"key": "leaves", "payload": "aGk"}).Member(t, "kid")
		assert.Equal(t, signed, key.ID)

		for what, c := range map[string]struct {
			path   string
			body   object
			status int
			code   string
		}{
			"a key that was not made for it":        {"keys/stays/export", object{"recipient": "outside"}, http.StatusConflict, "not_exportable"},
			"a set with such a key":                 {"keys/export", object{"keys": []string{"leaves", "stays"}, "recipient": "outside"}, http.StatusConflict, "not_exportable"},
			"to a signature key":                    {"keys/leaves/export", object{"recipient": "stays"}, http.StatusConflict, "wrong_key_use"},
			"to nobody":                             {"keys/leaves/export", object{"recipient": "nobody"}, http.StatusBadRequest, "validation_failed"},
			"a version that is not there":           {"keys/leaves/export", object{"recipient": "outside", "version": 7}, http.StatusNotFound, "not_found"},
			"a key that is not there":               {"keys/nobody/export", object{"recipient": "outside"}, http.StatusNotFound, "not_found"},
			"a public key, which was not marked so": {"keys/outside/export", object{"recipient": "inside"}, http.StatusConflict, "not_exportable"},
		} {
			export(c.path, c.body).refused(t, c.status, c.code, what)
		}

		// All versions, and back in under another name.
		s.post(t, token, "keys/leaves/rotate", object{"immediate": true})
		all := export("keys/export", object{"keys": []string{"leaves"}, "recipient": "outside"})
		require.Equal(t, http.StatusOK, all.Status, "%s", all.Body)
		set, _, err := jwe.DecryptKeySet(outside, all.Member(t, "jwe"), jwe.Expect{})
		require.NoError(t, err)
		assert.Len(t, set.Keys, 2)
		_, there := set.Find(signed)
		assert.True(t, there)

		back := export("keys/leaves/export", object{"recipient": "inside", "version": 1}).Member(t, "jwe")
		s.call(t, token, http.MethodPost, "keys/import", object{"name": "back", "jwe": back[:len(back)-4] + "AAAA"}).
			refused(t, http.StatusBadRequest, "decryption_failed", "a touched one")
		s.call(t, token, http.MethodPost, "keys/import", object{"name": "back", "jwe": out.Member(t, "jwe")}).
			refused(t, http.StatusConflict, "no_private_key", "one for somebody else")
		s.call(t, token, http.MethodPost, "keys/import", object{"name": "back", "jwe": back, "jwk": object{"kty": "oct"}}).
			refused(t, http.StatusBadRequest, "validation_failed", "both")
		s.call(t, token, http.MethodPost, "keys/import", object{"name": "back"}).refused(t, http.StatusBadRequest, "validation_failed", "neither")
		untyped := s.post(t, token, "jwe/encrypt", object{"key": "inside", "plaintext": "e30"}).Member(t, "message")
		s.call(t, token, http.MethodPost, "keys/import", object{"name": "back", "jwe": untyped}).refused(t, http.StatusBadRequest, "invalid_jwe", "no key")
		s.post(t, token, "keys/import", object{"name": "back", "jwe": back})
		public1 := s.get(t, token, "keys/leaves/public-key?version=1").Object(t)["jwk"].(object)
		public2 := s.get(t, token, "keys/back/public-key").Object(t)["jwk"].(object)
		assert.Equal(t, []any{public1["x"], public1["y"]}, []any{public2["x"], public2["y"]})
		assert.Equal(t, false, s.get(t, token, "keys/back").Object(t)["exportable"])

		importer := s.Token(t, "default", "importer", "jose:import")
		s.post(t, importer, "keys/import", object{"name": "again", "jwe": back})
		reader := s.Token(t, "default", "reader", "jose:decrypt")
		s.call(t, reader, http.MethodPost, "keys/import", object{"name": "no", "jwe": back}).refused(t, http.StatusForbidden, "insufficient_scope", "a reader")

		s.post(t, token, "keys/leaves/disable", nil)
		export("keys/leaves/export", object{"recipient": "outside"}).refused(t, http.StatusConflict, "invalid_state", "a disabled key")
	})
}
