package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca/client"
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
	// empty answers have no content, as that of what has nothing to tell.
	empty bool
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	_, _ = io.Copy(io.Discard, request.Body)
	r.mu.Lock()
	r.seen = append(r.seen, request.Method+" "+request.URL.EscapedPath())
	r.keys = append(r.keys, request.Header.Get("Idempotency-Key"))
	r.mu.Unlock()
	if r.empty {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", `"1"`)
	_, _ = io.WriteString(w, `{"items":[{"name":"x"}]}`)
}

func dial(t *testing.T) (*client.Authority, *recorder) {
	t.Helper()
	r := &recorder{}
	s := httptest.NewUnstartedServer(r)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c, err := client.New(client.Config{URL: s.URL, Roots: roots, Token: "cu_at_t_1_secret"})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, r
}

// Each method is one operation of the document; one that changes something can be repeated.
func TestCalls_AreTheOperationsOfTheContract(t *testing.T) {
	t.Parallel()
	drop := func(_ any, err error) error { return err }
	for _, o := range []struct {
		want   string // of the last request
		repeat bool   // whether it has an Idempotency-Key
		do     func(context.Context, *client.Authority) error
	}{
		{"POST /cas", true, func(ctx context.Context, c *client.Authority) error {
			return drop(c.CreateCA(ctx, client.CreateCA{Name: "x"}))
		}},
		{"POST /cas/import", true, func(ctx context.Context, c *client.Authority) error {
			return drop(c.ImportCA(ctx, client.ImportCA{Name: "x"}))
		}},
		{"GET /cas/a%2Fb", false, func(ctx context.Context, c *client.Authority) error { return drop(c.GetCA(ctx, "a/b")) }},
		{"DELETE /cas/k", false, func(ctx context.Context, c *client.Authority) error { return drop(c.DestroyCA(ctx, "k")) }},
		{"POST /cas/k/retire", true, func(ctx context.Context, c *client.Authority) error { return drop(c.RetireCA(ctx, "k")) }},
		{"POST /cas/k/resume", true, func(ctx context.Context, c *client.Authority) error { return drop(c.ResumeCA(ctx, "k")) }},
		{"GET /cas/k/csr", false, func(ctx context.Context, c *client.Authority) error { return drop(c.GetCACSR(ctx, "k")) }},
		{"GET /cas/k/certificates", false, func(ctx context.Context, c *client.Authority) error { return drop(c.ListCACertificates(ctx, "k")) }},
		{"POST /cas/k/certificates", true, func(ctx context.Context, c *client.Authority) error {
			return drop(c.InstallCACertificate(ctx, "k", client.InstallCertificate{}))
		}},
		{"POST /cas/k/certify", true, func(ctx context.Context, c *client.Authority) error {
			return drop(c.CertifyCA(ctx, "k", client.CertifyCA{}))
		}},
		{"POST /cas/k/cross-sign", true, func(ctx context.Context, c *client.Authority) error {
			return drop(c.CrossSignCA(ctx, "k", client.CrossSign{}))
		}},
		{"POST /cas/k/rollover", true, func(ctx context.Context, c *client.Authority) error {
			return drop(c.RolloverCA(ctx, "k", client.RolloverCA{}))
		}},
		{"POST /certificates", true, func(ctx context.Context, c *client.Authority) error {
			return drop(c.IssueCertificate(ctx, client.IssueCertificate{}))
		}},
		{"POST /certificates/k/renew", true, func(ctx context.Context, c *client.Authority) error {
			return drop(c.RenewCertificate(ctx, "k", client.RenewCertificate{}))
		}},
		{"GET /certificates/k", false, func(ctx context.Context, c *client.Authority) error { return drop(c.GetCertificate(ctx, "k")) }},
		{"POST /certificates/k/revoke", true, func(ctx context.Context, c *client.Authority) error {
			return drop(c.RevokeCertificate(ctx, "k", client.RevokeCertificate{}))
		}},
		{"POST /certificates/k/release", true, func(ctx context.Context, c *client.Authority) error { return drop(c.ReleaseCertificate(ctx, "k")) }},
		{"POST /certificates/revoke-all", true, func(ctx context.Context, c *client.Authority) error {
			return drop(c.RevokeCertificates(ctx, client.RevokeCertificates{}))
		}},
		{"GET /certificates/k/status", false, func(ctx context.Context, c *client.Authority) error { return drop(c.CertificateStatus(ctx, "k")) }},
		{"GET /profiles", false, func(ctx context.Context, c *client.Authority) error { return drop(c.ListProfiles(ctx)) }},
		{"GET /profiles/k", false, func(ctx context.Context, c *client.Authority) error { return drop(c.GetProfile(ctx, "k")) }},
		{"POST /acme/external-keys", true, func(ctx context.Context, c *client.Authority) error {
			return drop(c.CreateExternalKey(ctx, client.CreateExternalKey{}))
		}},
		{"GET /acme/external-keys/k", false, func(ctx context.Context, c *client.Authority) error { return drop(c.GetExternalKey(ctx, "k")) }},
		{"PATCH /cas/k", false, func(ctx context.Context, c *client.Authority) error {
			return drop(c.UpdateCA(ctx, "k", 0, func(client.CA) (client.Patch, error) { return client.Patch{}, nil }))
		}},
		{"POST /cas/k/publish", true, func(ctx context.Context, c *client.Authority) error { return c.PublishLists(ctx, "k") }},
		{"DELETE /acme/external-keys/k", false, func(ctx context.Context, c *client.Authority) error { return c.RevokeExternalKey(ctx, "k") }},
		{"POST /acme/accounts/k/revoke", true, func(ctx context.Context, c *client.Authority) error { return c.RevokeAccount(ctx, "k") }},
		{"GET /cas/k/crl", false, func(ctx context.Context, c *client.Authority) error { return c.WriteCRL(ctx, "k", "0.crl", io.Discard) }},
		{"GET /cas", false, func(ctx context.Context, c *client.Authority) error {
			for _, err := range c.ListCAs(ctx, client.CAFilter{}) {
				return err
			}
			return errors.New("the list is empty")
		}},
		{"GET /certificates", false, func(ctx context.Context, c *client.Authority) error {
			for _, err := range c.ListCertificates(ctx, client.CertificateFilter{SPKISHA256: []byte{1}}) {
				return err
			}
			return errors.New("the list is empty")
		}},
		{"GET /acme/external-keys", false, func(ctx context.Context, c *client.Authority) error {
			for _, err := range c.ListExternalKeys(ctx) {
				return err
			}
			return errors.New("the list is empty")
		}},
	} {
		t.Run(o.want, func(t *testing.T) {
			t.Parallel()
			c, seen := dial(t)
			require.NoError(t, o.do(t.Context(), c))
			seen.mu.Lock()
			defer seen.mu.Unlock()
			last := len(seen.seen) - 1
			method, path, _ := strings.Cut(o.want, " ")
			assert.Equal(t, method+" /service/api/v1"+path, seen.seen[last])
			assert.Equal(t, o.repeat, seen.keys[last] != "")
		})
	}
}

func TestCalls_TakeAnAnswerWithoutContentWhereThereIsNone(t *testing.T) {
	t.Parallel()
	c, seen := dial(t)
	seen.empty = true
	require.NoError(t, c.PublishLists(t.Context(), "root"))
	require.NoError(t, c.RevokeExternalKey(t.Context(), "k"))
	require.NoError(t, c.RevokeAccount(t.Context(), "a"))
}

func TestCalls_RefuseReferencesThatWouldBeAnotherPath(t *testing.T) {
	t.Parallel()
	c, seen := dial(t)
	for _, ref := range []string{"", ".", ".."} {
		_, err := c.GetCA(t.Context(), ref)
		require.Error(t, err, "%q", ref)
		require.Error(t, c.WriteCRL(t.Context(), ref, "", io.Discard), "%q", ref)
	}
	assert.Empty(t, seen.seen)
}
