package replicatest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// subject is a new key on one replica, with what its first version has made.
type subject struct {
	path, ciphertext, signature string
}

// uses are the operations of the two kinds of keys, as requests that the other replica serves while nothing is wrong.
func (k subject) uses() map[string]kmstest.Ask {
	if k.signature != "" {
		return map[string]kmstest.Ask{
			"sign": {Path: k.path + "/sign", Body: map[string]any{"payload": "aGVsbG8"}}, "verify": {Path: k.path + "/verify", Body: map[string]any{"signature": k.signature}},
		}
	}
	return map[string]kmstest.Ask{
		"encrypt": {Path: k.path + "/encrypt", Body: map[string]any{"plaintext": "aGVsbG8"}}, "decrypt": {Path: k.path + "/decrypt", Body: map[string]any{"ciphertext": k.ciphertext}},
	}
}

// newSubjects makes a key that encrypts and one that signs.
func newSubjects(t *testing.T, s *kmstest.Service, name string) []subject {
	t.Helper()
	secret := subject{path: "elastic-keys/" + s.Made(t, name+"-secret", nil)}
	secret.ciphertext = s.Post(t, "", secret.path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
	signer := subject{path: "elastic-keys/" + s.Made(t, name+"-signer", map[string]any{"algorithm": "ES256"})}
	signer.signature = s.Post(t, "", signer.path+"/sign", map[string]any{"payload": "aGVsbG8"}).Member(t, "signature")
	return []subject{secret, signer}
}

// What ends the use of a key or version on one replica ends it on the other within a second, for every operation.
func TestReplicas_ChangesOfKeysAreInForceEverywhere(t *testing.T) {
	t.Parallel()
	kmstest.EachAdministered(t, func(t *testing.T, s, other *kmstest.Service) {
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
					use:   func() kmstest.Answer { return other.Call(t, "", http.MethodPost, use.Path, use.Body) },
					after: http.StatusConflict,
					do:    func() { s.Post(t, "", k.path+change.then, nil) },
				}.measure(t)
				other.Call(t, "", http.MethodPost, use.Path, use.Body).Refused(t, http.StatusConflict, code, change.what+": "+op)
			}
		}
	})
}

// A floor and a policy are in force on the other replica too.
func TestReplicas_MinimaAndPoliciesAreInForceEverywhere(t *testing.T) {
	t.Parallel()
	kmstest.EachAdministered(t, func(t *testing.T, s, other *kmstest.Service) {
		patch := func(path string, body any) {
			t.Helper()
			tag := s.Call(t, "", http.MethodGet, path, nil).Header.Get("ETag")
			s.Call(t, "", http.MethodPatch, path, body, "If-Match", tag).Done(t, http.StatusOK)
		}
		k := newSubjects(t, s, "floor")[0]
		s.Post(t, "", k.path+"/rotate", nil)
		decrypt := func() kmstest.Answer {
			return other.Call(t, "", http.MethodPost, k.path+"/decrypt", map[string]any{"ciphertext": k.ciphertext})
		}
		effect{use: decrypt, after: http.StatusConflict, do: func() { patch(k.path, map[string]any{"min_decrypt_version": 2}) }}.measure(t)
		decrypt().Refused(t, http.StatusConflict, "version_below_minimum", "the floor")

		for what, policy := range map[string]map[string]any{
			"operations": {"operations": []string{"decrypt"}}, "clients": {"clients": []string{"somebody-else"}}, "roles": {"roles": []string{"keeper"}},
		} {
			k := newSubjects(t, s, "policy-"+what)[0]
			encrypt := func() kmstest.Answer {
				return other.Call(t, "", http.MethodPost, k.path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
			}
			effect{use: encrypt, after: http.StatusForbidden, do: func() { patch(k.path, map[string]any{"policy": policy}) }}.measure(t)
			encrypt().Refused(t, http.StatusForbidden, "policy_refused", what)
			if what == "operations" {
				other.Call(t, "", http.MethodPost, k.path+"/decrypt", map[string]any{"ciphertext": k.ciphertext}).Done(t, http.StatusOK)
			}
			patch(k.path, map[string]any{"policy": nil})
			require.Eventually(t, func() bool { return encrypt().Status == http.StatusOK }, kmstest.TakesEffect, kmstest.TakesEffect/100, "a policy that is taken away")
		}
		// A client that the policy lists may.
		k = newSubjects(t, s, "listed")[0]
		patch(k.path, map[string]any{"policy": map[string]any{"clients": []string{"root.example"}}})
		s.Post(t, "", k.path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		s.Call(t, s.Operator(t), http.MethodPost, k.path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).
			Refused(t, http.StatusForbidden, "policy_refused", "an administrator whom the policy does not list")
	})
}

// An alias that moves stands for the other key on every replica.
func TestReplicas_AnAliasMovesEverywhere(t *testing.T) {
	t.Parallel()
	kmstest.EachAdministered(t, func(t *testing.T, s, other *kmstest.Service) {
		old, now := s.Made(t, "old", nil), s.Made(t, "now", nil)
		s.Post(t, "", "aliases", map[string]any{"name": "current", "key": old})
		used := func() string {
			return other.Call(t, "", http.MethodPost, "elastic-keys/current/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "elastic_key_id")
		}
		require.Eventually(t, func() bool { return used() == old }, kmstest.TakesEffect, kmstest.TakesEffect/100)
		s.Call(t, "", http.MethodPatch, "aliases/current", map[string]any{"key": "now"}).Done(t, http.StatusOK)
		require.Eventually(t, func() bool { return used() == now }, kmstest.TakesEffect, kmstest.TakesEffect/100, "within a second")
		s.Call(t, "", http.MethodDelete, "aliases/current", nil).Done(t, http.StatusNoContent)
		require.Eventually(t, func() bool { return used() == "" }, kmstest.TakesEffect, kmstest.TakesEffect/100)
	})
}
