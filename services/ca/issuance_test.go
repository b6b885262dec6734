package ca_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newKey makes a key of a subscriber.
func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// csr makes a certificate request.
func csr(t testing.TB, key crypto.Signer, template x509.CertificateRequest) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// parse reads the certificates of a PEM text.
func parse(t testing.TB, text string) []*x509.Certificate {
	t.Helper()
	var all []*x509.Certificate
	for rest := []byte(text); ; {
		block, after := pem.Decode(rest)
		if block == nil {
			return all
		}
		c, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		all, rest = append(all, c), after
	}
}

// make is a POST that takes a fresh authentication, and makes something.
func (s *service) make(t testing.TB, path string, body any) answer {
	t.Helper()
	got := s.administer(t, http.MethodPost, path, body)
	require.Equal(t, http.StatusCreated, got.Status, "%s: %s", path, got.Body)
	return got
}

// hierarchy makes a root and an issuing CA below it.
func (s *service) hierarchy(t testing.TB) (root, issuing answer) {
	t.Helper()
	root = s.make(t, "cas", map[string]any{"name": "root", "kind": "root", "subject": map[string]any{"common_name": "Test root", "organization": "Example"}})
	issuing = s.make(t, "cas", map[string]any{
		"name": "issuing", "kind": "issuing", "issuer": "root", "subject": map[string]any{"common_name": "Test issuing CA", "organization": "Example"},
		"base_url": "http://pki.example.org",
	})
	return root, issuing
}

func TestIssue_MakesCertificatesThatVerify(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Token(t, "default", "admin", "ca:admin")
		root, issuing := s.hierarchy(t)
		key := newKey(t)
		got := s.post(t, token, "certificates", map[string]any{
			"profile": "internal-tls",
			"csr": csr(t, key, x509.CertificateRequest{
				Subject: pkix.Name{CommonName: "app.internal"}, DNSNames: []string{"app.internal"}, IPAddresses: []net.IP{net.IPv4(10, 1, 2, 3)},
			}),
		})
		chain := parse(t, got.Member(t, "chain"))
		require.Len(t, chain, 2)
		roots, above := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(parse(t, root.Member(t, "certificate"))[0])
		above.AddCert(chain[1])
		_, err := chain[0].Verify(x509.VerifyOptions{DNSName: "app.internal", Roots: roots, Intermediates: above})
		require.NoError(t, err)
		assert.Equal(t, parse(t, issuing.Member(t, "certificate"))[0].Raw, chain[1].Raw)
		assert.Equal(t, got.Member(t, "serial"), hex.EncodeToString(chain[0].SerialNumber.Bytes()))

		again := s.get(t, token, "certificates/"+got.Member(t, "serial"))
		assert.Equal(t, got.Member(t, "certificate"), again.Member(t, "certificate"))
		list := s.get(t, token, "certificates?name=*.internal")
		assert.Contains(t, string(list.Body), got.Member(t, "serial"))
		s.call(t, token, http.MethodGet, "certificates/00ff", nil).refused(t, http.StatusNotFound, "not_found", "another serial")
	})
}
