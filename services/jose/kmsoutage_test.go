package jose_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

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
