package kms_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// publicSet reads a public set as anybody does.
func (s *service) publicSet(t testing.TB, path string, header ...string) answer {
	t.Helper()
	got, err := s.exchange(s.request(t, "", http.MethodGet, path, nil, header...))
	require.NoError(t, err)
	return got
}

// kids are those of the keys in a JWK Set, which must all be public.
func (a answer) kids(t testing.TB) []string {
	t.Helper()
	set, err := jwk.ParseSet(a.body)
	require.NoError(t, err, "%s", a.body)
	require.Empty(t, set.Refused)
	kids := []string{}
	for _, key := range set.Keys {
		assert.False(t, key.IsPrivate())
		kids = append(kids, key.ID)
	}
	return kids
}

func TestKeySet_HoldsEnabledVersionsOfPublishedKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		assert.JSONEq(t, `{"keys":[]}`, string(s.publicSet(t, "/kms/jwks.json").body))
		made := func(name, algorithm string, published bool) string {
			return s.post(t, token, "elastic-keys", map[string]any{"name": name, "algorithm": algorithm, "published": published}).member(t, "id")
		}
		signer, sealer := made("signer", "Ed25519", true), made("sealer", "A256GCM/ECDH-ES+A256KW", true)
		made("hidden", "ES256", false)
		s.call(t, token, http.MethodPost, "elastic-keys", map[string]any{"name": "secret", "algorithm": "HS256", "published": true}).
			refused(t, http.StatusBadRequest, "validation_failed", "a symmetric key")

		signed := s.post(t, token, "elastic-keys/signer/sign", map[string]any{"payload": "aGVsbG8"}).member(t, "signature")
		s.post(t, token, "elastic-keys/signer/rotate", nil)
		want := []string{signer + ".2", sealer + ".1", signer + ".1"}
		first := s.publicSet(t, "/kms/jwks.json")
		require.Equal(t, http.StatusOK, first.status)
		assert.Equal(t, want, first.kids(t), "the newest first")
		assert.Equal(t, "application/jwk-set+json", first.header.Get("Content-Type"))
		assert.Equal(t, "public, max-age=60", first.header.Get("Cache-Control"))
		assert.Equal(t, want, s.publicSet(t, "/t/default/kms/jwks.json").kids(t))
		own := s.get(t, token, "jwks")
		assert.Equal(t, want, own.kids(t))
		assert.Equal(t, first.header.Get("ETag"), own.header.Get("ETag"))

		set, err := jwk.ParseSet(first.body)
		require.NoError(t, err)
		_, _, err = jws.Verify(set.Keys[2], signed, jws.Expect{})
		assert.NoError(t, err, "what an older version has signed verifies with the set alone")

		again := s.publicSet(t, "/kms/jwks.json", "If-None-Match", first.header.Get("ETag"))
		assert.Equal(t, http.StatusNotModified, again.status)
		assert.Empty(t, again.body)
		s.post(t, token, "elastic-keys/signer/rotate", nil)
		next := s.publicSet(t, "/kms/jwks.json", "If-None-Match", first.header.Get("ETag"))
		require.Equal(t, http.StatusOK, next.status, "a rotation is in the set at once")
		assert.Equal(t, append([]string{signer + ".3"}, want...), next.kids(t))
	})
}

func TestKeySet_IsEachTenantsOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		s.tenant(t, "acme")
		acme := s.token(t, "acme", "token", "kms:admin")
		id := s.post(t, acme, "elastic-keys", map[string]any{"name": "signer", "algorithm": "ES256", "published": true}).member(t, "id")
		assert.Equal(t, []string{id + ".1"}, s.publicSet(t, "/t/acme/kms/jwks.json").kids(t))
		assert.Empty(t, s.publicSet(t, "/kms/jwks.json").kids(t))
		assert.Empty(t, s.get(t, s.operator(t), "jwks").kids(t))
		assert.Equal(t, http.StatusNotFound, s.publicSet(t, "/t/nobody/kms/jwks.json").status)
	})
}

// A set is kept in memory; what another replica changes is in it within a second.
func TestKeySet_FollowsOtherReplicas(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, first *service) {
		second := run(t, first.cfg, first.files)
		token := first.operator(t)
		assert.Empty(t, second.publicSet(t, "/kms/jwks.json").kids(t))
		for want := 1; want <= 3; want++ {
			if want == 1 {
				first.post(t, token, "elastic-keys", map[string]any{"name": "signer", "algorithm": "ES256", "published": true})
			} else {
				first.post(t, token, "elastic-keys/signer/rotate", nil)
			}
			require.Eventually(t, func() bool { return len(second.publicSet(t, "/kms/jwks.json").kids(t)) == want }, time.Second, time.Millisecond)
		}
	})
}

// What is public stays so while the service is sealed, as far as it is known; nothing is made up.
func TestKeySet_WhileSealed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		s.post(t, token, "elastic-keys", map[string]any{"name": "signer", "algorithm": "ES256", "published": true})
		known := s.publicSet(t, "/kms/jwks.json")
		s.admin(t, http.MethodPost, "seal", "")
		assert.Equal(t, known.body, s.publicSet(t, "/kms/jwks.json").body)
		s.stop()
		s = run(t, s.cfg, s.files)
		s.admin(t, http.MethodPost, "seal", "")
		s.publicSet(t, "/kms/jwks.json").refused(t, http.StatusServiceUnavailable, "sealed", "a set that is not known")
	})
}

func TestAlgorithmReport_CountsKeysVersionsAndUses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		s.tenant(t, "acme")
		token, acme := s.operator(t), s.token(t, "acme", "token", "kms:admin")
		s.create(t, acme, "elsewhere", "HS512")
		assert.Empty(t, s.get(t, token, "reports/algorithms").items(t))
		for _, name := range []string{"a", "b"} {
			s.create(t, token, name, "A256GCM/A256KW")
		}
		s.create(t, token, "c", "A256GCM/ECDH-ES")
		s.post(t, token, "elastic-keys", map[string]any{"name": "waiting", "algorithm": "ES256", "origin": "imported"})
		s.post(t, token, "elastic-keys/a/rotate", nil)
		items := s.get(t, token, "reports/algorithms").items(t)
		require.Len(t, items, 3)
		names := make([]string, len(items))
		for i, item := range items {
			names[i] = item["algorithm"].(string)
		}
		assert.True(t, slices.IsSorted(names))
		assert.Equal(t, map[string]any{
			"algorithm": "A256GCM/A256KW", "keys": 2.0, "old_versions_reading": 1.0, "use_count": 0.0, "byte_count": 0.0,
			"versions": map[string]any{"pending_import": 0.0, "enabled": 3.0, "disabled": 0.0, "compromised": 0.0, "destroy_scheduled": 0.0, "destroyed": 0.0},
		}, items[0])
		assert.Equal(t, "P-256", items[1]["curve"])
		assert.Zero(t, items[2]["versions"].(map[string]any)["enabled"], "a key that awaits its first import has no version")
	})
}
