package jose_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/jose"
)

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
			// One that is given up before its time is not taken again.
			s.post(t, token, "keys/signer/rotate", nil)
			gone := s.administer(t, http.MethodPost, "keys/signer/versions/5/destroy", nil)
			require.Equal(t, http.StatusOK, gone.Status, "%s", gone.Body)
			next := s.post(t, token, "keys/signer/rotate", nil).Object(t)
			assert.Equal(t, []any{"pending", 6.0, 6.0}, []any{next["status"], next["version"], next["kms_version"]})
			// When the present version cannot be trusted, the next one is used at once.
			next = s.post(t, token, "keys/signer/rotate", object{"immediate": true}).Object(t)
			assert.Equal(t, []any{"active", 7.0}, []any{next["status"], next["kms_version"]})
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
			assert.EqualValues(t, 3, next["kms_version"])
			seen := map[any]bool{}
			for _, version := range s.get(t, token, "keys/signer/versions").Items(t) {
				assert.False(t, seen[version["kms_version"]], "%v twice", version["kms_version"])
				seen[version["kms_version"]] = true
			}
		})
	}
}
