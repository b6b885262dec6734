package kms_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keywrap"
)

// importInto gives the holding a key whose versions are imported, with a public key and two jobs.
func (h holding) importInto(t testing.TB, s *service) holding {
	t.Helper()
	h.importedName = h.tenant + "-imported"
	h.importedID = s.importable(t, h.token, h.importedName, "ES256")
	h.imported = h.importedID
	path := "elastic-keys/" + h.imported
	h.publicKey = s.get(t, h.token, "elastic-keys/"+h.signer+"/public-key").raw(t, "jwk")
	s.post(t, h.token, path+"/import", map[string]any{"public_key": h.publicKey})
	s.importJob(t, h.token, h.imported, methodECDH)
	job := s.importJob(t, h.token, h.imported, methodECDH)
	h.jobID, h.jobToken = job.member(t, "id"), job.member(t, "token")
	h.jobCursor = s.get(t, h.token, path+"/import-jobs?limit=1").member(t, "next_cursor")
	require.NotEmpty(t, h.jobCursor)
	return h
}

// The methods of wrapping.
const (
	methodRSA  = "RSA-OAEP-256+A256KWP"
	methodECDH = "ECDH-ES+A256KW"
)

// importable makes a key that awaits its first import.
func (s *service) importable(t testing.TB, token, name, algorithm string) (id string) {
	t.Helper()
	made := s.post(t, token, "elastic-keys", map[string]any{"name": name, "algorithm": algorithm, "origin": "imported"})
	require.Equal(t, "pending_import", made.member(t, "status"))
	return made.member(t, "id")
}

func (s *service) importJob(t testing.TB, token, key, method string) answer {
	t.Helper()
	job := s.post(t, token, "elastic-keys/"+key+"/import-jobs", map[string]any{"wrapping": method})
	require.Equal(t, "open", job.member(t, "status"))
	return job
}

// wrappingKey is the public key of a job.
func (a answer) wrappingKey(t testing.TB) *jwk.Key {
	t.Helper()
	var public struct {
		JWK json.RawMessage `json:"jwk"`
		PEM string          `json:"pem"`
	}
	require.NoError(t, json.Unmarshal(a.raw(t, "public_key"), &public))
	key, err := jwk.Parse(public.JWK)
	require.NoError(t, err)
	require.False(t, key.IsPrivate())
	same, err := jwk.ParsePEM([]byte(public.PEM), jwk.Attributes{Algorithm: key.Algorithm})
	require.NoError(t, err)
	require.Equal(t, key.ThumbprintSHA256(), same.ThumbprintSHA256())
	return key
}

// wrapFor wraps material for a job, as the request has it.
func wrapFor(t testing.TB, job answer, material []byte) string {
	t.Helper()
	public := job.wrappingKey(t)
	if job.member(t, "wrapping") == methodECDH {
		text, err := jwe.Encrypt(public, jwe.Header{Encryption: "A256GCM"}, material)
		require.NoError(t, err)
		return text
	}
	transport := make([]byte, 32)
	_, err := rand.Read(transport)
	require.NoError(t, err)
	head, err := keywrap.WrapRSAOAEP(public.Material().(*rsa.PublicKey), crypto.SHA256, transport)
	require.NoError(t, err)
	tail, err := keywrap.WrapPadded(transport, material)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(append(head, tail...))
}

// generated is new key material with its private JWK.
func generated(t testing.TB, algorithm string) (key *jwk.Key, private []byte) {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, 0, "")
	require.NoError(t, err)
	if spec.KeyType == alg.KeyTypeRSA {
		spec.KeySize = 2048
	}
	key, err = keygen.Generate(spec)
	require.NoError(t, err)
	private, err = key.MarshalPrivate()
	require.NoError(t, err)
	return key, private
}

// offer is the body of an import by a job.
func offer(t testing.TB, job answer, material []byte) map[string]any {
	t.Helper()
	return map[string]any{"job": job.member(t, "token"), "wrapped_material": wrapFor(t, job, material)}
}

func (s *service) statusOf(t testing.TB, token, path string) string {
	t.Helper()
	return s.get(t, token, path).member(t, "status")
}

func TestImport_MakesAKeyWorkWithWhatWasBrought(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		for algorithm, method := range map[string]string{
			"ES256": methodRSA, "Ed25519": methodECDH, "HS256": methodRSA, "A256GCM/A256KW": methodECDH, "A256GCM/dir": methodRSA, "A256GCM/ECDH-ES": methodECDH,
		} {
			name := strings.ToLower(strings.NewReplacer("/", "-", "+", "-").Replace(algorithm))
			id := s.importable(t, token, name, algorithm)
			s.call(t, token, http.MethodPost, "elastic-keys/"+id+"/encrypt", map[string]any{"plaintext": ""}).
				refusedOneOf(t, "invalid_state", "wrong_key_use")
			own, private := generated(t, algorithm)
			job := s.importJob(t, token, id, method)
			brought := s.post(t, token, "elastic-keys/"+name+"/import", offer(t, job, private))
			assert.Equal(t, http.StatusCreated, brought.status)
			assert.Equal(t, "material-keys/1", brought.header.Get("Location"))
			assert.Equal(t, "enabled", brought.member(t, "status"), algorithm)
			assert.Equal(t, "active", s.statusOf(t, token, "elastic-keys/"+id), algorithm)
			s.worksLike(t, token, id, own)

			over := s.get(t, token, "elastic-keys/"+id+"/import-jobs/"+job.member(t, "id"))
			assert.Equal(t, "used", over.member(t, "status"))
			assert.InDelta(t, 1, over.object(t)["version"], 0)
			assert.NotContains(t, over.object(t), "public_key")
			assert.NotContains(t, over.object(t), "token")

			// A further import becomes the primary version; the first one still reads.
			next, private := generated(t, algorithm)
			brought = s.post(t, token, "elastic-keys/"+id+"/import", offer(t, s.importJob(t, token, id, method), private))
			assert.InDelta(t, 2, brought.object(t)["version"], 0)
			s.worksLike(t, token, id, next)
			s.call(t, token, http.MethodPost, "elastic-keys/"+id+"/rotate", nil).refused(t, http.StatusForbidden, "policy_refused", "its versions are imported")
		}
	})
}

// worksLike checks that the key's primary version is the key given.
func (s *service) worksLike(t testing.TB, token, id string, own *jwk.Key) {
	t.Helper()
	switch {
	case own.Use == jwk.UseSignature:
		signed := s.post(t, token, "elastic-keys/"+id+"/sign", map[string]any{"payload": "aGVsbG8"}).member(t, "signature")
		_, _, err := jws.Verify(own, signed, jws.Expect{})
		require.NoError(t, err)
	default:
		sealed := s.post(t, token, "elastic-keys/"+id+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext")
		expect := jwe.Expect{}
		if own.Algorithm == "A256GCM" {
			expect.Algorithm = "dir"
		}
		opened, _, err := jwe.Decrypt(own, sealed, expect)
		require.NoError(t, err)
		require.Equal(t, "hello", string(opened))
	}
}

// refusedOneOf checks that an answer is a problem with one of the codes.
func (a answer) refusedOneOf(t testing.TB, codes ...string) {
	t.Helper()
	require.GreaterOrEqual(t, a.status, http.StatusBadRequest, "%s", a.body)
	require.Contains(t, codes, a.member(t, "code"), "%s", a.body)
}

func TestImport_AJobServesOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		id := s.importable(t, token, "brought", "ES256")
		_, private := generated(t, "ES256")
		job := s.importJob(t, token, id, methodRSA)
		body := offer(t, job, private)
		path := "elastic-keys/" + id + "/import"
		s.post(t, token, path, body)
		s.call(t, token, http.MethodPost, path, body).refused(t, http.StatusConflict, "import_job_used", "the same again")
		other, _ := generated(t, "ES256")
		text, err := other.MarshalPrivate()
		require.NoError(t, err)
		s.call(t, token, http.MethodPost, path, offer(t, job, text)).refused(t, http.StatusConflict, "import_job_used", "another key")

		// Another key's job, one of nobody's and one of another tenant's are all alike.
		s.tenant(t, "acme")
		acme := s.token(t, "acme", "token", "kms:admin")
		theirs := s.importJob(t, acme, s.importable(t, acme, "theirs", "ES256"), methodECDH)
		foreign := s.importJob(t, token, s.importable(t, token, "other", "ES256"), methodECDH)
		for what, job := range map[string]answer{"of another key": foreign, "of another tenant": theirs} {
			s.call(t, token, http.MethodPost, path, offer(t, job, private)).refused(t, http.StatusNotFound, "not_found", what)
		}
		unknown := offer(t, foreign, private)
		unknown["job"] = rand.Text()
		s.call(t, token, http.MethodPost, path, unknown).refused(t, http.StatusNotFound, "not_found", "of nobody")
		unknown["job"] = foreign.member(t, "id")
		s.call(t, token, http.MethodPost, "elastic-keys/other/import", unknown).refused(t, http.StatusNotFound, "not_found", "an id grants nothing")
		assert.Zero(t, s.get(t, token, "elastic-keys/other/import-jobs/"+foreign.member(t, "id")).object(t)["attempts"])
		assert.Equal(t, 1, s.versionCount(t, token, id))
	})
}

// One job, many rivals on two replicas: one version.
func TestImport_RivalsForOneJob(t *testing.T) {
	t.Parallel()
	const rivals = 8 // below the bound of attempts
	each(t, func(t *testing.T, first *service) {
		second := run(t, first.cfg, first.files)
		token := first.operator(t)
		for _, round := range []string{"with keys", "without keys"} {
			id := first.importable(t, token, strings.ReplaceAll(round, " ", "-"), "ES256")
			_, private := generated(t, "ES256")
			job := first.importJob(t, token, id, methodECDH)
			answers, failures := make([]answer, rivals), make([]error, rivals)
			var group sync.WaitGroup
			for i, s := range []*service{first, second, first, second, first, second, first, second} {
				var header []string
				if round == "with keys" {
					header = []string{idempotencyKey, rand.Text()}
				}
				request := s.request(t, token, http.MethodPost, "elastic-keys/"+id+"/import", offer(t, job, private), header...)
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
				got.refused(t, http.StatusConflict, "import_job_used", round)
			}
			assert.Equal(t, 1, made, round)
			assert.Equal(t, 1, first.versionCount(t, token, id), round)
		}
	})
}

func TestImport_ARetryWithItsKeyIsTheSameImport(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		id := s.importable(t, token, "brought", "ES256")
		asked := map[string]any{"wrapping": methodECDH}
		job := s.post(t, token, "elastic-keys/"+id+"/import-jobs", asked, idempotencyKey, "k")
		s.post(t, token, "elastic-keys/"+id+"/import-jobs", asked, idempotencyKey, "k").repeats(t, job, "the job, with its token")
		assert.Len(t, s.get(t, token, "elastic-keys/"+id+"/import-jobs").items(t), 1)

		_, private := generated(t, "ES256")
		path := "elastic-keys/" + id + "/import"
		wrong := map[string]any{"job": job.member(t, "token"), "wrapped_material": strings.Repeat("A", 1000)}
		refusal := s.call(t, token, http.MethodPost, path, wrong, idempotencyKey, "k-wrong")
		refusal.refused(t, http.StatusBadRequest, "import_malformed", "no JWE")
		again, err := s.exchange(s.request(t, token, http.MethodPost, path, wrong, idempotencyKey, "k-wrong"))
		require.NoError(t, err)
		again.repeats(t, refusal, "a refusal of the material is final")
		jobPath := "elastic-keys/" + id + "/import-jobs/" + job.member(t, "id")
		assert.InDelta(t, 1, s.get(t, token, jobPath).object(t)["attempts"], 0, "and one attempt")

		body := offer(t, job, private)
		brought := s.post(t, token, path, body, idempotencyKey, "k")
		s.post(t, token, path, body, idempotencyKey, "k").repeats(t, brought, "import")
		assert.Equal(t, 1, s.versionCount(t, token, id))
	})
}

func TestImport_RefusesMaterialByItsCode(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		id := s.importable(t, token, "brought", "ES256")
		path := "elastic-keys/" + id + "/import"
		_, good := generated(t, "ES256")
		_, other := generated(t, "ES384")
		_, secret := generated(t, "HS256")
		elsewhere := s.importJob(t, token, id, methodECDH)
		job := s.importJob(t, token, id, methodECDH)
		bodyOf := func(wrapped string) map[string]any {
			return map[string]any{"job": job.member(t, "token"), "wrapped_material": wrapped}
		}
		weak := `{"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}`
		for _, c := range []struct {
			what, code string
			body       map[string]any
		}{
			{"wrapped for another job", "import_wrong_key", bodyOf(wrapFor(t, elsewhere, good))},
			{"no key", "import_malformed", bodyOf(wrapFor(t, job, []byte("hello")))},
			{"another curve", "import_mismatch", bodyOf(wrapFor(t, job, other))},
			{"a symmetric key", "import_mismatch", bodyOf(wrapFor(t, job, secret))},
			{"a small number", "import_weak", bodyOf(wrapFor(t, job, []byte(weak)))},
			{"bytes that are no JWE", "import_malformed", bodyOf(strings.Repeat("A", 600))},
		} {
			before := s.get(t, token, "elastic-keys/"+id+"/import-jobs/"+job.member(t, "id")).object(t)["attempts"].(float64)
			s.call(t, token, http.MethodPost, path, c.body).refused(t, http.StatusBadRequest, c.code, c.what)
			assert.Equal(t, "import_failed", s.statusOf(t, token, "elastic-keys/"+id), c.what)
			after := s.get(t, token, "elastic-keys/"+id+"/import-jobs/"+job.member(t, "id"))
			assert.InDelta(t, before+1, after.object(t)["attempts"], 0, c.what)
			assert.Equal(t, "open", after.member(t, "status"), c.what)
		}
		// What is no attempt: a body that says nothing, or too much.
		for what, body := range map[string]any{
			"nothing": map[string]any{}, "a job alone": map[string]any{"job": "x"}, "material alone": map[string]any{"wrapped_material": "AAAA"},
			"both ways":     map[string]any{"job": job.member(t, "token"), "wrapped_material": "AAAA", "public_key": map[string]any{"kty": "EC"}},
			"past expiry":   merge(bodyOf("AAAA"), map[string]any{"expires_at": "2020-01-01T00:00:00Z"}),
			"no time":       merge(bodyOf("AAAA"), map[string]any{"expires_at": "tomorrow"}),
			"no base64url":  bodyOf("+/=="),
			"a null key":    map[string]any{"public_key": nil},
			"a number":      map[string]any{"public_key": 7},
			"unknown":       merge(bodyOf("AAAA"), map[string]any{"name": "x"}),
			"a low version": merge(bodyOf("AAAA"), map[string]any{"version": 0}),
		} {
			got := s.call(t, token, http.MethodPost, path, body)
			assert.Equal(t, http.StatusBadRequest, got.status, "%s: %s", what, got.body)
			got.refusedOneOf(t, "validation_failed", "unknown_member")
		}
		// The next success ends the failure.
		s.post(t, token, path, bodyOf(wrapFor(t, job, good)))
		assert.Equal(t, "active", s.statusOf(t, token, "elastic-keys/"+id))
		s.call(t, token, http.MethodPost, path, bodyOf(wrapFor(t, elsewhere, good))).refused(t, http.StatusConflict, "import_job_used", "wrong and used")
		s.call(t, token, http.MethodPost, path, map[string]any{"job": elsewhere.member(t, "token"), "wrapped_material": wrapFor(t, elsewhere, other)}).
			refused(t, http.StatusBadRequest, "import_mismatch", "a further import")
		assert.Equal(t, "active", s.statusOf(t, token, "elastic-keys/"+id), "which leaves an active key as it is")
	})
}

func TestImport_AJobBearsTenAttempts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.operator(t)
		id := s.importable(t, token, "brought", "ES256")
		path := "elastic-keys/" + id + "/import"
		_, good := generated(t, "ES256")
		job := s.importJob(t, token, id, methodECDH)
		for range 10 {
			s.call(t, token, http.MethodPost, path, offer(t, job, []byte("hello"))).refused(t, http.StatusBadRequest, "import_malformed", "hello")
		}
		s.call(t, token, http.MethodPost, path, offer(t, job, good)).refused(t, http.StatusConflict, "import_job_exhausted", "the eleventh")
		over := s.get(t, token, "elastic-keys/"+id+"/import-jobs/"+job.member(t, "id"))
		assert.Equal(t, "exhausted", over.member(t, "status"))
		assert.NotContains(t, over.object(t), "public_key")
	})
}
