package attacktest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Who has one scope, or the grant of one operation on one key, does that operation in each of its forms and nothing else that uses keys.
func TestAttack_CallersWithOneRight(t *testing.T) {
	t.Parallel()
	kmstest.EachAdministered(t, func(t *testing.T, s, other *kmstest.Service) {
		create := func(name, algorithm string) string { return s.Made(t, name, map[string]any{"algorithm": algorithm}) }
		h, elsewhere := kmstest.KeysForUses(t, s, "", "right", create), kmstest.KeysForUses(t, s, "", "elsewhere", create)
		forms, foreign := h.Forms(t), elsewhere.Forms(t)
		for _, verb := range []string{"read", "encrypt", "reencrypt", "verify-mac", "derive"} {
			scoped := s.Ask(t, http.MethodPost, "api-tokens", map[string]any{"name": "scoped", "scopes": []string{"kms:" + verb}}).Done(t, http.StatusCreated)
			lent := s.Ask(t, http.MethodPost, "api-tokens", map[string]any{"name": "lent", "scopes": []string{}}).Done(t, http.StatusCreated)
			granted := map[string]bool{}
			for _, f := range forms {
				if f.Verb == verb && !granted[f.Key()] {
					granted[f.Key()] = true
					s.Call(t, "", http.MethodPost, "elastic-keys/"+f.Key()+"/grants", kmstest.KeyGrant("api_token", lent.Member(t, "id"), verb)).Done(t, http.StatusCreated)
				}
			}
			began := time.Now()
			for i, f := range forms {
				want := f.All("insufficient_scope")
				if f.Verb == verb {
					want = f.Normally(false)
				}
				for _, replica := range []*kmstest.Service{s, other} {
					assert.Equal(t, want, f.Codes(t, replica, scoped.Member(t, "token")), "%s with the scope for %s", f, verb)
					require.Eventually(t, func() bool {
						return assert.ObjectsAreEqual(want, f.Codes(t, replica, lent.Member(t, "token")))
					}, kmstest.TakesEffect+time.Since(began), time.Millisecond, "%s with a grant of %s: %v and not %v", f, verb, f.Codes(t, replica, lent.Member(t, "token")), want)
				}
				assert.Equal(t, f.All("insufficient_scope"), foreign[i].Codes(t, s, lent.Member(t, "token")), "%s with a key that was not granted", f)
			}
		}
		// To encrypt to another key takes a right on that one too.
		lent := s.Ask(t, http.MethodPost, "api-tokens", map[string]any{"name": "lent", "scopes": []string{}}).Done(t, http.StatusCreated)
		s.Call(t, "", http.MethodPost, "elastic-keys/"+h.Secret+"/grants", kmstest.KeyGrant("api_token", lent.Member(t, "id"), "reencrypt")).Done(t, http.StatusCreated)
		token := lent.Member(t, "token")
		for target, code := range map[string]string{h.Secret: "", elsewhere.Secret: "insufficient_scope", "nobodys": "insufficient_scope"} {
			body := map[string]any{"ciphertext": h.Ciphertext, "target": target}
			for _, f := range []kmstest.Form{
				{Verb: "reencrypt", Path: kmstest.PathOf(h.Secret, "reencrypt"), Bodies: []map[string]any{body}},
				{Verb: "reencrypt", Path: kmstest.PathOf(h.Secret, "reencrypt-batch"), Bodies: []map[string]any{body}, Batch: true},
			} {
				assert.Equal(t, f.All(code), f.Codes(t, s, token), "%s to %s", f, target)
			}
		}
		// What is another's is not brought here either.
		body := map[string]any{"ciphertext": elsewhere.Ciphertext, "target": h.Secret}
		s.Call(t, token, http.MethodPost, kmstest.PathOf(elsewhere.Secret, "reencrypt"), body).Refused(t, http.StatusForbidden, "insufficient_scope", "from another key")
		s.Call(t, token, http.MethodPost, kmstest.PathOf(h.Secret, "reencrypt"), body).Refused(t, http.StatusBadRequest, "decryption_failed", "another key's message")
	})
}
