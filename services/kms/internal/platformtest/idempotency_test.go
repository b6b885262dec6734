package platformtest_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestIdempotencyKey_GivesTheSameAnswerForTheSameRequest(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		ask := map[string]any{"name": "once", "algorithm": "ES256"}
		made := s.Post(t, token, "elastic-keys", ask, kmstest.IdempotencyKey, "k1")
		assert.Empty(t, made.Header.Get(kmstest.Replayed))
		turned := s.Post(t, token, "elastic-keys/once/rotate", nil, kmstest.IdempotencyKey, "k1")
		assert.Empty(t, turned.Header.Get(kmstest.Replayed), "another route is another request")
		for range 3 {
			s.Post(t, token, "elastic-keys", ask, kmstest.IdempotencyKey, "k1").Repeats(t, made, "create")
			s.Post(t, token, "elastic-keys/once/rotate", nil, kmstest.IdempotencyKey, "k1").Repeats(t, turned, "rotate")
		}
		assert.Len(t, s.Get(t, token, "elastic-keys").Items(t), 1)
		assert.Equal(t, 2, s.VersionCount(t, token, "once"))

		s.Stop()
		s = kmstest.Run(t, s.Config, s.Files)
		s.Post(t, token, "elastic-keys", ask, kmstest.IdempotencyKey, "k1").Repeats(t, made, "create after a restart")
		s.Post(t, token, "elastic-keys/once/rotate", nil, kmstest.IdempotencyKey, "k1").Repeats(t, turned, "rotate after a restart")
		assert.Equal(t, 2, s.VersionCount(t, token, "once"))
		assert.NotEqual(t, turned.Body, s.Post(t, token, "elastic-keys/once/rotate", nil, kmstest.IdempotencyKey, "k2").Body, "another key is another request")
	})
}

func TestIdempotencyKey_RefusesAnotherBody(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		s.Post(t, token, "elastic-keys", `{"name":"once","algorithm":"ES256"}`, kmstest.IdempotencyKey, "k")
		for _, other := range []string{
			`{"name":"twice","algorithm":"ES256"}`, `{"name":"once","algorithm":"ES384"}`, `{"algorithm":"ES256","name":"once"}`, `{"name":"once","algorithm":"ES256"} `,
		} {
			s.Call(t, token, http.MethodPost, "elastic-keys", other, kmstest.IdempotencyKey, "k").
				Refused(t, http.StatusUnprocessableEntity, "idempotency_mismatch", other)
		}
		s.Call(t, token, http.MethodPost, "elastic-keys", `{`, kmstest.IdempotencyKey, "k").Refused(t, http.StatusBadRequest, "bad_request", "no JSON")
		assert.Len(t, s.Get(t, token, "elastic-keys").Items(t), 1)
	})
}

func TestIdempotencyKey_IsThePrincipalsOwn(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		s.Tenant(t, "stranger")
		token := s.Operator(t)
		other := s.Token(t, "default", "other", "kms:admin")
		stranger := s.Token(t, "stranger", "operator", "kms:admin")
		client := s.Enroll(t, auth.NewEntry{Kind: credential.ClientSecret, Tenant: "default", ID: "operator", Scopes: []string{"kms:admin"}})
		asClient := func(path string, body any) kmstest.Answer {
			request := s.Request(t, "", http.MethodPost, path, body, kmstest.IdempotencyKey, "k")
			request.SetBasicAuth("operator", client)
			return s.Send(t, request)
		}
		first := s.Post(t, token, "elastic-keys", map[string]any{"name": "a", "algorithm": "ES256"}, kmstest.IdempotencyKey, "k")
		second := s.Post(t, other, "elastic-keys", map[string]any{"name": "b", "algorithm": "ES256"}, kmstest.IdempotencyKey, "k")
		third := asClient("elastic-keys", map[string]any{"name": "c", "algorithm": "ES256"})
		fourth := s.Post(t, stranger, "elastic-keys", map[string]any{"name": "a", "algorithm": "ES256"}, kmstest.IdempotencyKey, "k")
		ids := map[string]bool{}
		for _, made := range []kmstest.Answer{first, second, third, fourth} {
			require.Equal(t, http.StatusCreated, made.Status, "%s", made.Body)
			assert.Empty(t, made.Header.Get(kmstest.Replayed))
			ids[made.Member(t, "id")] = true
		}
		assert.Len(t, ids, 4)
		for range 2 {
			s.Post(t, token, "elastic-keys/b/rotate", nil, kmstest.IdempotencyKey, "k")
			s.Post(t, other, "elastic-keys/b/rotate", nil, kmstest.IdempotencyKey, "k")
			asClient("elastic-keys/b/rotate", nil)
		}
		assert.Equal(t, 4, s.VersionCount(t, token, "b"), "each principal rotated once")
		s.Post(t, token, "elastic-keys/a/rotate", nil, kmstest.IdempotencyKey, "k")
		assert.Equal(t, 2, s.VersionCount(t, token, "a"), "another key is another route")
		assert.Equal(t, 1, s.VersionCount(t, stranger, "a"))
	})
}

func TestIdempotencyKey_HasOneEffectHoweverManyAskAtOnce(t *testing.T) {
	t.Parallel()
	const rivals = 20
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		s.Create(t, token, "turning", "A256GCM/A256KW")
		for what, ask := range map[string]kmstest.Ask{
			"create": {Path: "elastic-keys", Body: map[string]any{"name": "once", "algorithm": "A256GCM/A256KW"}},
			"rotate": {Path: "elastic-keys/turning/rotate"},
		} {
			answers, failures := make([]kmstest.Answer, rivals), make([]error, rivals)
			var group sync.WaitGroup
			for i := range rivals {
				request := s.Request(t, token, http.MethodPost, ask.Path, ask.Body, kmstest.IdempotencyKey, "rivals")
				group.Go(func() { answers[i], failures[i] = s.Exchange(request) })
			}
			group.Wait()
			firsts := 0
			final := s.Post(t, token, ask.Path, ask.Body, kmstest.IdempotencyKey, "rivals")
			for i, got := range answers {
				require.NoError(t, failures[i])
				if got.Status == http.StatusConflict {
					got.Refused(t, http.StatusConflict, "idempotency_in_progress", what)
					assert.NotEmpty(t, got.Header.Get("Retry-After"), what)
					continue
				}
				require.Equal(t, http.StatusCreated, got.Status, "%s: %s", what, got.Body)
				assert.Equal(t, string(final.Body), string(got.Body), what)
				if got.Header.Get(kmstest.Replayed) == "" {
					firsts++
				}
			}
			assert.Equal(t, 1, firsts, "%s: one of them did it", what)
			final.Repeats(t, final, what)
		}
		assert.Len(t, s.Get(t, token, "elastic-keys").Items(t), 2)
		assert.Equal(t, 2, s.VersionCount(t, token, "turning"))
	})
}

// Without a key to tell them apart, rivals for one name are told so; none of them gets a 500, and one key is made.
func TestCreate_OneNameForManyRivals(t *testing.T) {
	t.Parallel()
	const rivals = 20
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		answers, failures := make([]kmstest.Answer, rivals), make([]error, rivals)
		var group sync.WaitGroup
		for i := range rivals {
			header := []string{kmstest.IdempotencyKey, fmt.Sprintf("rival-%d", i)}
			if i%2 == 0 {
				header = nil
			}
			request := s.Request(t, token, http.MethodPost, "elastic-keys", map[string]any{"name": "wanted", "algorithm": "A256GCM/A256KW"}, header...)
			group.Go(func() { answers[i], failures[i] = s.Exchange(request) })
		}
		group.Wait()
		made := 0
		for i, got := range answers {
			require.NoError(t, failures[i])
			if got.Status == http.StatusCreated {
				made++
				continue
			}
			got.Refused(t, http.StatusConflict, "conflict", "a rival")
		}
		assert.Equal(t, 1, made)
		assert.Len(t, s.Get(t, token, "elastic-keys").Items(t), 1)
		assert.Len(t, s.Get(t, token, "elastic-keys/wanted/material-keys").Items(t), 1)
	})
}

// A refusal that is final is part of the record; one about who asks, or about the moment, is not.
func TestIdempotencyKey_KeepsFinalRefusalsOnly(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		taken := map[string]any{"name": "taken", "algorithm": "ES256"}
		s.Post(t, token, "elastic-keys", taken)
		conflict := s.Call(t, token, http.MethodPost, "elastic-keys", taken, kmstest.IdempotencyKey, "k-conflict")
		conflict.Refused(t, http.StatusConflict, "conflict", "the name is taken")
		absent := s.Call(t, token, http.MethodPost, "elastic-keys/later/rotate", nil, kmstest.IdempotencyKey, "k-absent")
		absent.Refused(t, http.StatusNotFound, "not_found", "no such key")
		unsupported := s.Call(t, token, http.MethodPost, "elastic-keys", map[string]any{"name": "later", "algorithm": "none"}, kmstest.IdempotencyKey, "k-unsupported")
		unsupported.Refused(t, http.StatusBadRequest, "unsupported_algorithm", "none")
		s.Create(t, token, "later", "ES256")
		for what, again := range map[string]struct {
			first kmstest.Answer
			ask   kmstest.Ask
		}{
			"k-conflict":    {conflict, kmstest.Ask{Path: "elastic-keys", Body: taken}},
			"k-absent":      {absent, kmstest.Ask{Path: "elastic-keys/later/rotate"}},
			"k-unsupported": {unsupported, kmstest.Ask{Path: "elastic-keys", Body: map[string]any{"name": "later", "algorithm": "none"}}},
		} {
			got, err := s.Exchange(s.Request(t, token, http.MethodPost, again.ask.Path, again.ask.Body, kmstest.IdempotencyKey, what))
			require.NoError(t, err)
			got.Repeats(t, again.first, what)
		}
		assert.Equal(t, 1, s.VersionCount(t, token, "later"))

		// 403, then 401, then the scope is granted: the same principal with the same key and body is served.
		limited := s.Token(t, "default", "limited", "kms:read")
		body := map[string]any{"name": "granted", "algorithm": "ES256"}
		s.Call(t, limited, http.MethodPost, "elastic-keys", body, kmstest.IdempotencyKey, "k").Refused(t, http.StatusForbidden, "insufficient_scope", "limited")
		s.EditRealm(t, func(text string) string {
			return strings.Replace(text, "  - id: limited\n", "  - id: limited\n    disabled: true\n", 1)
		})
		require.NoError(t, s.Reload(&s.Config.Config))
		s.Call(t, limited, http.MethodPost, "elastic-keys", body, kmstest.IdempotencyKey, "k").Refused(t, http.StatusUnauthorized, "unauthenticated", "disabled")
		s.EditRealm(t, func(text string) string {
			return strings.Replace(strings.Replace(text, "    disabled: true\n", "", 1), "['kms:read']", "['kms:write']", 1)
		})
		require.NoError(t, s.Reload(&s.Config.Config))
		made := s.Post(t, limited, "elastic-keys", body, kmstest.IdempotencyKey, "k")
		assert.Empty(t, made.Header.Get(kmstest.Replayed))

		// An answer is only given to who may still ask for it.
		s.EditRealm(t, func(text string) string { return strings.Replace(text, "['kms:write']", "['kms:read']", 1) })
		require.NoError(t, s.Reload(&s.Config.Config))
		s.Call(t, limited, http.MethodPost, "elastic-keys", body, kmstest.IdempotencyKey, "k").Refused(t, http.StatusForbidden, "insufficient_scope", "replay without the scope")
	})
}

func TestIdempotencyKey_IsOnePrintableValue(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	token := s.Operator(t)
	ask := map[string]any{"name": "once", "algorithm": "ES256"}
	for what, values := range map[string][]string{
		"empty": {""}, "too long": {strings.Repeat("k", 256)}, "tab": {"a\tb"}, "beyond ASCII": {"schlüssel"}, "beyond ASCII, Latin-1": {"a\xe9"}, "two": {"a", "b"}, "the same twice": {"a", "a"},
	} {
		request := s.Request(t, token, http.MethodPost, "elastic-keys", ask)
		request.Header[kmstest.IdempotencyKey] = values
		s.Send(t, request).Refused(t, http.StatusBadRequest, "validation_failed", what)
	}
	longest := strings.Repeat("k", 255)
	made := s.Post(t, token, "elastic-keys", ask, kmstest.IdempotencyKey, longest)
	s.Post(t, token, "elastic-keys", ask, kmstest.IdempotencyKey, longest).Repeats(t, made, "the longest key")
	assert.Len(t, s.Get(t, token, "elastic-keys").Items(t), 1)

	// Where nothing changes the key is not looked at.
	h := kmstest.NewHolding(t, s, "default", token)
	for _, op := range kmstest.Operations(t) {
		if op.Idempotent || op.StepUp || op.Method == http.MethodDelete || op.Method == http.MethodPatch {
			continue
		}
		for range 2 {
			for i, ask := range kmstest.Asks()[op.ID](h) {
				got := s.Call(t, token, op.Method, ask.Path, ask.Body, kmstest.IdempotencyKey, fmt.Sprint("k", i))
				got.Fulfilled(t, op, ask.Path)
				assert.Empty(t, got.Header.Get(kmstest.Replayed), op.ID)
			}
		}
	}
}
