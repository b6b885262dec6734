package kms_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Who has one scope, or the grant of one operation on one key, does that operation in each of its forms and nothing else that uses keys.
func TestAttack_CallersWithOneRight(t *testing.T) {
	t.Parallel()
	eachAdministered(t, func(t *testing.T, s, other *service) {
		create := func(name, algorithm string) string { return s.made(t, name, map[string]any{"algorithm": algorithm}) }
		h, elsewhere := keysForUses(t, s, "", "right", create), keysForUses(t, s, "", "elsewhere", create)
		forms, foreign := h.forms(t), elsewhere.forms(t)
		for _, verb := range []string{"read", "encrypt", "reencrypt", "verify-mac", "derive"} {
			scoped := s.ask(t, http.MethodPost, "api-tokens", map[string]any{"name": "scoped", "scopes": []string{"kms:" + verb}}).done(t, http.StatusCreated)
			lent := s.ask(t, http.MethodPost, "api-tokens", map[string]any{"name": "lent", "scopes": []string{}}).done(t, http.StatusCreated)
			granted := map[string]bool{}
			for _, f := range forms {
				if f.verb == verb && !granted[f.key()] {
					granted[f.key()] = true
					s.call(t, "", http.MethodPost, "elastic-keys/"+f.key()+"/grants", keyGrant("api_token", lent.member(t, "id"), verb)).done(t, http.StatusCreated)
				}
			}
			began := time.Now()
			for i, f := range forms {
				want := f.all("insufficient_scope")
				if f.verb == verb {
					want = f.normally(false)
				}
				for _, replica := range []*service{s, other} {
					assert.Equal(t, want, f.codes(t, replica, scoped.member(t, "token")), "%s with the scope for %s", f, verb)
					require.Eventually(t, func() bool {
						return assert.ObjectsAreEqual(want, f.codes(t, replica, lent.member(t, "token")))
					}, takesEffect+time.Since(began), time.Millisecond, "%s with a grant of %s: %v and not %v", f, verb, f.codes(t, replica, lent.member(t, "token")), want)
				}
				assert.Equal(t, f.all("insufficient_scope"), foreign[i].codes(t, s, lent.member(t, "token")), "%s with a key that was not granted", f)
			}
		}
		// To encrypt to another key takes a right on that one too.
		lent := s.ask(t, http.MethodPost, "api-tokens", map[string]any{"name": "lent", "scopes": []string{}}).done(t, http.StatusCreated)
		s.call(t, "", http.MethodPost, "elastic-keys/"+h.secret+"/grants", keyGrant("api_token", lent.member(t, "id"), "reencrypt")).done(t, http.StatusCreated)
		token := lent.member(t, "token")
		for target, code := range map[string]string{h.secret: "", elsewhere.secret: "insufficient_scope", "nobodys": "insufficient_scope"} {
			body := map[string]any{"ciphertext": h.ciphertext, "target": target}
			for _, f := range []form{
				{verb: "reencrypt", path: pathOf(h.secret, "reencrypt"), bodies: []map[string]any{body}},
				{verb: "reencrypt", path: pathOf(h.secret, "reencrypt-batch"), bodies: []map[string]any{body}, batch: true},
			} {
				assert.Equal(t, f.all(code), f.codes(t, s, token), "%s to %s", f, target)
			}
		}
		// What is another's is not brought here either.
		body := map[string]any{"ciphertext": elsewhere.ciphertext, "target": h.secret}
		s.call(t, token, http.MethodPost, pathOf(elsewhere.secret, "reencrypt"), body).refused(t, http.StatusForbidden, "insufficient_scope", "from another key")
		s.call(t, token, http.MethodPost, pathOf(h.secret, "reencrypt"), body).refused(t, http.StatusBadRequest, "decryption_failed", "another key's message")
	})
}
