package jose_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

func TestKeys_LifeOfAKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Operator(t)
		made := s.post(t, token, "keys", map[string]any{"name": "tokens", "algorithm": "ES256", "description": "of the shop"})
		id := made.Member(t, "id")
		assert.Equal(t, "keys/"+id, made.Header.Get("Location"))
		key := made.Object(t)
		assert.Equal(t, []any{"ES256", "sign", "active", true, 86400.0, 1.0},
			[]any{key["algorithm"], key["use"], key["status"], key["published"], key["token_lifetime_seconds"], key["version_count"]})
		s.call(t, token, http.MethodPost, "keys", map[string]any{"name": "tokens", "algorithm": "ES256"}).refused(t, http.StatusConflict, "conflict", "its name")

		kid := s.get(t, token, "keys/tokens/versions/1").Member(t, "kid")
		for _, ref := range []string{"tokens", id, kid} {
			assert.Equal(t, id, s.get(t, token, "keys/"+ref).Member(t, "id"), ref)
		}
		assert.Len(t, s.get(t, token, "keys?name=tokens").Items(t), 1)
		assert.Empty(t, s.get(t, token, "keys?algorithm=ES384").Items(t))
		public := s.get(t, token, "keys/tokens/public-key")
		parsed, err := jwk.Parse(mustJSON(t, public.Object(t)["jwk"]))
		require.NoError(t, err)
		assert.False(t, parsed.IsPrivate())
		assert.Equal(t, kid, parsed.ID)

		patch := map[string]any{"description": nil, "token_lifetime_seconds": 60}
		s.call(t, token, http.MethodPatch, "keys/tokens", patch, "Content-Type", "application/merge-patch+json").
			refused(t, http.StatusPreconditionRequired, "precondition_required", "without If-Match")
		changed := s.call(t, token, http.MethodPatch, "keys/tokens", patch, "Content-Type", "application/merge-patch+json", "If-Match", made.Header.Get("ETag"))
		require.Equal(t, http.StatusOK, changed.Status, "%s", changed.Body)
		assert.Equal(t, []any{"", 60.0}, []any{changed.Object(t)["description"], changed.Object(t)["token_lifetime_seconds"]})
		s.call(t, token, http.MethodPatch, "keys/tokens", patch, "Content-Type", "application/merge-patch+json", "If-Match", made.Header.Get("ETag")).
			refused(t, http.StatusPreconditionFailed, "precondition_failed", "a stale If-Match")

		assert.Equal(t, "disabled", s.post(t, token, "keys/tokens/disable", nil).Member(t, "status"))
		s.call(t, token, http.MethodPost, "keys/tokens/disable", nil).refused(t, http.StatusConflict, "invalid_state", "again")
		s.call(t, token, http.MethodPost, "keys/tokens/rotate", nil).refused(t, http.StatusConflict, "invalid_state", "disabled")
		assert.Equal(t, "active", s.post(t, token, "keys/tokens/enable", nil).Member(t, "status"))

		s.call(t, token, http.MethodPost, "keys/tokens/destroy", nil).refused(t, http.StatusUnauthorized, "step_up_required", "an API token")
		ended := s.administer(t, http.MethodPost, "keys/tokens/destroy", nil)
		require.Equal(t, http.StatusOK, ended.Status, "%s", ended.Body)
		assert.Equal(t, "destroyed", ended.Member(t, "status"))
		for _, ref := range []string{"tokens", id, kid} {
			s.call(t, token, http.MethodGet, "keys/"+ref, nil).refused(t, http.StatusNotFound, "not_found", ref)
		}
		assert.NotEqual(t, id, s.create(t, token, "tokens", "Ed25519"), "the name is free again")
	})
}

func TestKeys_EveryAlgorithmOfTheTableCanBeGeneratedAndImported(t *testing.T) {
	t.Parallel()
	cfg, files := prepare(t, database.EngineSQLite)
	s := run(t, cfg, files)
	token := s.Operator(t)
	for _, spec := range alg.Specs() {
		if spec.Use == alg.UseKEM || spec.Use == alg.UseDerive {
			s.call(t, token, http.MethodPost, "keys", map[string]any{"name": "unusable", "algorithm": spec.Algorithm}).
				refused(t, http.StatusBadRequest, "unsupported_algorithm", spec.Algorithm)
			continue
		}
		if spec.KeyType == alg.KeyTypeRSA && (spec.KeySize > 2048 || spec.Algorithm != "PS256" && spec.Algorithm != "A256GCM/RSA-OAEP-256") {
			continue // takes seconds each
		}
		ask := map[string]any{"name": "generated", "algorithm": spec.Algorithm}
		if spec.KeyType == alg.KeyTypeRSA {
			ask["key_size"] = spec.KeySize
		}
		if spec.KeyType == alg.KeyTypeEC && spec.Use == alg.UseEncrypt {
			ask["curve"] = spec.Curve
		}
		made := s.post(t, token, "keys", ask).Object(t)
		assert.Equal(t, spec.Algorithm, made["algorithm"])

		key, err := keygen.Generate(spec)
		require.NoError(t, err)
		private, err := key.MarshalPrivate()
		require.NoError(t, err)
		brought := s.post(t, token, "keys/import", map[string]any{"name": "brought", "algorithm": spec.Algorithm, "jwk": json.RawMessage(private)})
		assert.Equal(t, spec.Algorithm, brought.Member(t, "algorithm"))
		assert.Equal(t, "imported", s.get(t, token, "keys/brought/versions/1").Member(t, "origin"))
		for _, name := range []string{"generated", "brought"} {
			require.Equal(t, http.StatusOK, s.administer(t, http.MethodPost, "keys/"+name+"/destroy", nil).Status)
		}
	}
}

func TestKeys_ImportRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	cfg, files := prepare(t, database.EngineSQLite)
	s := run(t, cfg, files)
	token := s.Operator(t)
	spec, err := alg.ParseSpec("ES256", 0, "")
	require.NoError(t, err)
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	text, err := key.MarshalPrivate()
	require.NoError(t, err)
	var good map[string]any
	require.NoError(t, json.Unmarshal(text, &good))
	with := func(change map[string]any) map[string]any {
		out := map[string]any{}
		for name, value := range good {
			out[name] = value
		}
		for name, value := range change {
			out[name] = value
			if value == nil {
				delete(out, name)
			}
		}
		return out
	}
	for what, c := range map[string]struct {
		jwk             map[string]any
		algorithm, code string
	}{
		"another algorithm":       {good, "ES384", "key_mismatch"},
		"another kind":            {good, "EdDSA", "key_mismatch"},
		"none":                    {good, "none", "unsupported_algorithm"},
		"its alg says otherwise":  {with(map[string]any{"alg": "ECDH-ES", "use": "enc"}), "ES256", "key_mismatch"},
		"its use says otherwise":  {with(map[string]any{"use": "enc", "alg": nil}), "ES256", "key_mismatch"},
		"its key_ops are others'": {with(map[string]any{"key_ops": []string{"deriveKey"}, "use": nil, "alg": nil}), "ES256", "key_mismatch"},
		"a point off the curve":   {with(map[string]any{"x": good["y"], "y": good["x"], "d": nil}), "ES256", "invalid_jwk"},
		"another's private part":  {with(map[string]any{"d": good["x"]}), "ES256", "invalid_jwk"},
		"a short secret":          {map[string]any{"kty": "oct", "k": "c2hvcnQ"}, "HS256", "invalid_jwk"},
		"no key type":             {map[string]any{"k": "c2hvcnQ"}, "HS256", "invalid_jwk"},
		"a secret for signatures": {map[string]any{"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "ES256", "key_mismatch"},
	} {
		got := s.call(t, token, http.MethodPost, "keys/import", map[string]any{"name": "bad", "algorithm": c.algorithm, "jwk": c.jwk})
		got.refused(t, http.StatusBadRequest, c.code, what)
	}
	assert.Empty(t, s.get(t, token, "keys").Items(t))
}

func mustJSON(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return text
}
