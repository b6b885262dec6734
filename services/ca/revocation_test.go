package ca_test

import (
	"crypto/x509"
	"encoding/hex"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// fetch gets an object that anybody may have.
func (s *service) fetch(t testing.TB, path string) (status int, body []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, nil)
	require.NoError(t, err)
	response, err := s.HTTP.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, body
}

// issue makes a certificate for a server.
func (s *service) issue(t testing.TB, token, name string) answer {
	t.Helper()
	return s.post(t, token, "certificates", map[string]any{
		"profile": "internal-tls", "ca": "issuing", "csr": csr(t, newKey(t), x509.CertificateRequest{DNSNames: []string{name}}),
	})
}

// asked is what openssl makes of the status of a certificate by OCSP, with the CA's responder behind the TLS listener.
func asked(t testing.TB, s *service, ca string, issuer, leaf *x509.Certificate, roots, digest string) string {
	t.Helper()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	issuerFile, rootsFile := file("issuer.pem", encode(issuer.Raw)), file("roots.pem", roots)
	request := filepath.Join(dir, "request.der")
	out, err := exec.CommandContext(t.Context(), "openssl", "ocsp", "-"+digest, "-issuer", issuerFile, "-cert", file("leaf.pem", encode(leaf.Raw)), "-reqout", request).CombinedOutput()
	require.NoError(t, err, "%s", out)
	der, err := os.ReadFile(request)
	require.NoError(t, err)
	post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/pki/"+ca+"/ocsp", strings.NewReader(string(der)))
	require.NoError(t, err)
	post.Header.Set("Content-Type", "application/ocsp-request")
	answered, err := s.HTTP.Do(post)
	require.NoError(t, err)
	defer answered.Body.Close()
	body, err := io.ReadAll(answered.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answered.StatusCode, "%s", body)
	response := file("response.der", string(body))
	out, err = exec.CommandContext(t.Context(), "openssl", "ocsp", "-"+digest, "-issuer", issuerFile, "-cert", filepath.Join(dir, "leaf.pem"),
		"-respin", response, "-CAfile", rootsFile, "-no_nonce").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "Response verify OK", "%s", out)
	return string(out)
}

func TestRevoke_OCSPAndListsTellOnEveryReplica(t *testing.T) {
	t.Parallel()
	testkit.RequireTool(t, "openssl")
	eachPair(t, func(t *testing.T, first, second *service) {
		token := first.Token(t, "default", "admin", "ca:admin")
		root, issuing := first.hierarchy(t)
		ca, roots := issuing.Member(t, "id"), root.Member(t, "certificate")
		issuer := parse(t, issuing.Member(t, "certificate"))[0]
		kept, ended := first.issue(t, token, "kept.internal"), first.issue(t, token, "ended.internal")
		leaf := func(a answer) *x509.Certificate { return parse(t, a.Member(t, "certificate"))[0] }
		for _, digest := range []string{"sha1", "sha256"} {
			assert.Contains(t, asked(t, first, ca, issuer, leaf(ended), roots, digest), ": good")
		}

		first.post(t, token, "certificates/"+ended.Member(t, "serial")+"/revoke", map[string]any{"reason": "keyCompromise"})
		at := time.Now()
		for _, replica := range []*service{first, second} {
			assert.EventuallyWithT(t, func(c *assert.CollectT) {
				assert.Contains(c, asked(t, replica, ca, issuer, leaf(ended), roots, "sha256"), ": revoked")
			}, 3*time.Second, 50*time.Millisecond)
			assert.Contains(t, asked(t, replica, ca, issuer, leaf(kept), roots, "sha1"), ": good")
		}
		assert.Less(t, time.Since(at), 10*time.Second)
		serial, err := hex.DecodeString(ended.Member(t, "serial"))
		require.NoError(t, err)
		for _, replica := range []*service{first, second} {
			assert.EventuallyWithT(t, func(c *assert.CollectT) {
				status, der := replica.fetch(t, "/pki/"+ca+"/crl/0.crl")
				if !assert.Equal(c, http.StatusOK, status) {
					return
				}
				list, err := x509.ParseRevocationList(der)
				if assert.NoError(c, err) && assert.Len(c, list.RevokedCertificateEntries, 1) {
					assert.Equal(c, new(big.Int).SetBytes(serial), list.RevokedCertificateEntries[0].SerialNumber)
					assert.Equal(c, 1, list.RevokedCertificateEntries[0].ReasonCode)
					assert.NoError(c, list.CheckSignatureFrom(issuer))
				}
			}, 15*time.Second, 100*time.Millisecond)
		}
		second.hears(t, token)
		status := second.get(t, token, "certificates/"+ended.Member(t, "serial")+"/status")
		assert.Equal(t, "revoked", status.Member(t, "state"))
		blocked := map[string]any{"profile": "internal-tls", "ca": "issuing", "csr": csr(t, newKey(t), x509.CertificateRequest{DNSNames: []string{"x.internal"}})}
		first.post(t, token, "certificates", blocked)
		first.call(t, token, http.MethodPost, "certificates/"+ended.Member(t, "serial")+"/renew", map[string]any{}).
			refused(t, http.StatusConflict, "invalid_state", "a renewal of what was revoked")
		reader := first.Token(t, "default", "reader", "ca:read", "ca:issue")
		first.call(t, reader, http.MethodPost, "certificates/"+kept.Member(t, "serial")+"/revoke", map[string]any{"reason": "superseded"}).
			refused(t, http.StatusForbidden, "insufficient_scope", "without the scope")
	})
}
