package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// recorder answers everything alike and keeps what it was asked.
type recorder struct {
	mu   sync.Mutex
	seen []string
	keys []string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	_, _ = io.Copy(io.Discard, request.Body)
	r.mu.Lock()
	r.seen = append(r.seen, request.Method+" "+request.URL.EscapedPath())
	r.keys = append(r.keys, request.Header.Get("Idempotency-Key"))
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", `"1"`)
	_, _ = io.WriteString(w, `{"items":[{"name":"x"}]}`)
}

func dial(t *testing.T) (*client.JOSE, *recorder) {
	t.Helper()
	r := &recorder{}
	s := httptest.NewUnstartedServer(r)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	j, err := client.New(client.Config{URL: s.URL, Roots: roots, Token: "cu_at_t_1_secret"})
	require.NoError(t, err)
	t.Cleanup(j.Close)
	return j, r
}

func TestCalls_AreTheOperationsOfTheContract(t *testing.T) {
	t.Parallel()
	type do func(context.Context, *client.JOSE) error
	drop := func(_ any, err error) error { return err }
	nothing := func(client.Key) (client.Patch, error) { return client.Patch{}, nil }
	for _, c := range []struct {
		want   string // of the last request
		repeat bool   // whether it has an Idempotency-Key
		do     do
	}{
		{"POST /keys", true, func(ctx context.Context, j *client.JOSE) error {
			return drop(j.CreateKey(ctx, client.CreateKey{Name: "k"}))
		}},
		{"POST /keys/import", true, func(ctx context.Context, j *client.JOSE) error {
			return drop(j.ImportKey(ctx, client.ImportKey{Name: "k"}))
		}},
		{"GET /keys", false, func(ctx context.Context, j *client.JOSE) error {
			for key, err := range j.ListKeys(ctx, client.KeyFilter{}) {
				if err != nil || key.Name != "x" {
					return err
				}
			}
			return nil
		}},
		{"GET /keys/a%2Fb", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.GetKey(ctx, "a/b")) }},
		{"PATCH /keys/k", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.UpdateKey(ctx, "k", 0, nothing)) }},
		{"POST /keys/k/rotate", true, func(ctx context.Context, j *client.JOSE) error { return drop(j.RotateKey(ctx, "k", true)) }},
		{"POST /keys/k/enable", true, func(ctx context.Context, j *client.JOSE) error { return drop(j.EnableKey(ctx, "k")) }},
		{"POST /keys/k/disable", true, func(ctx context.Context, j *client.JOSE) error { return drop(j.DisableKey(ctx, "k")) }},
		{"POST /keys/k/destroy", true, func(ctx context.Context, j *client.JOSE) error { return drop(j.DestroyKey(ctx, "k")) }},
		{"GET /keys/k/versions", false, func(ctx context.Context, j *client.JOSE) error {
			for _, err := range j.ListVersions(ctx, "k") {
				return err
			}
			return nil
		}},
		{"GET /keys/k/versions/2", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.GetVersion(ctx, "k", 2)) }},
		{"POST /keys/k/versions/2/destroy", true, func(ctx context.Context, j *client.JOSE) error { return drop(j.DestroyVersion(ctx, "k", 2)) }},
		{"GET /keys/k/public-key", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.PublicKey(ctx, "k", 0)) }},
		{"GET /jwks", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.KeySet(ctx)) }},
		{"POST /keys/k/csr", false, func(ctx context.Context, j *client.JOSE) error {
			return drop(j.CreateCSR(ctx, "k", client.CreateCSR{}))
		}},
		{"PUT /keys/k/certificate", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.SetCertificate(ctx, "k", 0, "x")) }},
		{"GET /keys/k/certificate", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.GetCertificate(ctx, "k", 2)) }},
		{"DELETE /keys/k/certificate", false, func(ctx context.Context, j *client.JOSE) error { return j.RemoveCertificate(ctx, "k", 2) }},
		{"POST /keys/k/export", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.ExportKey(ctx, "k", 0, "r")) }},
		{"POST /keys/export", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.ExportKeys(ctx, []string{"k"}, "r")) }},
		{"POST /jws/sign", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.Sign(ctx, client.SignRequest{})) }},
		{"POST /jws/verify", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.Verify(ctx, client.VerifyRequest{})) }},
		{"POST /jwe/encrypt", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.Encrypt(ctx, client.EncryptRequest{})) }},
		{"POST /jwe/decrypt", false, func(ctx context.Context, j *client.JOSE) error { _, _, err := j.Decrypt(ctx, "k", "m"); return err }},
		{"POST /jwt/issue", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.IssueJWT(ctx, client.IssueRequest{})) }},
		{"POST /jwt/verify", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.VerifyJWT(ctx, "p", "t")) }},
		{"POST /sd-jwt/issue", false, func(ctx context.Context, j *client.JOSE) error {
			return drop(j.IssueSDJWT(ctx, client.IssueSDJWT{Claims: json.RawMessage(`{}`)}))
		}},
		{"POST /sd-jwt/present", false, func(ctx context.Context, j *client.JOSE) error {
			return drop(j.PresentSDJWT(ctx, client.PresentSDJWT{}))
		}},
		{"POST /sd-jwt/verify", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.VerifySDJWT(ctx, client.VerifySDJWT{})) }},
		{"POST /thumbprints", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.Thumbprint(ctx, json.RawMessage(`{}`))) }},
		{"POST /profiles", true, func(ctx context.Context, j *client.JOSE) error {
			return drop(j.CreateProfile(ctx, client.CreateProfile{}))
		}},
		{"GET /profiles", false, func(ctx context.Context, j *client.JOSE) error {
			for _, err := range j.ListProfiles(ctx) {
				return err
			}
			return nil
		}},
		{"GET /profiles/p", false, func(ctx context.Context, j *client.JOSE) error { return drop(j.GetProfile(ctx, "p")) }},
		{"PATCH /profiles/p", false, func(ctx context.Context, j *client.JOSE) error {
			return drop(j.UpdateProfile(ctx, "p", 0, func(client.Profile) (client.Patch, error) { return client.Patch{}, nil }))
		}},
		{"DELETE /profiles/p", false, func(ctx context.Context, j *client.JOSE) error { return j.DeleteProfile(ctx, "p") }},
		{"POST /profiles/p/revoke", true, func(ctx context.Context, j *client.JOSE) error { return drop(j.RevokeToken(ctx, "p", "x", time.Now())) }},
	} {
		j, r := dial(t)
		require.NoError(t, c.do(t.Context(), j), c.want)
		method, path, _ := strings.Cut(c.want, " ")
		assert.Equal(t, method+" /service/api/v1"+path, r.seen[len(r.seen)-1])
		assert.Equal(t, c.repeat, r.keys[len(r.keys)-1] != "", c.want)
	}
}

func TestCalls_GoToNoOtherPath(t *testing.T) {
	t.Parallel()
	j, r := dial(t)
	for _, ref := range []string{"", ".", ".."} {
		_, err := j.GetKey(t.Context(), ref)
		require.Error(t, err)
		_, err = j.RotateKey(t.Context(), ref, false)
		require.Error(t, err)
		require.Error(t, j.DeleteProfile(t.Context(), ref))
		_, err = j.UpdateKey(t.Context(), ref, 0, nil)
		require.Error(t, err)
		_, err = j.UpdateProfile(t.Context(), ref, 0, nil)
		require.Error(t, err)
	}
	assert.Empty(t, r.seen)
}
