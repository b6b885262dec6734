package ca_test

import (
	"bytes"
	"crypto/x509"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"
)

// TestStatus_IsToldToEverybody has a CA, as soon as it is made, publish its list and answer OCSP by a responder that it has certified by itself.
func TestStatus_IsToldToEverybody(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		_, issuing := s.hierarchy(t)
		token := s.Token(t, "default", "admin", "ca:admin")
		issuer := parse(t, issuing.Member(t, "certificate"))[0]
		issued := parse(t, s.post(t, token, "certificates", map[string]any{
			"profile": "internal-tls", "csr": csr(t, newKey(t), x509.CertificateRequest{DNSNames: []string{"app.internal"}}),
		}).Member(t, "certificate"))[0]
		pki := s.URL() + "/pki/" + issuing.Member(t, "id")

		question, err := ocsp.CreateRequest(issued, issuer, &ocsp.RequestOptions{Hash: 5})
		require.NoError(t, err)
		ask := func() *ocsp.Response {
			status, body := s.exchange(t, http.MethodPost, pki+"/ocsp", question, "application/ocsp-request")
			require.Equal(t, http.StatusOK, status)
			response, err := ocsp.ParseResponseForCert(body, issued, issuer)
			require.NoError(t, err)
			return response
		}
		assert.Equal(t, ocsp.Good, ask().Status)
		const patience = time.Minute // on a machine full of others
		require.Eventually(t, func() bool {
			status, body := s.exchange(t, http.MethodGet, pki+"/crl/0.crl", nil, "")
			if status != http.StatusOK {
				return false
			}
			list, err := x509.ParseRevocationList(body)
			return assert.NoError(t, err) && assert.NoError(t, list.CheckSignatureFrom(issuer))
		}, patience, 50*time.Millisecond)
		require.Eventually(t, func() bool { return ask().Certificate != nil }, patience, 50*time.Millisecond, "a delegate answers")
		for _, path := range []string{"/crl/1.crl", "/crl/x", "/ocsp"} {
			status, _ := s.exchange(t, http.MethodGet, pki+path, nil, "")
			assert.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, status, path)
		}
	})
}

// exchange asks as anybody.
func (s *service) exchange(t testing.TB, method, url string, body []byte, media string) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	require.NoError(t, err)
	if media != "" {
		request.Header.Set("Content-Type", media)
	}
	response, err := s.HTTP.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, content
}
