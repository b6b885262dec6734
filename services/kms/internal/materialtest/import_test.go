package materialtest_test

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestImport_MakesAKeyWorkWithWhatWasBrought(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		for algorithm, method := range map[string]string{
			"ES256": kmstest.MethodRSA, "Ed25519": kmstest.MethodECDH, "HS256": kmstest.MethodRSA, "A256GCM/A256KW": kmstest.MethodECDH, "A256GCM/dir": kmstest.MethodRSA, "A256GCM/ECDH-ES": kmstest.MethodECDH,
		} {
			name := strings.ToLower(strings.NewReplacer("/", "-", "+", "-").Replace(algorithm))
			id := s.Importable(t, token, name, algorithm)
			s.Call(t, token, http.MethodPost, "elastic-keys/"+id+"/encrypt", map[string]any{"plaintext": ""}).
				RefusedOneOf(t, "invalid_state", "wrong_key_use")
			own, private := kmstest.Generated(t, algorithm)
			job := s.ImportJob(t, token, id, method)
			brought := s.Post(t, token, "elastic-keys/"+name+"/import", kmstest.Offer(t, job, private))
			assert.Equal(t, http.StatusCreated, brought.Status)
			assert.Equal(t, "material-keys/1", brought.Header.Get("Location"))
			assert.Equal(t, "enabled", brought.Member(t, "status"), algorithm)
			assert.Equal(t, "active", s.StatusOf(t, token, "elastic-keys/"+id), algorithm)
			worksLike(t, s, token, id, own)

			over := s.Get(t, token, "elastic-keys/"+id+"/import-jobs/"+job.Member(t, "id"))
			assert.Equal(t, "used", over.Member(t, "status"))
			assert.InDelta(t, 1, over.Object(t)["version"], 0)
			assert.NotContains(t, over.Object(t), "public_key")
			assert.NotContains(t, over.Object(t), "token")

			// A further import becomes the primary version; the first one still reads.
			next, private := kmstest.Generated(t, algorithm)
			brought = s.Post(t, token, "elastic-keys/"+id+"/import", kmstest.Offer(t, s.ImportJob(t, token, id, method), private))
			assert.InDelta(t, 2, brought.Object(t)["version"], 0)
			worksLike(t, s, token, id, next)
			s.Call(t, token, http.MethodPost, "elastic-keys/"+id+"/rotate", nil).Refused(t, http.StatusForbidden, "policy_refused", "its versions are imported")
		}
	})
}

// worksLike checks that the key's primary version is the key given.
func worksLike(t testing.TB, s *kmstest.Service, token, id string, own *jwk.Key) {
	t.Helper()
	switch {
	case own.Use == jwk.UseSignature:
		signed := s.Post(t, token, "elastic-keys/"+id+"/sign", map[string]any{"payload": "aGVsbG8"}).Member(t, "signature")
		_, _, err := jws.Verify(own, signed, jws.Expect{})
		require.NoError(t, err)
	default:
		sealed := s.Post(t, token, "elastic-keys/"+id+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
		expect := jwe.Expect{}
		if own.Algorithm == "A256GCM" {
			expect.Algorithm = "dir"
		}
		opened, _, err := jwe.Decrypt(own, sealed, expect)
		require.NoError(t, err)
		require.Equal(t, "hello", string(opened))
	}
}

func TestImport_AJobServesOnce(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		id := s.Importable(t, token, "brought", "ES256")
		_, private := kmstest.Generated(t, "ES256")
		job := s.ImportJob(t, token, id, kmstest.MethodRSA)
		body := kmstest.Offer(t, job, private)
		path := "elastic-keys/" + id + "/import"
		s.Post(t, token, path, body)
		s.Call(t, token, http.MethodPost, path, body).Refused(t, http.StatusConflict, "import_job_used", "the same again")
		other, _ := kmstest.Generated(t, "ES256")
		text, err := other.MarshalPrivate()
		require.NoError(t, err)
		s.Call(t, token, http.MethodPost, path, kmstest.Offer(t, job, text)).Refused(t, http.StatusConflict, "import_job_used", "another key")

		// Another key's job, one of nobody's and one of another tenant's are all alike.
		s.Tenant(t, "acme")
		acme := s.Token(t, "acme", "token", "kms:admin")
		theirs := s.ImportJob(t, acme, s.Importable(t, acme, "theirs", "ES256"), kmstest.MethodECDH)
		foreign := s.ImportJob(t, token, s.Importable(t, token, "other", "ES256"), kmstest.MethodECDH)
		for what, job := range map[string]kmstest.Answer{"of another key": foreign, "of another tenant": theirs} {
			s.Call(t, token, http.MethodPost, path, kmstest.Offer(t, job, private)).Refused(t, http.StatusNotFound, "not_found", what)
		}
		unknown := kmstest.Offer(t, foreign, private)
		unknown["job"] = rand.Text()
		s.Call(t, token, http.MethodPost, path, unknown).Refused(t, http.StatusNotFound, "not_found", "of nobody")
		unknown["job"] = foreign.Member(t, "id")
		s.Call(t, token, http.MethodPost, "elastic-keys/other/import", unknown).Refused(t, http.StatusNotFound, "not_found", "an id grants nothing")
		assert.Zero(t, s.Get(t, token, "elastic-keys/other/import-jobs/"+foreign.Member(t, "id")).Object(t)["attempts"])
		assert.Equal(t, 1, s.VersionCount(t, token, id))
	})
}

// One job, many rivals on two replicas: one version.
func TestImport_RivalsForOneJob(t *testing.T) {
	t.Parallel()
	const rivals = 8 // below the bound of attempts
	kmstest.Each(t, func(t *testing.T, first *kmstest.Service) {
		second := kmstest.Run(t, first.Config, first.Files)
		token := first.Operator(t)
		for _, round := range []string{"with keys", "without keys"} {
			id := first.Importable(t, token, strings.ReplaceAll(round, " ", "-"), "ES256")
			_, private := kmstest.Generated(t, "ES256")
			job := first.ImportJob(t, token, id, kmstest.MethodECDH)
			answers, failures := make([]kmstest.Answer, rivals), make([]error, rivals)
			var group sync.WaitGroup
			for i, s := range []*kmstest.Service{first, second, first, second, first, second, first, second} {
				var header []string
				if round == "with keys" {
					header = []string{kmstest.IdempotencyKey, rand.Text()}
				}
				request := s.Request(t, token, http.MethodPost, "elastic-keys/"+id+"/import", kmstest.Offer(t, job, private), header...)
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
				got.Refused(t, http.StatusConflict, "import_job_used", round)
			}
			assert.Equal(t, 1, made, round)
			assert.Equal(t, 1, first.VersionCount(t, token, id), round)
		}
	})
}

func TestImport_ARetryWithItsKeyIsTheSameImport(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		id := s.Importable(t, token, "brought", "ES256")
		asked := map[string]any{"wrapping": kmstest.MethodECDH}
		job := s.Post(t, token, "elastic-keys/"+id+"/import-jobs", asked, kmstest.IdempotencyKey, "k")
		s.Post(t, token, "elastic-keys/"+id+"/import-jobs", asked, kmstest.IdempotencyKey, "k").Repeats(t, job, "the job, with its token")
		assert.Len(t, s.Get(t, token, "elastic-keys/"+id+"/import-jobs").Items(t), 1)

		_, private := kmstest.Generated(t, "ES256")
		path := "elastic-keys/" + id + "/import"
		wrong := map[string]any{"job": job.Member(t, "token"), "wrapped_material": strings.Repeat("A", 1000)}
		refusal := s.Call(t, token, http.MethodPost, path, wrong, kmstest.IdempotencyKey, "k-wrong")
		refusal.Refused(t, http.StatusBadRequest, "import_malformed", "no JWE")
		again, err := s.Exchange(s.Request(t, token, http.MethodPost, path, wrong, kmstest.IdempotencyKey, "k-wrong"))
		require.NoError(t, err)
		again.Repeats(t, refusal, "a refusal of the material is final")
		jobPath := "elastic-keys/" + id + "/import-jobs/" + job.Member(t, "id")
		assert.InDelta(t, 1, s.Get(t, token, jobPath).Object(t)["attempts"], 0, "and one attempt")

		body := kmstest.Offer(t, job, private)
		brought := s.Post(t, token, path, body, kmstest.IdempotencyKey, "k")
		s.Post(t, token, path, body, kmstest.IdempotencyKey, "k").Repeats(t, brought, "import")
		assert.Equal(t, 1, s.VersionCount(t, token, id))
	})
}

func TestImport_RefusesMaterialByItsCode(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		id := s.Importable(t, token, "brought", "ES256")
		path := "elastic-keys/" + id + "/import"
		_, good := kmstest.Generated(t, "ES256")
		_, other := kmstest.Generated(t, "ES384")
		_, secret := kmstest.Generated(t, "HS256")
		elsewhere := s.ImportJob(t, token, id, kmstest.MethodECDH)
		job := s.ImportJob(t, token, id, kmstest.MethodECDH)
		bodyOf := func(wrapped string) map[string]any {
			return map[string]any{"job": job.Member(t, "token"), "wrapped_material": wrapped}
		}
		weak := `{"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}`
		for _, c := range []struct {
			what, code string
			body       map[string]any
		}{
			{"wrapped for another job", "import_wrong_key", bodyOf(kmstest.WrapFor(t, elsewhere, good))},
			{"no key", "import_malformed", bodyOf(kmstest.WrapFor(t, job, []byte("hello")))},
			{"another curve", "import_mismatch", bodyOf(kmstest.WrapFor(t, job, other))},
			{"a symmetric key", "import_mismatch", bodyOf(kmstest.WrapFor(t, job, secret))},
			{"a small number", "import_weak", bodyOf(kmstest.WrapFor(t, job, []byte(weak)))},
			{"bytes that are no JWE", "import_malformed", bodyOf(strings.Repeat("A", 600))},
		} {
			before := s.Get(t, token, "elastic-keys/"+id+"/import-jobs/"+job.Member(t, "id")).Object(t)["attempts"].(float64)
			s.Call(t, token, http.MethodPost, path, c.body).Refused(t, http.StatusBadRequest, c.code, c.what)
			assert.Equal(t, "import_failed", s.StatusOf(t, token, "elastic-keys/"+id), c.what)
			after := s.Get(t, token, "elastic-keys/"+id+"/import-jobs/"+job.Member(t, "id"))
			assert.InDelta(t, before+1, after.Object(t)["attempts"], 0, c.what)
			assert.Equal(t, "open", after.Member(t, "status"), c.what)
		}
		// What is no attempt: a body that says nothing, or too much.
		for what, body := range map[string]any{
			"nothing": map[string]any{}, "a job alone": map[string]any{"job": "x"}, "material alone": map[string]any{"wrapped_material": "AAAA"},
			"both ways":     map[string]any{"job": job.Member(t, "token"), "wrapped_material": "AAAA", "public_key": map[string]any{"kty": "EC"}},
			"past expiry":   kmstest.Merge(bodyOf("AAAA"), map[string]any{"expires_at": "2020-01-01T00:00:00Z"}),
			"no time":       kmstest.Merge(bodyOf("AAAA"), map[string]any{"expires_at": "tomorrow"}),
			"no base64url":  bodyOf("+/=="),
			"a null key":    map[string]any{"public_key": nil},
			"a number":      map[string]any{"public_key": 7},
			"unknown":       kmstest.Merge(bodyOf("AAAA"), map[string]any{"name": "x"}),
			"a low version": kmstest.Merge(bodyOf("AAAA"), map[string]any{"version": 0}),
		} {
			got := s.Call(t, token, http.MethodPost, path, body)
			assert.Equal(t, http.StatusBadRequest, got.Status, "%s: %s", what, got.Body)
			got.RefusedOneOf(t, "validation_failed", "unknown_member")
		}
		// The next success ends the failure.
		s.Post(t, token, path, bodyOf(kmstest.WrapFor(t, job, good)))
		assert.Equal(t, "active", s.StatusOf(t, token, "elastic-keys/"+id))
		s.Call(t, token, http.MethodPost, path, bodyOf(kmstest.WrapFor(t, elsewhere, good))).Refused(t, http.StatusConflict, "import_job_used", "wrong and used")
		s.Call(t, token, http.MethodPost, path, map[string]any{"job": elsewhere.Member(t, "token"), "wrapped_material": kmstest.WrapFor(t, elsewhere, other)}).
			Refused(t, http.StatusBadRequest, "import_mismatch", "a further import")
		assert.Equal(t, "active", s.StatusOf(t, token, "elastic-keys/"+id), "which leaves an active key as it is")
	})
}

func TestImport_AJobBearsTenAttempts(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		id := s.Importable(t, token, "brought", "ES256")
		path := "elastic-keys/" + id + "/import"
		_, good := kmstest.Generated(t, "ES256")
		job := s.ImportJob(t, token, id, kmstest.MethodECDH)
		for range 10 {
			s.Call(t, token, http.MethodPost, path, kmstest.Offer(t, job, []byte("hello"))).Refused(t, http.StatusBadRequest, "import_malformed", "hello")
		}
		s.Call(t, token, http.MethodPost, path, kmstest.Offer(t, job, good)).Refused(t, http.StatusConflict, "import_job_exhausted", "the eleventh")
		over := s.Get(t, token, "elastic-keys/"+id+"/import-jobs/"+job.Member(t, "id"))
		assert.Equal(t, "exhausted", over.Member(t, "status"))
		assert.NotContains(t, over.Object(t), "public_key")
	})
}
