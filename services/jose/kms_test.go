package jose_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// eachKept runs test against a service, on every engine, whose peer is a KMS of its own.
func eachKept(t *testing.T, test func(t *testing.T, s *service, k *keeper)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			k := newKeeper(t)
			cfg, files := prepare(t, engine)
			k.federate(t, &cfg)
			test(t, run(t, cfg, files), k)
		})
	}
}

// keySet is the public key set as anybody reads it.
func (s *service) keySet(t testing.TB) *jwk.Set {
	t.Helper()
	got := s.call(t, "", http.MethodGet, "/.well-known/jwks.json", nil)
	require.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
	set, err := jwk.ParseSet(got.Body)
	require.NoError(t, err)
	return set
}

func TestKMSKeys_SignAsAnyOtherKeyDoes(t *testing.T) {
	t.Parallel()
	eachKept(t, func(t *testing.T, s *service, k *keeper) {
		token := s.Operator(t)
		s.create(t, token, "own", "ES384")
		for _, algorithm := range []string{"ES256", "ES512", "Ed25519"} {
			name := strings.ToLower(algorithm)
			kept := k.lend(t, "lent-"+name, algorithm, "default")
			made := s.adopt(t, token, name, "lent-"+name).Object(t)
			assert.Equal(t, []any{algorithm, kept, "sign", true, false}, []any{made["algorithm"], made["kms_key"], made["use"], made["published"], made["exportable"]})
			version := s.get(t, token, "keys/"+name+"/versions/1").Object(t)
			assert.Equal(t, []any{"kms", 1.0, "active"}, []any{version["origin"], version["kms_version"], version["status"]})
			kid, _ := version["kid"].(string)
			_, published := s.keySet(t).Find(kid)
			assert.True(t, published)

			for what, ask := range map[string]object{
				"compact":   {"key": name, "payload": "aGk", "typ": "x+jws"},
				"flattened": {"key": name, "payload": "aGk", "serialization": "flattened"},
				"together":  {"signers": []object{{"key": name}, {"key": "own"}}, "payload": "aGk"},
				"detached":  {"key": name, "payload": "aGk", "detached": true, "unencoded": true},
				"long":      {"key": name, "payload": strings.Repeat("aGkh", 8000)},
			} {
				signed := s.post(t, token, "jws/sign", ask)
				check := object{"message": signed.Member(t, "message")}
				if what == "detached" {
					check["payload"], check["unencoded"] = "aGk", true
				}
				assert.Equal(t, ask["payload"], s.post(t, token, "jws/verify", check).Member(t, "payload"), what)
			}
			s.profile(t, token, name, object{"key": name})
			issued := s.post(t, token, "jwt/issue", object{"profile": name, "subject": "ada"})
			assert.Equal(t, kid, issued.Member(t, "kid"))
			s.post(t, token, "jwt/verify", object{"profile": name, "token": issued.Member(t, "token")})
		}
		holder := s.get(t, token, "keys/ed25519/public-key").Object(t)["jwk"].(object)
		card := s.post(t, token, "sd-jwt/issue", object{
			"profile": "es256", "claims": object{"name": "Ada"}, "selective": []string{"/name"},
			"holder_jwk": object{"kty": holder["kty"], "crv": holder["crv"], "x": holder["x"]},
		}).Member(t, "token")
		proof := object{"audience": "https://bar.example", "nonce": "n-1"}
		bound := s.post(t, token, "sd-jwt/present", object{
			"token": card, "disclose": []string{"/name"}, "key": "ed25519", "audience": proof["audience"], "nonce": proof["nonce"],
		}).Member(t, "token")
		s.post(t, token, "sd-jwt/verify", object{"profile": "es256", "token": bound, "binding": proof})

		s.create(t, token, "box", "A256GCM/A256KW")
		got := s.administer(t, http.MethodPost, "keys/es256/export", object{"recipient": "box"})
		got.refused(t, http.StatusConflict, "not_exportable", "what is not here does not leave")
		// What the KMS signs in bare form has a bound on its length; digests have none.
		s.call(t, token, http.MethodPost, "jws/sign", object{"key": "ed25519", "payload": strings.Repeat("aGkh", 20000)}).
			refused(t, http.StatusRequestEntityTooLarge, "payload_too_large", "a long message")
		s.post(t, token, "jws/sign", object{"key": "es256", "payload": strings.Repeat("aGkh", 20000)})
	})
}

// Only a key that signs can be kept elsewhere, under a name that is free, by a caller who may bring keys.
func TestKMSKeys_RefuseWhatTheyCannotBe(t *testing.T) {
	t.Parallel()
	eachKept(t, func(t *testing.T, s *service, k *keeper) {
		token := s.Operator(t)
		k.lend(t, "signer", "ES256", "default")
		k.lend(t, "secret", "HS256", "default")
		k.lend(t, "box", "A256GCM/A256KW", "default")
		s.adopt(t, token, "taken", "signer")
		adopt := func(as string, ask object) answer { return s.call(t, as, http.MethodPost, "keys/kms", ask) }
		adopt(token, object{"name": "taken", "kms_key": "signer"}).refused(t, http.StatusConflict, "conflict", "the name is taken")
		for _, kept := range []string{"secret", "box"} {
			adopt(token, object{"name": "new", "kms_key": kept}).refused(t, http.StatusConflict, "wrong_key_use", kept)
		}
		for what, ask := range map[string]object{
			"no key": {"name": "new"}, "a path": {"name": "new", "kms_key": "../keys"}, "a query": {"name": "new", "kms_key": "signer?version=2"},
		} {
			adopt(token, ask).refused(t, http.StatusBadRequest, "validation_failed", what)
		}
		adopt(s.Token(t, "default", "writer", "jose:write", "jose:read"), object{"name": "new", "kms_key": "signer"}).
			refused(t, http.StatusForbidden, "insufficient_scope", "who may make keys may not name those of others")
		assert.Len(t, s.get(t, token, "keys").Items(t), 1)
	})
}

// The service calls the KMS as itself, for all its tenants: which of them a key is for, its owner there says.
func TestKMSKeys_AreForTheTenantThatTheirOwnerNames(t *testing.T) {
	t.Parallel()
	eachKept(t, func(t *testing.T, s *service, k *keeper) {
		s.Tenant(t, "other")
		mine, theirs := s.Operator(t), s.Token(t, "other", "them", "jose:admin")
		ours := k.lend(t, "ours", "ES256", "default")
		k.lend(t, "anybodys", "ES256", "")
		k.lend(t, "tagged", "ES256", "default,other")
		k.key(t, "not-granted", "ES256", "other")
		s.adopt(t, mine, "ours", "ours")
		texts := map[string]bool{}
		for what, kept := range map[string]string{
			"another tenant's by name": "ours", "another tenant's by id": ours, "nobody's": "anybodys", "a list": "tagged",
			"without a grant": "not-granted", "one that is not there": "missing", "an id that is not there": "0198c8e0-0000-7000-8000-000000000000",
		} {
			got := s.call(t, theirs, http.MethodPost, "keys/kms", object{"name": "mine", "kms_key": kept})
			got.refused(t, http.StatusBadRequest, "validation_failed", what)
			said := got.Object(t)
			delete(said, "request_id")
			texts[string(mustJSON(t, said))] = true
		}
		assert.Len(t, texts, 1, "they cannot be told apart: %v", texts)
		assert.Empty(t, s.get(t, theirs, "keys").Items(t))
		s.call(t, theirs, http.MethodPost, "jws/sign", object{"key": "ours", "payload": "aGk"}).refused(t, http.StatusNotFound, "not_found", "another tenant's")

		// A key that is given to somebody else has no further versions here; those that are here sign until the grant ends.
		tag := k.ask(t, http.MethodGet, "elastic-keys/ours", nil).Header.Get("ETag")
		k.ask(t, http.MethodPatch, "elastic-keys/ours", object{"tags": object{"jose-tenant": "other"}},
			"Content-Type", "application/merge-patch+json", "If-Match", tag)
		require.Eventually(t, func() bool {
			return s.call(t, mine, http.MethodPost, "keys/ours/rotate", nil).Status == http.StatusConflict
		}, 5*time.Second, 20*time.Millisecond)
		s.call(t, mine, http.MethodPost, "keys/ours/rotate", nil).refused(t, http.StatusConflict, "kms_refused", "it is another tenant's now")
	})
}

// Whoever can write to the database, and has no key of the barrier, has no key sign by another one of the KMS.
func TestKMSKeys_ARowThatWasEditedByHandSignsNothing(t *testing.T) {
	t.Parallel()
	eachKept(t, func(t *testing.T, s *service, k *keeper) {
		token := s.Operator(t)
		k.lend(t, "mine", "ES256", "default")
		victim := k.lend(t, "victim", "ES256", "other")
		s.adopt(t, token, "signer", "mine")
		s.post(t, token, "jws/sign", object{"key": "signer", "payload": "aGk"}) // it is open in memory
		db, err := database.Open(t.Context(), s.Config.Database, database.Options{Log: slog.New(slog.DiscardHandler), Application: "test"})
		require.NoError(t, err)
		defer func() { assert.NoError(t, db.Close()) }()
		ctx := database.WithTenant(t.Context(), "default")
		before := s.get(t, token, "keys/signer").Member(t, "kms_key")
		for what, edit := range map[string]struct{ do, undo string }{
			"another key":     {`UPDATE jose_keys SET kms_key = '` + victim + `' WHERE tenant_id = $1`, `UPDATE jose_keys SET kms_key = '` + before + `' WHERE tenant_id = $1`},
			"another version": {`UPDATE jose_key_versions SET kms_version = 2 WHERE tenant_id = $1`, `UPDATE jose_key_versions SET kms_version = 1 WHERE tenant_id = $1`},
			"another origin":  {`UPDATE jose_key_versions SET origin = 'generated' WHERE tenant_id = $1`, `UPDATE jose_key_versions SET origin = 'kms' WHERE tenant_id = $1`},
		} {
			_, err = db.Exec(ctx, edit.do, "default")
			require.NoError(t, err)
			s.fresh(t, token)
			got, err := servicetest.Exchange(s.HTTP, s.Request(t, token, http.MethodPost, "jws/sign", object{"key": "signer", "payload": "aGk"}))
			require.NoError(t, err)
			assert.Equal(t, http.StatusInternalServerError, got.Status, "%s: %s", what, got.Body)
			_, err = db.Exec(ctx, edit.undo, "default")
			require.NoError(t, err)
			s.fresh(t, token)
			s.post(t, token, "jws/sign", object{"key": "signer", "payload": "aGk"})
		}
	})
}

// fresh has the service read the key anew: its own changes show at once.
func (s *service) fresh(t testing.TB, token string) {
	t.Helper()
	tag := s.get(t, token, "keys/signer").Header.Get("ETag")
	got := s.call(t, token, http.MethodPatch, "keys/signer", object{"description": tag}, "Content-Type", "application/merge-patch+json", "If-Match", tag)
	require.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
}
