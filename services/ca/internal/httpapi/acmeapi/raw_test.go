package acmeapi_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
)

// raw is a client that can do everything wrong.
type raw struct {
	f         *fixture
	directory string
	key       *ecdsa.PrivateKey
	kid       string // "" until there is an account
}

// answer is what came back.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	problem acme.Error
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// newRaw is a client with an account in a directory.
func newRaw(t *testing.T, f *fixture, directory string) *raw {
	t.Helper()
	r := &raw{f: f, directory: directory, key: newKey(t)}
	a := r.post(t, "/new-account", `{"termsOfServiceAgreed":true}`, nil)
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	r.kid = a.header.Get("Location")
	return r
}

func (r *raw) url(path string) string { return r.f.url + "/acme/" + r.directory + path }

// nonce asks for one.
func (r *raw) nonce(t *testing.T) string {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodHead, r.url("/new-nonce"), http.NoBody)
	require.NoError(t, err)
	response, err := r.f.http.Do(q)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	return response.Header.Get("Replay-Nonce")
}

// publicJWK is a key as it stands in a header.
func publicJWK(t *testing.T, key *ecdsa.PrivateKey) json.RawMessage {
	t.Helper()
	k, err := jwk.FromMaterial(&key.PublicKey, jwk.Attributes{})
	require.NoError(t, err)
	text, err := k.MarshalPublic()
	require.NoError(t, err)
	return text
}

// signature signs as ES256 does.
func signature(t *testing.T, key *ecdsa.PrivateKey, input string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	require.NoError(t, err)
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out
}

// flattened makes a JWS with whatever header.
func flattened(t *testing.T, key *ecdsa.PrivateKey, header map[string]any, payload string) []byte {
	t.Helper()
	text, err := json.Marshal(header)
	require.NoError(t, err)
	protected, body := encode(text), encode([]byte(payload))
	out, err := json.Marshal(map[string]string{
		"protected": protected, "payload": body, "signature": encode(signature(t, key, protected+"."+body)),
	})
	require.NoError(t, err)
	return out
}

// header is the right one for a request to a URL.
func (r *raw) header(t *testing.T, url string) map[string]any {
	t.Helper()
	h := map[string]any{"alg": "ES256", "nonce": r.nonce(t), "url": url}
	if r.kid != "" {
		h["kid"] = r.kid
	} else {
		h["jwk"] = publicJWK(t, r.key)
	}
	return h
}

// post signs a payload for a path of the directory and sends it; change makes the header wrong.
func (r *raw) post(t *testing.T, path, payload string, change func(map[string]any)) answer {
	t.Helper()
	return r.postURL(t, r.url(path), payload, change)
}

func (r *raw) postURL(t *testing.T, url, payload string, change func(map[string]any)) answer {
	t.Helper()
	h := r.header(t, url)
	if change != nil {
		change(h)
	}
	return r.send(t, url, flattened(t, r.key, h, payload))
}

// send sends a body as it is.
func (r *raw) send(t *testing.T, url string, body []byte) answer {
	t.Helper()
	return r.sendAs(t, url, "application/jose+json", body)
}

func (r *raw) sendAs(t *testing.T, url, media string, body []byte) answer {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	require.NoError(t, err)
	q.Header.Set("Content-Type", media)
	return r.do(t, q)
}

func (r *raw) get(t *testing.T, url string) answer {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	return r.do(t, q)
}

func (r *raw) do(t *testing.T, q *http.Request) answer {
	t.Helper()
	response, err := r.f.http.Do(q)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	a := answer{status: response.StatusCode, header: response.Header, body: text}
	if response.Header.Get("Content-Type") == "application/problem+json" {
		require.NoError(t, json.Unmarshal(text, &a.problem))
		require.Equal(t, a.status, a.problem.Status)
		require.NotContains(t, string(text), "canary-internal")
	}
	return a
}

// member is a member of an answer's object.
func (a answer) member(t *testing.T, name string) string {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal(a.body, &object), "%s", a.body)
	text, _ := object[name].(string)
	return text
}

// list is a member that lists texts.
func (a answer) list(t *testing.T, name string) []string {
	t.Helper()
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(a.body, &object), "%s", a.body)
	var list []string
	require.NoError(t, json.Unmarshal(object[name], &list))
	return list
}

// refused asserts a problem of the type, with a nonce for the next try.
func refused(t *testing.T, a answer, kind string, status int) {
	t.Helper()
	assert.Equal(t, kind, a.problem.Type, "%d %s", a.status, a.body)
	assert.Equal(t, status, a.status, "%s", a.body)
	assert.NotEmpty(t, a.header.Get("Replay-Nonce"))
}

const newOrderPayload = `{"identifiers":[{"type":"dns","value":"www.example.com"}]}`

// parsed reads an authorization.
func (f *fixture) parsed(t *testing.T, r *raw, url string) (*xacme.Authorization, error) {
	t.Helper()
	var v struct {
		Identifier struct{ Type, Value string }
		Challenges []struct{ Type, URL, Token string }
	}
	if err := json.Unmarshal(r.postURL(t, url, "", nil).body, &v); err != nil {
		return nil, err
	}
	z := &xacme.Authorization{Identifier: xacme.AuthzID{Type: v.Identifier.Type, Value: v.Identifier.Value}}
	for _, c := range v.Challenges {
		z.Challenges = append(z.Challenges, &xacme.Challenge{Type: c.Type, URI: c.URL, Token: c.Token})
	}
	return z, nil
}
