package kms_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// subject is a new key on one replica, with what its first version has made.
type subject struct {
	path, ciphertext, signature string
}

// uses are the operations of the two kinds of keys, as requests that the other replica serves while nothing is wrong.
func (k subject) uses() map[string]ask {
	if k.signature != "" {
		return map[string]ask{
			"sign": {k.path + "/sign", map[string]any{"payload": "aGVsbG8"}}, "verify": {k.path + "/verify", map[string]any{"signature": k.signature}},
		}
	}
	return map[string]ask{
		"encrypt": {k.path + "/encrypt", map[string]any{"plaintext": "aGVsbG8"}}, "decrypt": {k.path + "/decrypt", map[string]any{"ciphertext": k.ciphertext}},
	}
}

// newSubjects makes a key that encrypts and one that signs.
func newSubjects(t *testing.T, s *service, name string) []subject {
	t.Helper()
	secret := subject{path: "elastic-keys/" + s.made(t, name+"-secret", nil)}
	secret.ciphertext = s.post(t, "", secret.path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext")
	signer := subject{path: "elastic-keys/" + s.made(t, name+"-signer", map[string]any{"algorithm": "ES256"})}
	signer.signature = s.post(t, "", signer.path+"/sign", map[string]any{"payload": "aGVsbG8"}).member(t, "signature")
	return []subject{secret, signer}
}

// What ends the use of a key or version on one replica ends it on the other within a second, for every operation.
func TestReplicas_ChangesOfKeysAreInForceEverywhere(t *testing.T) {
	t.Parallel()
	eachAdministered(t, func(t *testing.T, s, other *service) {
		reads := map[string]bool{"decrypt": true, "verify": true}
		for i, change := range []struct {
			what string
			// then is the path of the change below the key, codes what making and reading answer after it.
			then, makes, reading string
		}{
			{"a disabled key", "/disable", "invalid_state", "invalid_state"},
			{"a key that is to be deleted", "/schedule-deletion", "invalid_state", "invalid_state"},
			{"a disabled version", "/material-keys/1/disable", "invalid_state", "invalid_state"},
			{"a compromised version", "/material-keys/1/mark-compromised", "invalid_state", "version_compromised"},
			{"a version that is to be destroyed", "/material-keys/1/schedule-destruction", "invalid_state", "invalid_state"},
		} {
			for j, op := range []string{"encrypt", "decrypt", "sign", "verify"} {
				k := newSubjects(t, s, fmt.Sprintf("subject-%d-%s", i, op))[j/2]
				use, code := k.uses()[op], change.makes
				if reads[op] {
					code = change.reading
				}
				effect{
					use:   func() answer { return other.call(t, "", http.MethodPost, use.path, use.body) },
					after: http.StatusConflict,
					do:    func() { s.post(t, "", k.path+change.then, nil) },
				}.measure(t)
				other.call(t, "", http.MethodPost, use.path, use.body).refused(t, http.StatusConflict, code, change.what+": "+op)
			}
		}
	})
}

// A floor and a policy are in force on the other replica too.
func TestReplicas_MinimaAndPoliciesAreInForceEverywhere(t *testing.T) {
	t.Parallel()
	eachAdministered(t, func(t *testing.T, s, other *service) {
		patch := func(path string, body any) {
			t.Helper()
			tag := s.call(t, "", http.MethodGet, path, nil).header.Get("ETag")
			s.call(t, "", http.MethodPatch, path, body, "If-Match", tag).done(t, http.StatusOK)
		}
		k := newSubjects(t, s, "floor")[0]
		s.post(t, "", k.path+"/rotate", nil)
		decrypt := func() answer {
			return other.call(t, "", http.MethodPost, k.path+"/decrypt", map[string]any{"ciphertext": k.ciphertext})
		}
		effect{use: decrypt, after: http.StatusConflict, do: func() { patch(k.path, map[string]any{"min_decrypt_version": 2}) }}.measure(t)
		decrypt().refused(t, http.StatusConflict, "version_below_minimum", "the floor")

		for what, policy := range map[string]map[string]any{
			"operations": {"operations": []string{"decrypt"}}, "clients": {"clients": []string{"somebody-else"}}, "roles": {"roles": []string{"keeper"}},
		} {
			k := newSubjects(t, s, "policy-"+what)[0]
			encrypt := func() answer {
				return other.call(t, "", http.MethodPost, k.path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
			}
			effect{use: encrypt, after: http.StatusForbidden, do: func() { patch(k.path, map[string]any{"policy": policy}) }}.measure(t)
			encrypt().refused(t, http.StatusForbidden, "policy_refused", what)
			if what == "operations" {
				other.call(t, "", http.MethodPost, k.path+"/decrypt", map[string]any{"ciphertext": k.ciphertext}).done(t, http.StatusOK)
			}
			patch(k.path, map[string]any{"policy": nil})
			require.Eventually(t, func() bool { return encrypt().status == http.StatusOK }, takesEffect, takesEffect/100, "a policy that is taken away")
		}
		// A client that the policy lists may.
		k = newSubjects(t, s, "listed")[0]
		patch(k.path, map[string]any{"policy": map[string]any{"clients": []string{"root.example"}}})
		s.post(t, "", k.path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		s.call(t, s.operator(t), http.MethodPost, k.path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).
			refused(t, http.StatusForbidden, "policy_refused", "an administrator whom the policy does not list")
	})
}

// An alias that moves stands for the other key on every replica.
func TestReplicas_AnAliasMovesEverywhere(t *testing.T) {
	t.Parallel()
	eachAdministered(t, func(t *testing.T, s, other *service) {
		old, now := s.made(t, "old", nil), s.made(t, "now", nil)
		s.post(t, "", "aliases", map[string]any{"name": "current", "key": old})
		used := func() string {
			return other.call(t, "", http.MethodPost, "elastic-keys/current/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "elastic_key_id")
		}
		require.Eventually(t, func() bool { return used() == old }, takesEffect, takesEffect/100)
		s.call(t, "", http.MethodPatch, "aliases/current", map[string]any{"key": "now"}).done(t, http.StatusOK)
		require.Eventually(t, func() bool { return used() == now }, takesEffect, takesEffect/100, "within a second")
		s.call(t, "", http.MethodDelete, "aliases/current", nil).done(t, http.StatusNoContent)
		require.Eventually(t, func() bool { return used() == "" }, takesEffect, takesEffect/100)
	})
}
