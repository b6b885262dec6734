package ocsp_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
)

// server answers what the test says at the time, and counts the hashes that it is asked by.
type server struct {
	url       string
	responder atomic.Pointer[responder]
	say       atomic.Pointer[ocsp.Single]
	nonces    atomic.Int64
	sha256    atomic.Int64
	sha1      atomic.Int64
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		request, err := ocsp.ParseRequest(body)
		if !assert.NoError(t, err) {
			_, _ = w.Write(ocsp.MalformedRequest.DER())
			return
		}
		if request.Nonce != nil {
			s.nonces.Add(1)
		}
		for _, id := range request.IDs {
			if id.Hash == crypto.SHA256 {
				s.sha256.Add(1)
			} else {
				s.sha1.Add(1)
			}
		}
		w.Header().Set("Content-Type", ocsp.ResponseType)
		_, _ = w.Write(answer(t, s.responder.Load(), request, *s.say.Load()))
	}))
	t.Cleanup(listener.Close)
	s.url = listener.URL
	return s
}

// TestSign_IsBelievedByTheChecker asks as our own services do.
func TestSign_IsBelievedByTheChecker(t *testing.T) {
	t.Parallel()
	for name, key := range keys(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			p := newPKI(t, key, s.url)
			for _, by := range []*issued{p.ca, p.delegate} {
				s.responder.Store(p.responder(t, by))
				for _, c := range []struct {
					say  ocsp.Single
					want error
				}{
					{ocsp.Single{Status: ocsp.Good}, nil},
					{ocsp.Single{Status: ocsp.Unknown}, revocation.ErrUndetermined},
					{ocsp.Single{Status: ocsp.Revoked, RevokedAt: time.Now(), Reason: reason.Superseded}, revocation.ErrRevoked},
				} {
					s.say.Store(&c.say)
					checker, err := revocation.New(revocation.Config{AllowAddresses: []string{"127.0.0.1"}, Timeout: 10 * time.Second}, revocation.Options{})
					require.NoError(t, err)
					err = checker.Check(t.Context(), []*x509.Certificate{p.leaf.certificate, p.ca.certificate})
					checker.Close()
					require.ErrorIs(t, err, c.want)
				}
			}
			assert.Positive(t, s.sha256.Load())
		})
	}
}

// TestSign_IsBelievedByOpenSSL has it ask by SHA-1 and SHA-256, about one and several certificates, with and without a nonce.
func TestSign_IsBelievedByOpenSSL(t *testing.T) {
	t.Parallel()
	requireTool(t, "openssl")
	s := newServer(t)
	p := newPKI(t, newECDSA(t, elliptic.P256()), s.url)
	second := certify(t, *p.leaf.certificate, newECDSA(t, elliptic.P384()), p.ca)
	folder := t.TempDir()
	file := func(name string, c *issued) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.certificate.Raw}), 0o600))
		return path
	}
	ca, leaf, other := file("ca.pem", p.ca), file("leaf.pem", p.leaf), file("other.pem", second)
	for _, by := range []*issued{p.ca, p.delegate} {
		s.responder.Store(p.responder(t, by))
		for _, c := range []struct {
			say  ocsp.Single
			want string
		}{
			{ocsp.Single{Status: ocsp.Good}, "leaf.pem: good"},
			{ocsp.Single{Status: ocsp.Unknown}, "leaf.pem: unknown"},
			{ocsp.Single{Status: ocsp.Revoked, RevokedAt: time.Now(), Reason: reason.CACompromise}, "Reason: cACompromise"},
		} {
			s.say.Store(&c.say)
			for _, arguments := range [][]string{
				{"-sha256", "-issuer", ca, "-cert", leaf},
				{"-no_nonce", "-sha1", "-issuer", ca, "-cert", leaf},
				{"-sha1", "-issuer", ca, "-cert", leaf, "-sha256", "-issuer", ca, "-cert", other},
			} {
				arguments = append([]string{"ocsp", "-url", s.url, "-CAfile", ca}, arguments...)
				out, err := exec.CommandContext(t.Context(), "openssl", arguments...).CombinedOutput()
				require.NoError(t, err, "%s", out)
				assert.Contains(t, string(out), "Response verify OK")
				assert.Contains(t, string(out), c.want)
				assert.NotContains(t, string(out), "WARNING")
			}
		}
	}
	assert.EqualValues(t, 12, s.nonces.Load())
	assert.EqualValues(t, 12, s.sha1.Load())
	assert.EqualValues(t, 12, s.sha256.Load())
}

func requireTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CRYPTOUTIL_TEST_REQUIRED") == "1" {
		t.Fatalf("the program %s is not installed, and CRYPTOUTIL_TEST_REQUIRED=1 requires it", name)
	}
	t.Skipf("the program %s is not installed; the test does not run", name)
}
