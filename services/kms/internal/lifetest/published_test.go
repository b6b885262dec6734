package lifetest_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestKeySet_HoldsEnabledVersionsOfPublishedKeys(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		assert.JSONEq(t, `{"keys":[]}`, string(s.PublicSet(t, "/kms/jwks.json").Body))
		made := func(name, algorithm string, published bool) string {
			return s.Post(t, token, "elastic-keys", map[string]any{"name": name, "algorithm": algorithm, "published": published}).Member(t, "id")
		}
		signer, sealer := made("signer", "Ed25519", true), made("sealer", "A256GCM/ECDH-ES+A256KW", true)
		made("hidden", "ES256", false)
		s.Call(t, token, http.MethodPost, "elastic-keys", map[string]any{"name": "secret", "algorithm": "HS256", "published": true}).
			Refused(t, http.StatusBadRequest, "validation_failed", "a symmetric key")

		signed := s.Post(t, token, "elastic-keys/signer/sign", map[string]any{"payload": "aGVsbG8"}).Member(t, "signature")
		s.Post(t, token, "elastic-keys/signer/rotate", nil)
		want := []string{signer + ".2", sealer + ".1", signer + ".1"}
		first := s.PublicSet(t, "/kms/jwks.json")
		require.Equal(t, http.StatusOK, first.Status)
		assert.Equal(t, want, first.Kids(t), "the newest first")
		assert.Equal(t, "application/jwk-set+json", first.Header.Get("Content-Type"))
		assert.Equal(t, "public, max-age=60", first.Header.Get("Cache-Control"))
		assert.Equal(t, want, s.PublicSet(t, "/t/default/kms/jwks.json").Kids(t))
		own := s.Get(t, token, "jwks")
		assert.Equal(t, want, own.Kids(t))
		assert.Equal(t, first.Header.Get("ETag"), own.Header.Get("ETag"))

		set, err := jwk.ParseSet(first.Body)
		require.NoError(t, err)
		_, _, err = jws.Verify(set.Keys[2], signed, jws.Expect{})
		assert.NoError(t, err, "what an older version has signed verifies with the set alone")

		again := s.PublicSet(t, "/kms/jwks.json", "If-None-Match", first.Header.Get("ETag"))
		assert.Equal(t, http.StatusNotModified, again.Status)
		assert.Empty(t, again.Body)
		s.Post(t, token, "elastic-keys/signer/rotate", nil)
		next := s.PublicSet(t, "/kms/jwks.json", "If-None-Match", first.Header.Get("ETag"))
		require.Equal(t, http.StatusOK, next.Status, "a rotation is in the set at once")
		assert.Equal(t, append([]string{signer + ".3"}, want...), next.Kids(t))
	})
}

func TestKeySet_IsEachTenantsOwn(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		s.Tenant(t, "acme")
		acme := s.Token(t, "acme", "token", "kms:admin")
		id := s.Post(t, acme, "elastic-keys", map[string]any{"name": "signer", "algorithm": "ES256", "published": true}).Member(t, "id")
		assert.Equal(t, []string{id + ".1"}, s.PublicSet(t, "/t/acme/kms/jwks.json").Kids(t))
		assert.Empty(t, s.PublicSet(t, "/kms/jwks.json").Kids(t))
		assert.Empty(t, s.Get(t, s.Operator(t), "jwks").Kids(t))
		assert.Equal(t, http.StatusNotFound, s.PublicSet(t, "/t/nobody/kms/jwks.json").Status)
	})
}

// A set is kept in memory; what another replica changes is in it within a second.
func TestKeySet_FollowsOtherReplicas(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, first *kmstest.Service) {
		second := kmstest.Run(t, first.Config, first.Files)
		token := first.Operator(t)
		assert.Empty(t, second.PublicSet(t, "/kms/jwks.json").Kids(t))
		for want := 1; want <= 3; want++ {
			if want == 1 {
				first.Post(t, token, "elastic-keys", map[string]any{"name": "signer", "algorithm": "ES256", "published": true})
			} else {
				first.Post(t, token, "elastic-keys/signer/rotate", nil)
			}
			require.Eventually(t, func() bool { return len(second.PublicSet(t, "/kms/jwks.json").Kids(t)) == want }, time.Second, time.Millisecond)
		}
	})
}

// What is public stays so while the service is sealed, as far as it is known; nothing is made up.
func TestKeySet_WhileSealed(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		s.Post(t, token, "elastic-keys", map[string]any{"name": "signer", "algorithm": "ES256", "published": true})
		known := s.PublicSet(t, "/kms/jwks.json")
		s.Admin(t, http.MethodPost, "seal", "")
		assert.Equal(t, known.Body, s.PublicSet(t, "/kms/jwks.json").Body)
		s.Stop()
		s = kmstest.Run(t, s.Config, s.Files)
		s.Admin(t, http.MethodPost, "seal", "")
		s.PublicSet(t, "/kms/jwks.json").Refused(t, http.StatusServiceUnavailable, "sealed", "a set that is not known")
	})
}

func TestAlgorithmReport_CountsKeysVersionsAndUses(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		s.Tenant(t, "acme")
		token, acme := s.Operator(t), s.Token(t, "acme", "token", "kms:admin")
		s.Create(t, acme, "elsewhere", "HS512")
		assert.Empty(t, s.Get(t, token, "reports/algorithms").Items(t))
		for _, name := range []string{"a", "b"} {
			s.Create(t, token, name, "A256GCM/A256KW")
		}
		s.Create(t, token, "c", "A256GCM/ECDH-ES")
		s.Post(t, token, "elastic-keys", map[string]any{"name": "waiting", "algorithm": "ES256", "origin": "imported"})
		s.Post(t, token, "elastic-keys/a/rotate", nil)
		items := s.Get(t, token, "reports/algorithms").Items(t)
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
