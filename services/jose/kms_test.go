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

	"github.com/cryptoutil/cryptoutil/services/jose"
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

// Whatever the KMS does, nothing is signed by another key, and what was signed is verified, and published, without it.
func TestKMSKeys_WhileTheKMSCannotOrDoesNotWantTo(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			k := newKeeper(t)
			cfg, files := prepare(t, engine)
			k.federate(t, &cfg)
			s := run(t, cfg, files)
			token := s.Operator(t)
			kept := k.key(t, "lent", "ES256", "default")
			grant := k.grant(t, kept, "read", "sign")
			s.adopt(t, token, "signer", "lent")
			s.profile(t, token, "access", object{"key": "signer"})
			issued := s.post(t, token, "jwt/issue", object{"profile": "access"}).Member(t, "token")
			sign := func() answer {
				return s.call(t, token, http.MethodPost, "jws/sign", object{"key": "signer", "payload": "aGk"})
			}
			verifies := func(why string) {
				t.Helper()
				s.post(t, token, "jwt/verify", object{"profile": "access", "token": issued})
				s.post(t, token, "jws/verify", object{"message": issued})
				assert.Len(t, s.keySet(t).Keys, 1, why)
				s.get(t, token, "keys/signer/public-key")
			}
			refused := func(code string) {
				t.Helper()
				var got answer
				require.Eventually(t, func() bool {
					got = sign()
					return got.Status == http.StatusConflict
				}, 5*time.Second, 20*time.Millisecond, code)
				got.refused(t, http.StatusConflict, "kms_refused", code)
				assert.Equal(t, "the KMS refuses: "+code, got.Member(t, "detail"))
				verifies(code)
			}
			again := func() {
				t.Helper()
				require.Eventually(t, func() bool { return sign().Status == http.StatusOK }, 5*time.Second, 20*time.Millisecond)
			}

			k.ask(t, http.MethodPost, "elastic-keys/lent/disable", nil)
			refused("invalid_state")
			k.ask(t, http.MethodPost, "elastic-keys/lent/enable", nil)
			again()
			k.ask(t, http.MethodPost, "elastic-keys/lent/material-keys/1/disable", nil)
			refused("invalid_state")
			k.ask(t, http.MethodPost, "elastic-keys/lent/material-keys/1/enable", nil)
			again()
			s.call(t, token, http.MethodPost, "keys/signer/rotate", nil).refused(t, http.StatusConflict, "kms_refused", "without a grant to rotate")
			k.ask(t, http.MethodDelete, grant, nil)
			refused("insufficient_scope")
			k.grant(t, kept, "read", "sign")
			again()

			for what, behave := range map[string]func(c *stand){
				"absent": func(at *stand) { at.become(away) }, "slow": func(at *stand) { at.become(silent) },
			} {
				behave(k.at)
				began := time.Now()
				got := sign()
				got.refused(t, http.StatusServiceUnavailable, "dependency_unavailable", what)
				assert.NotEmpty(t, got.Header.Get("Retry-After"), what)
				assert.Less(t, time.Since(began), 2*peerTimeout, what)
				s.call(t, token, http.MethodPost, "keys/signer/rotate", nil).refused(t, http.StatusServiceUnavailable, "dependency_unavailable", what)
				verifies(what)
				k.at.become(relayed(k.URL()))
				require.Eventually(t, func() bool { return sign().Status == http.StatusOK }, 90*time.Second, 200*time.Millisecond, what)
			}

			// It starts, verifies and publishes without it.
			s.Stop()
			k.at.become(away)
			s = run(t, cfg, files)
			verifies("started without the KMS")
			sign().refused(t, http.StatusServiceUnavailable, "dependency_unavailable", "started without the KMS")
			s.call(t, token, http.MethodPost, "keys/kms", object{"name": "more", "kms_key": "lent"}).
				refused(t, http.StatusNotFound, "feature_disabled", "making such a key is nothing without the KMS")
			k.at.become(relayed(k.URL()))
			s.found(t, token)
			again()
			k.seal(t)
			sign().refused(t, http.StatusServiceUnavailable, "dependency_unavailable", "sealed")
			verifies("sealed")

			// Without the federation the key is still there for those who verify.
			s.Stop()
			cfg.Federation.Enabled = false
			s = run(t, cfg, files)
			verifies("without a KMS")
			sign().refused(t, http.StatusServiceUnavailable, "dependency_unavailable", "without a KMS")
			s.call(t, token, http.MethodPost, "keys/signer/rotate", nil).refused(t, http.StatusServiceUnavailable, "dependency_unavailable", "without a KMS")
			s.call(t, token, http.MethodPost, "keys/kms", object{"name": "more", "kms_key": "lent"}).
				refused(t, http.StatusNotFound, "feature_disabled", "without a KMS")
		})
	}
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

// A rotation here is one there. The new version is published for as long as verifiers keep the set before anything is signed with it, although the KMS
// has it in use at once.
func TestKMSKeys_RotateThereAndAreUsedHereWhenVerifiersKnowThem(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			const lifetime = 5 * time.Minute // of tokens
			k := newKeeper(t)
			k.lend(t, "lent", "ES256", "default")
			c := &clock{now: time.Now()}
			cfg, files := prepare(t, engine)
			k.federate(t, &cfg)
			s := &service{Running: servicetest.Run(t, jose.Timed(c.Now), cfg, files, &servicetest.Log{}), logs: &servicetest.Log{}}
			token := s.Operator(t)
			s.found(t, token)
			s.post(t, token, "keys/kms", object{"name": "signer", "kms_key": "lent", "token_lifetime_seconds": int(lifetime / time.Second)})
			s.profile(t, token, "access", object{"key": "signer", "lifetime_seconds": int(lifetime / time.Second)})
			v := &verifier{s: s, clock: c}
			var live []issued
			signers := map[string]bool{}
			for n := range 4 {
				if n > 0 {
					next := s.post(t, token, "keys/signer/rotate", nil).Object(t)
					assert.Equal(t, []any{"pending", float64(n + 1)}, []any{next["status"], next["kms_version"]})
					assert.EqualValues(t, n+1, k.ask(t, http.MethodGet, "elastic-keys/lent", nil).Object(t)["primary_version"], "rotated there")
					s.call(t, token, http.MethodPost, "keys/signer/rotate", nil).refused(t, http.StatusConflict, "invalid_state", "while one is pending")
				}
				for range 15 {
					live = append(live, func() issued {
						one, err := s.issue(t, token, c.Now(), lifetime)
						require.NoError(t, err)
						return one
					}())
					require.NoError(t, v.refresh(t))
					for _, one := range live {
						if c.Now().Before(one.ends) {
							require.NoError(t, v.verify(one.token), "rotation %d", n)
						}
					}
					signers[s.post(t, token, "jws/sign", object{"key": "signer", "payload": "aGk"}).Member(t, "kid")] = true
					c.pass(25 * time.Second)
				}
			}
			assert.Len(t, signers, 4)
			// When the present version cannot be trusted, the next one is used at once.
			next := s.post(t, token, "keys/signer/rotate", object{"immediate": true}).Object(t)
			assert.Equal(t, []any{"active", 5.0}, []any{next["status"], next["kms_version"]})
			assert.Equal(t, next["kid"], s.post(t, token, "jws/sign", object{"key": "signer", "payload": "aGk"}).Member(t, "kid"))
		})
	}
}

// What the KMS takes into use by itself is published, and then used, here too; once, however often and by whom it is asked for.
func TestKMSKeys_FollowWhatTheKMSDoesByItself(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			k := newKeeper(t)
			k.lend(t, "lent", "ES256", "default")
			cfg, files := prepare(t, engine)
			k.federate(t, &cfg)
			cfg.Keys.Follow = time.Second
			s, other := run(t, cfg, files), run(t, cfg, files)
			token := s.Operator(t)
			s.adopt(t, token, "signer", "lent")
			k.ask(t, http.MethodPost, "elastic-keys/lent/rotate", nil)
			require.Eventually(t, func() bool {
				return len(other.get(t, token, "keys/signer/versions").Items(t)) == 2
			}, 30*time.Second, 50*time.Millisecond)
			pending := s.get(t, token, "keys/signer/versions/2").Object(t)
			assert.Equal(t, []any{"pending", 2.0, "kms"}, []any{pending["status"], pending["kms_version"], pending["origin"]})
			require.Eventually(t, func() bool { return len(s.keySet(t).Keys) == 2 }, 5*time.Second, 20*time.Millisecond)
			signed := s.post(t, token, "jws/sign", object{"key": "signer", "payload": "aGk"}).Object(t)
			assert.EqualValues(t, 1, signed["version"], "the primary version there is not yet the one that signs here")

			// At once makes one more there; nothing is adopted twice.
			next := s.post(t, token, "keys/signer/rotate", object{"immediate": true}).Object(t)
			assert.Equal(t, 3.0, next["kms_version"])
			seen := map[any]bool{}
			for _, version := range s.get(t, token, "keys/signer/versions").Items(t) {
				assert.False(t, seen[version["kms_version"]], "%v twice", version["kms_version"])
				seen[version["kms_version"]] = true
			}
		})
	}
}
