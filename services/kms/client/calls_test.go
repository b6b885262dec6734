package client_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func TestCalls_AreTheOperationsOfTheContract(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/encrypt"):
			double.OK(`{"ciphertext":"a.b.c.d.e","elastic_key_id":"x","version":1}`)(w, r)
		case strings.HasSuffix(r.URL.Path, "/decrypt"):
			double.OK(`{"plaintext":"aGVsbG8","elastic_key_id":"x","version":1}`)(w, r)
		case strings.HasSuffix(r.URL.Path, "/sign"):
			double.OK(`{"signature":"a.b.c","algorithm":"ES256","elastic_key_id":"x","version":1}`)(w, r)
		case strings.HasSuffix(r.URL.Path, "/public-key"):
			double.OK(`{"kid":"k.1","version":1,"jwk":{"kty":"EC"},"pem":"PEM"}`)(w, r)
		case strings.HasSuffix(r.URL.Path, "/rotate"):
			double.OK(versionJSON)(w, r)
		default:
			double.OK(keyJSON)(w, r)
		}
	})
	kms := dial(t, s, nil)
	ctx := t.Context()

	created, err := kms.CreateKey(ctx, client.CreateElasticKey{
		Name: "payroll", Algorithm: "A256GCM/RSA-OAEP-256", KeySize: new(client.CreateElasticKeyKeySizeN4096),
	})
	require.NoError(t, err)
	assert.Equal(t, "payroll", created.Name)
	_, err = kms.GetKey(ctx, "payroll")
	require.NoError(t, err)
	version, err := kms.RotateKey(ctx, "payroll")
	require.NoError(t, err)
	assert.EqualValues(t, 2, version.Version)
	jwe, err := kms.Encrypt(ctx, "payroll", []byte("hello"), map[string]string{"record": "4711"})
	require.NoError(t, err)
	assert.Equal(t, "a.b.c.d.e", jwe)
	plaintext, err := kms.Decrypt(ctx, "payroll", jwe, nil)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(plaintext))
	signed, err := kms.Sign(ctx, "payroll", client.SignRequest{Payload: client.EncodeBytes([]byte("hello")), Typ: new("x+jws")})
	require.NoError(t, err)
	assert.Equal(t, "a.b.c", signed.Signature)
	public, err := kms.PublicKey(ctx, "payroll", 0)
	require.NoError(t, err)
	assert.JSONEq(t, `{"kty":"EC"}`, string(public.JWK))
	_, err = kms.PublicKey(ctx, "payroll", 3)
	require.NoError(t, err)

	var got []string
	for _, r := range s.Requests() {
		got = append(got, strings.TrimRight(strings.Join([]string{r.Method, r.Path, r.Query, r.Body}, " "), " "))
	}
	assert.Equal(t, []string{
		`POST /service/api/v1/elastic-keys  {"algorithm":"A256GCM/RSA-OAEP-256","key_size":4096,"name":"payroll"}`,
		`GET /service/api/v1/elastic-keys/payroll`,
		`POST /service/api/v1/elastic-keys/payroll/rotate`,
		`POST /service/api/v1/elastic-keys/payroll/encrypt  {"context":{"record":"4711"},"plaintext":"aGVsbG8"}`,
		`POST /service/api/v1/elastic-keys/payroll/decrypt  {"ciphertext":"a.b.c.d.e"}`,
		`POST /service/api/v1/elastic-keys/payroll/sign  {"payload":"aGVsbG8","typ":"x+jws"}`,
		`GET /service/api/v1/elastic-keys/payroll/public-key`,
		`GET /service/api/v1/elastic-keys/payroll/public-key version=3`,
	}, got)
}

func TestCalls_EncryptAndVerifyEmptyBytes(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.OK(`{"ciphertext":"a.b.c.d.e","valid":false}`))
	kms := dial(t, s, nil)
	_, err := kms.Encrypt(t.Context(), "payroll", nil, nil)
	require.NoError(t, err)
	verdict, err := kms.Verify(t.Context(), "payroll", client.VerifyRequest{Signature: "AA", Payload: new("")})
	require.NoError(t, err, "a signature that does not verify is an answer")
	assert.False(t, verdict.Valid)
	seen := s.Requests()
	assert.JSONEq(t, `{"plaintext":""}`, seen[0].Body)
	assert.JSONEq(t, `{"signature":"AA","payload":""}`, seen[1].Body)
}

func TestListKeys_FollowsTheCursorWithTheSameFilter(t *testing.T) {
	t.Parallel()
	s := double.Serve(t,
		double.OK(`{"items":[`+keyJSON+`,`+keyJSON+`],"next_cursor":"one"}`),
		double.OK(`{"items":[],"next_cursor":"two"}`),
		double.OK(`{"items":[`+keyJSON+`]}`))
	kms := dial(t, s, nil)
	count := 0
	for key, err := range kms.ListKeys(t.Context(), client.KeyFilter{Algorithm: "A256GCM/A256KW", Status: client.ElasticKeyStatusActive}) {
		require.NoError(t, err)
		assert.Equal(t, "payroll", key.Name)
		count++
	}
	assert.Equal(t, 3, count)
	var queries []string
	for _, r := range s.Requests() {
		queries = append(queries, r.Query)
	}
	assert.Equal(t, []string{
		"limit=1000&algorithm=A256GCM%2FA256KW&status=active",
		"limit=1000&cursor=one&algorithm=A256GCM%2FA256KW&status=active",
		"limit=1000&cursor=two&algorithm=A256GCM%2FA256KW&status=active",
	}, queries)
}

func TestListKeys_FetchesNoPageThatIsNotWanted(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.OK(`{"items":[`+keyJSON+`],"next_cursor":"one"}`))
	kms := dial(t, s, nil)
	for _, err := range kms.ListKeys(t.Context(), client.KeyFilter{Name: "payroll"}) {
		require.NoError(t, err)
		break
	}
	assert.Len(t, s.Requests(), 1)
}

func TestListVersions_EndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.OK(`{"items":[`+versionJSON+`],"next_cursor":"one"}`), double.Refuse(404, "not_found"))
	kms := dial(t, s, nil)
	var versions []int64
	var last error
	for version, err := range kms.ListVersions(t.Context(), "payroll") {
		if last = err; err == nil {
			versions = append(versions, version.Version)
		}
	}
	assert.Equal(t, []int64{2}, versions)
	require.ErrorAs(t, last, new(*client.Problem))

	s = double.Serve(t, double.OK(`{"items":[],"next_cursor":"one"}`))
	kms = dial(t, s, nil)
	for _, err := range kms.ListVersions(t.Context(), "payroll") {
		require.ErrorContains(t, err, "the same cursor twice")
	}
	assert.Len(t, s.Requests(), 2)
}

func TestCalls_RefuseWhatIsNoKey(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.OK(`{}`))
	kms := dial(t, s, nil)
	ctx := t.Context()
	for _, key := range []string{"", ".", ".."} {
		_, err := kms.GetKey(ctx, key)
		require.Error(t, err)
		_, err = kms.RotateKey(ctx, key)
		require.Error(t, err)
		_, err = kms.PublicKey(ctx, key, 0)
		require.Error(t, err)
		_, err = kms.Encrypt(ctx, key, nil, nil)
		require.Error(t, err)
		_, err = kms.Decrypt(ctx, key, "x", nil)
		require.Error(t, err)
		_, err = kms.Sign(ctx, key, client.SignRequest{})
		require.Error(t, err)
		_, err = kms.Verify(ctx, key, client.VerifyRequest{})
		require.Error(t, err)
		for _, err := range kms.ListVersions(ctx, key) {
			require.Error(t, err)
		}
	}
	assert.Empty(t, s.Requests())

	_, _ = kms.GetKey(ctx, "../elastic-keys/x?y#z")
	assert.Equal(t, "/service/api/v1/elastic-keys/..%2Felastic-keys%2Fx%3Fy%23z", s.Requests()[0].Path)
}

func TestCalls_RefuseIncompleteAnswers(t *testing.T) {
	t.Parallel()
	kms := dial(t, double.Serve(t, double.OK(`{"plaintext":"not base64!"}`)), nil)
	ctx := t.Context()
	_, err := kms.Encrypt(ctx, "k", nil, nil)
	require.ErrorContains(t, err, "holds no ciphertext")
	_, err = kms.Decrypt(ctx, "k", "x", nil)
	require.ErrorContains(t, err, "not base64url")
	_, err = kms.Sign(ctx, "k", client.SignRequest{})
	require.ErrorContains(t, err, "holds no signature")

	kms = dial(t, double.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, endless{}, 17<<20)
	}), nil)
	_, err = kms.GetKey(ctx, "k")
	require.ErrorContains(t, err, "larger than")
}

// endless yields blanks.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestProblem_TellsWhatTheServiceSaid(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"type":"urn:cryptoutil:problem:validation_failed","title":"Validation failed","status":400,"detail":"the body does not fit",`+
			`"code":"validation_failed","request_id":"r-7","errors":[{"pointer":"/name","detail":"too long"},{"pointer":"/curve","detail":"unknown"}],"new_member":1}`)
	})
	kms := dial(t, s, nil)
	_, err := kms.CreateKey(t.Context(), client.CreateElasticKey{Name: "payroll"})
	var problem *client.Problem
	require.ErrorAs(t, err, &problem)
	assert.Equal(t, &client.Problem{
		Type: "urn:cryptoutil:problem:validation_failed", Title: "Validation failed", Status: 400, Detail: "the body does not fit",
		Code: "validation_failed", RequestID: "r-7",
		Errors: []client.FieldProblem{{Pointer: "/name", Detail: "too long"}, {Pointer: "/curve", Detail: "unknown"}},
	}, problem)
	assert.EqualError(t, err, `create key "payroll": validation_failed: the body does not fit; /name: too long; /curve: unknown (request r-7)`)
}

func TestProblem_StandsForAnswersWithoutDocument(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"HTML": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<h1>no</h1>", http.StatusNotFound) },
		"broken document": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"code":`)
		},
		"document without code": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{}`)
		},
	} {
		kms := dial(t, double.Serve(t, answer), nil)
		_, err := kms.GetKey(t.Context(), "k")
		var problem *client.Problem
		require.ErrorAs(t, err, &problem, name)
		assert.Equal(t, "unexpected_answer", problem.Code, name)
		assert.Equal(t, http.StatusNotFound, problem.Status, name)
		assert.NotContains(t, err.Error(), "<h1>", name)
	}
}

func TestDecodeBytes_TakesNothingElse(t *testing.T) {
	t.Parallel()
	b, err := client.DecodeBytes("_-8")
	require.NoError(t, err)
	assert.Equal(t, []byte{0xff, 0xef}, b)
	for _, text := range []string{"_-8=", "/+8", "_-9", "_", "_-\n8", " _-8"} {
		_, err := client.DecodeBytes(text)
		assert.Error(t, err, "%q", text)
	}
}
