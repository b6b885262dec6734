package kms_test

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
)

const (
	idempotencyKey = "Idempotency-Key"
	replayed       = "Idempotency-Replayed"
)

// repeats checks that an answer is another one, given again.
func (a answer) repeats(t testing.TB, first answer, what string) {
	t.Helper()
	assert.Equal(t, "true", a.header.Get(replayed), "%s: %s", what, a.body)
	assert.Equal(t, first.status, a.status, what)
	assert.Equal(t, string(first.body), string(a.body), what)
	for _, name := range []string{"Content-Type", "Location", "Etag", "Cache-Control"} {
		assert.Equal(t, first.header.Values(name), a.header.Values(name), "%s: %s", what, name)
	}
}

func (s *service) versionCount(t testing.TB, token, key string) int {
	t.Helper()
	return int(s.get(t, token, "elastic-keys/"+key).object(t)["version_count"].(float64))
}

func TestIdempotencyKey_GivesTheSameAnswerForTheSameRequest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		ask := map[string]any{"name": "once", "algorithm": "ES256"}
		made := s.post(t, token, "elastic-keys", ask, idempotencyKey, "k1")
		assert.Empty(t, made.header.Get(replayed))
		turned := s.post(t, token, "elastic-keys/once/rotate", nil, idempotencyKey, "k1")
		assert.Empty(t, turned.header.Get(replayed), "another route is another request")
		for range 3 {
			s.post(t, token, "elastic-keys", ask, idempotencyKey, "k1").repeats(t, made, "create")
			s.post(t, token, "elastic-keys/once/rotate", nil, idempotencyKey, "k1").repeats(t, turned, "rotate")
		}
		assert.Len(t, s.get(t, token, "elastic-keys").items(t), 1)
		assert.Equal(t, 2, s.versionCount(t, token, "once"))

		s.stop()
		s = run(t, s.cfg, s.files)
		s.post(t, token, "elastic-keys", ask, idempotencyKey, "k1").repeats(t, made, "create after a restart")
		s.post(t, token, "elastic-keys/once/rotate", nil, idempotencyKey, "k1").repeats(t, turned, "rotate after a restart")
		assert.Equal(t, 2, s.versionCount(t, token, "once"))
		assert.NotEqual(t, turned.body, s.post(t, token, "elastic-keys/once/rotate", nil, idempotencyKey, "k2").body, "another key is another request")
	})
}

func TestIdempotencyKey_RefusesAnotherBody(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		s.post(t, token, "elastic-keys", `{"name":"once","algorithm":"ES256"}`, idempotencyKey, "k")
		for _, other := range []string{
			`{"name":"twice","algorithm":"ES256"}`, `{"name":"once","algorithm":"ES384"}`, `{"algorithm":"ES256","name":"once"}`, `{"name":"once","algorithm":"ES256"} `,
		} {
			s.call(t, token, http.MethodPost, "elastic-keys", other, idempotencyKey, "k").
				refused(t, http.StatusUnprocessableEntity, "idempotency_mismatch", other)
		}
		s.call(t, token, http.MethodPost, "elastic-keys", `{`, idempotencyKey, "k").refused(t, http.StatusBadRequest, "bad_request", "no JSON")
		assert.Len(t, s.get(t, token, "elastic-keys").items(t), 1)
	})
}

func TestIdempotencyKey_IsThePrincipalsOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		s.tenant(t, "stranger")
		token := s.operator(t)
		other := s.token(t, "default", "other", "kms:admin")
		stranger := s.token(t, "stranger", "operator", "kms:admin")
		client := s.enroll(t, auth.NewEntry{Kind: credential.ClientSecret, Tenant: "default", ID: "operator", Scopes: []string{"kms:admin"}})
		asClient := func(path string, body any) answer {
			request := s.request(t, "", http.MethodPost, path, body, idempotencyKey, "k")
			request.SetBasicAuth("operator", client)
			return s.send(t, request)
		}
		first := s.post(t, token, "elastic-keys", map[string]any{"name": "a", "algorithm": "ES256"}, idempotencyKey, "k")
		second := s.post(t, other, "elastic-keys", map[string]any{"name": "b", "algorithm": "ES256"}, idempotencyKey, "k")
		third := asClient("elastic-keys", map[string]any{"name": "c", "algorithm": "ES256"})
		fourth := s.post(t, stranger, "elastic-keys", map[string]any{"name": "a", "algorithm": "ES256"}, idempotencyKey, "k")
		ids := map[string]bool{}
		for _, made := range []answer{first, second, third, fourth} {
			require.Equal(t, http.StatusCreated, made.status, "%s", made.body)
			assert.Empty(t, made.header.Get(replayed))
			ids[made.member(t, "id")] = true
		}
		assert.Len(t, ids, 4)
		for range 2 {
			s.post(t, token, "elastic-keys/b/rotate", nil, idempotencyKey, "k")
			s.post(t, other, "elastic-keys/b/rotate", nil, idempotencyKey, "k")
			asClient("elastic-keys/b/rotate", nil)
		}
		assert.Equal(t, 4, s.versionCount(t, token, "b"), "each principal rotated once")
		s.post(t, token, "elastic-keys/a/rotate", nil, idempotencyKey, "k")
		assert.Equal(t, 2, s.versionCount(t, token, "a"), "another key is another route")
		assert.Equal(t, 1, s.versionCount(t, stranger, "a"))
	})
}

func TestIdempotencyKey_HasOneEffectHoweverManyAskAtOnce(t *testing.T) {
	t.Parallel()
	const rivals = 20
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		s.create(t, token, "turning", "A256GCM/A256KW")
		for what, ask := range map[string]ask{
			"create": {"elastic-keys", map[string]any{"name": "once", "algorithm": "A256GCM/A256KW"}},
			"rotate": {path: "elastic-keys/turning/rotate"},
		} {
			answers, failures := make([]answer, rivals), make([]error, rivals)
			var group sync.WaitGroup
			for i := range rivals {
				request := s.request(t, token, http.MethodPost, ask.path, ask.body, idempotencyKey, "rivals")
				group.Go(func() { answers[i], failures[i] = s.exchange(request) })
			}
			group.Wait()
			firsts := 0
			final := s.post(t, token, ask.path, ask.body, idempotencyKey, "rivals")
			for i, got := range answers {
				require.NoError(t, failures[i])
				if got.status == http.StatusConflict {
					got.refused(t, http.StatusConflict, "idempotency_in_progress", what)
					assert.NotEmpty(t, got.header.Get("Retry-After"), what)
					continue
				}
				require.Equal(t, http.StatusCreated, got.status, "%s: %s", what, got.body)
				assert.Equal(t, string(final.body), string(got.body), what)
				if got.header.Get(replayed) == "" {
					firsts++
				}
			}
			assert.Equal(t, 1, firsts, "%s: one of them did it", what)
			final.repeats(t, final, what)
		}
		assert.Len(t, s.get(t, token, "elastic-keys").items(t), 2)
		assert.Equal(t, 2, s.versionCount(t, token, "turning"))
	})
}

// Without a key to tell them apart, rivals for one name are told so; none of them gets a 500, and one key is made.
func TestCreate_OneNameForManyRivals(t *testing.T) {
	t.Parallel()
	const rivals = 20
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		answers, failures := make([]answer, rivals), make([]error, rivals)
		var group sync.WaitGroup
		for i := range rivals {
			header := []string{idempotencyKey, fmt.Sprintf("rival-%d", i)}
			if i%2 == 0 {
				header = nil
			}
			request := s.request(t, token, http.MethodPost, "elastic-keys", map[string]any{"name": "wanted", "algorithm": "A256GCM/A256KW"}, header...)
			group.Go(func() { answers[i], failures[i] = s.exchange(request) })
		}
		group.Wait()
		made := 0
		for i, got := range answers {
			require.NoError(t, failures[i])
			if got.status == http.StatusCreated {
				made++
				continue
			}
			got.refused(t, http.StatusConflict, "conflict", "a rival")
		}
		assert.Equal(t, 1, made)
		assert.Len(t, s.get(t, token, "elastic-keys").items(t), 1)
		assert.Len(t, s.get(t, token, "elastic-keys/wanted/material-keys").items(t), 1)
	})
}

// A refusal that is final is part of the record; one about who asks, or about the moment, is not.
func TestIdempotencyKey_KeepsFinalRefusalsOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		taken := map[string]any{"name": "taken", "algorithm": "ES256"}
		s.post(t, token, "elastic-keys", taken)
		conflict := s.call(t, token, http.MethodPost, "elastic-keys", taken, idempotencyKey, "k-conflict")
		conflict.refused(t, http.StatusConflict, "conflict", "the name is taken")
		absent := s.call(t, token, http.MethodPost, "elastic-keys/later/rotate", nil, idempotencyKey, "k-absent")
		absent.refused(t, http.StatusNotFound, "not_found", "no such key")
		unsupported := s.call(t, token, http.MethodPost, "elastic-keys", map[string]any{"name": "later", "algorithm": "none"}, idempotencyKey, "k-unsupported")
		unsupported.refused(t, http.StatusBadRequest, "unsupported_algorithm", "none")
		s.create(t, token, "later", "ES256")
		for what, again := range map[string]struct {
			first answer
			ask   ask
		}{
			"k-conflict":    {conflict, ask{"elastic-keys", taken}},
			"k-absent":      {absent, ask{path: "elastic-keys/later/rotate"}},
			"k-unsupported": {unsupported, ask{"elastic-keys", map[string]any{"name": "later", "algorithm": "none"}}},
		} {
			got, err := s.exchange(s.request(t, token, http.MethodPost, again.ask.path, again.ask.body, idempotencyKey, what))
			require.NoError(t, err)
			got.repeats(t, again.first, what)
		}
		assert.Equal(t, 1, s.versionCount(t, token, "later"))

		// 403, then 401, then the scope is granted: the same principal with the same key and body is served.
		limited := s.token(t, "default", "limited", "kms:read")
		body := map[string]any{"name": "granted", "algorithm": "ES256"}
		s.call(t, limited, http.MethodPost, "elastic-keys", body, idempotencyKey, "k").refused(t, http.StatusForbidden, "insufficient_scope", "limited")
		s.editRealm(t, func(text string) string {
			return strings.Replace(text, "  - id: limited\n", "  - id: limited\n    disabled: true\n", 1)
		})
		require.NoError(t, s.Reload(&s.cfg.Config))
		s.call(t, limited, http.MethodPost, "elastic-keys", body, idempotencyKey, "k").refused(t, http.StatusUnauthorized, "unauthenticated", "disabled")
		s.editRealm(t, func(text string) string {
			return strings.Replace(strings.Replace(text, "    disabled: true\n", "", 1), "['kms:read']", "['kms:write']", 1)
		})
		require.NoError(t, s.Reload(&s.cfg.Config))
		made := s.post(t, limited, "elastic-keys", body, idempotencyKey, "k")
		assert.Empty(t, made.header.Get(replayed))

		// An answer is only given to who may still ask for it.
		s.editRealm(t, func(text string) string { return strings.Replace(text, "['kms:write']", "['kms:read']", 1) })
		require.NoError(t, s.Reload(&s.cfg.Config))
		s.call(t, limited, http.MethodPost, "elastic-keys", body, idempotencyKey, "k").refused(t, http.StatusForbidden, "insufficient_scope", "replay without the scope")
	})
}

func TestIdempotencyKey_IsOnePrintableValue(t *testing.T) {
	t.Parallel()
	cfg, files := prepare(t, database.EngineSQLite)
	s := run(t, cfg, files)
	token := s.operator(t)
	ask := map[string]any{"name": "once", "algorithm": "ES256"}
	for what, values := range map[string][]string{
		"empty": {""}, "too long": {strings.Repeat("k", 256)}, "tab": {"a\tb"}, "beyond ASCII": {"schlüssel"}, "beyond ASCII, Latin-1": {"a\xe9"}, "two": {"a", "b"}, "the same twice": {"a", "a"},
	} {
		request := s.request(t, token, http.MethodPost, "elastic-keys", ask)
		request.Header[idempotencyKey] = values
		s.send(t, request).refused(t, http.StatusBadRequest, "validation_failed", what)
	}
	longest := strings.Repeat("k", 255)
	made := s.post(t, token, "elastic-keys", ask, idempotencyKey, longest)
	s.post(t, token, "elastic-keys", ask, idempotencyKey, longest).repeats(t, made, "the longest key")
	assert.Len(t, s.get(t, token, "elastic-keys").items(t), 1)

	// Where nothing changes the key is not looked at.
	h := newHolding(t, s, "default", token)
	for _, op := range operations(t) {
		if op.Idempotent || op.StepUp || op.Method == http.MethodDelete || op.Method == http.MethodPatch {
			continue
		}
		for range 2 {
			for i, ask := range asks[op.ID](h) {
				got := s.call(t, token, op.Method, ask.path, ask.body, idempotencyKey, fmt.Sprint("k", i))
				got.fulfilled(t, op, ask.path)
				assert.Empty(t, got.header.Get(replayed), op.ID)
			}
		}
	}
}
