package ca_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// outside is a CA that is elsewhere.
type outside struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

func newOutside(t testing.TB) outside {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Outside root"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return outside{key, certificate}
}

// certify signs the certificate of a CA by its request; change may spoil it.
func (o outside) certify(t testing.TB, request string, change func(*x509.Certificate)) string {
	t.Helper()
	block, _ := pem.Decode([]byte(request))
	require.NotNil(t, block)
	asked, err := x509.ParseCertificateRequest(block.Bytes)
	require.NoError(t, err)
	require.NoError(t, asked.CheckSignature())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(8), RawSubject: asked.RawSubject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(900 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	public := asked.PublicKey
	if change != nil {
		change(template)
		if template.PublicKey != nil {
			public = template.PublicKey
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, o.certificate, public, o.key)
	require.NoError(t, err)
	return encode(der) + encode(o.certificate.Raw)
}

func encode(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestExternalCA_WaitsForItsCertificate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Token(t, "default", "admin", "ca:admin")
		elsewhere := newOutside(t)
		made := s.make(t, "cas", map[string]any{"name": "policy", "kind": "issuing", "external": true, "subject": map[string]any{"common_name": "Policy CA"}})
		assert.Equal(t, "pending", made.Member(t, "status"))
		order := map[string]any{"profile": "internal-tls", "ca": "policy", "csr": csr(t, newKey(t), x509.CertificateRequest{DNSNames: []string{"app.internal"}})}
		s.call(t, token, http.MethodPost, "certificates", order).refused(t, http.StatusConflict, "invalid_state", "by a CA without certificate")

		request := s.get(t, token, "cas/policy/csr").Member(t, "csr")
		stranger := newKey(t)
		for what, chain := range map[string]string{
			"another key":     elsewhere.certify(t, request, func(c *x509.Certificate) { c.PublicKey = stranger.Public() }),
			"another subject": elsewhere.certify(t, request, func(c *x509.Certificate) { c.RawSubject, c.Subject = nil, pkix.Name{CommonName: "Somebody"} }),
			"no CA":           elsewhere.certify(t, request, func(c *x509.Certificate) { c.IsCA = false }),
			"no CRLs":         elsewhere.certify(t, request, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }),
			"expired":         elsewhere.certify(t, request, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
			"broken chain":    elsewhere.certify(t, request, nil) + encode(newOutside(t).certificate.Raw),
			"no PEM":          "certificate",
		} {
			got := s.administer(t, http.MethodPost, "cas/policy/certificates", map[string]any{"chain": chain})
			assert.Equal(t, http.StatusBadRequest, got.Status, "%s: %s", what, got.Body)
		}
		got := s.administer(t, http.MethodPost, "cas/policy/certificates", map[string]any{"chain": elsewhere.certify(t, request, nil)})
		require.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
		assert.Equal(t, "active", got.Member(t, "status"))

		issued := s.post(t, token, "certificates", order)
		chain := parse(t, issued.Member(t, "chain"))
		roots, above := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(elsewhere.certificate)
		for _, c := range chain[1:] {
			above.AddCert(c)
		}
		_, err := chain[0].Verify(x509.VerifyOptions{DNSName: "app.internal", Roots: roots, Intermediates: above})
		require.NoError(t, err)
	})
}

func TestRollover_TheSuccessorIssuesAndTheOldOneStays(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, first, second *service) {
		token := first.Token(t, "default", "admin", "ca:admin")
		first.hierarchy(t)
		order := map[string]any{"profile": "internal-tls", "ca": "issuing", "csr": csr(t, newKey(t), x509.CertificateRequest{DNSNames: []string{"app.internal"}})}
		before := first.post(t, token, "certificates", order)

		second.hears(t, token)
		rolled := first.make(t, "cas/issuing/rollover", map[string]any{"name": "issuing-2"})
		var body struct{ Old, Successor struct{ ID string } }
		require.NoError(t, json.Unmarshal(rolled.Body, &body))
		assert.EventuallyWithT(t, func(c *assert.CollectT) {
			after := second.call(t, token, http.MethodPost, "certificates", order)
			assert.Equal(c, body.Successor.ID, after.Member(t, "ca_id"))
		}, 2*time.Second, 50*time.Millisecond)
		assert.Equal(t, body.Old.ID, before.Member(t, "ca_id"))
		again := second.get(t, token, "certificates/"+before.Member(t, "serial"))
		assert.Equal(t, before.Member(t, "chain"), again.Member(t, "chain"))
		first.administer(t, http.MethodPost, "cas/issuing/rollover", map[string]any{"name": "issuing-3"}).refused(t, http.StatusConflict, "invalid_state", "twice")
	})
}

func TestCrossSign_AnotherRootVouches(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Token(t, "default", "admin", "ca:admin")
		root, issuing := s.hierarchy(t)
		other := s.make(t, "cas", map[string]any{"name": "other", "kind": "root", "subject": map[string]any{"common_name": "Other root"}})
		s.make(t, "cas/other/cross-sign", map[string]any{"subject": "root"})
		certificates := s.get(t, token, "cas/root/certificates")
		var body struct {
			Items []struct{ Certificate string }
		}
		require.NoError(t, json.Unmarshal(certificates.Body, &body))
		require.Len(t, body.Items, 2)
		assert.Equal(t, root.Member(t, "certificate"), body.Items[0].Certificate, "its own certificate stays the first")
		roots, above := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(parse(t, other.Member(t, "certificate"))[0])
		above.AddCert(parse(t, body.Items[1].Certificate)[0])
		_, err := parse(t, issuing.Member(t, "certificate"))[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: above, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		require.NoError(t, err)
		s.administer(t, http.MethodPost, "cas/issuing/cross-sign", map[string]any{"subject": "root"}).refused(t, http.StatusConflict, "wrong_profile", "by an issuing CA")
		s.administer(t, http.MethodPost, "cas/root/cross-sign", map[string]any{"subject": "root"}).refused(t, http.StatusBadRequest, "validation_failed", "by itself")
	})
}

func TestRoots_SignForCAsAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		token := s.Token(t, "default", "admin", "ca:admin")
		s.hierarchy(t)
		order := map[string]any{"profile": "internal-tls", "ca": "root", "csr": csr(t, newKey(t), x509.CertificateRequest{DNSNames: []string{"app.internal"}})}
		s.call(t, token, http.MethodPost, "certificates", order).refused(t, http.StatusConflict, "wrong_profile", "a leaf by a root")
		order["ca"], order["profile"] = "issuing", "intermediate-ca"
		s.call(t, token, http.MethodPost, "certificates", order).refused(t, http.StatusConflict, "wrong_profile", "a CA by POST /certificates")
		got := s.administer(t, http.MethodPost, "cas", map[string]any{"name": "deep", "kind": "issuing", "issuer": "issuing", "subject": map[string]any{"common_name": "x"}})
		got.refused(t, http.StatusConflict, "wrong_profile", "a CA by an issuing one")
		reader := s.Token(t, "default", "reader", "ca:read", "ca:issue")
		s.call(t, reader, http.MethodPost, "cas", map[string]any{"name": "mine", "kind": "root", "subject": map[string]any{"common_name": "x"}}).
			refused(t, http.StatusForbidden, "insufficient_scope", "a CA without the scope")
	})
}

func TestPublished_AnybodyGetsCertificatesOfCAs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		root, issuing := s.hierarchy(t)
		fetch := func(path string) []byte {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, nil)
			require.NoError(t, err)
			response, err := s.HTTP.Do(request)
			require.NoError(t, err)
			defer response.Body.Close()
			require.Equal(t, http.StatusOK, response.StatusCode, path)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			return body
		}
		assert.Equal(t, root.Member(t, "certificate"), string(fetch("/roots.pem")))
		der := fetch("/pki/" + issuing.Member(t, "id") + "/ca.cer")
		assert.Equal(t, parse(t, issuing.Member(t, "certificate"))[0].Raw, der)
		assert.NotEmpty(t, fetch("/pki/"+issuing.Member(t, "id")+"/ca.p7c"))
	})
}

func TestCreate_IsOneThingHoweverOftenItIsAsked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *service) {
		_, issuing := s.hierarchy(t)
		again := s.administer(t, http.MethodPost, "cas", map[string]any{"name": "root", "kind": "root", "subject": map[string]any{"common_name": "x"}})
		again.refused(t, http.StatusConflict, "conflict", "a name twice")
		key := "the same request"
		body := map[string]any{"name": "second", "kind": "issuing", "issuer": "root", "subject": map[string]any{"common_name": "Second"}}
		made := s.administer(t, http.MethodPost, "cas", body, "Idempotency-Key", key)
		require.Equal(t, http.StatusCreated, made.Status, "%s", made.Body)
		repeated := s.administer(t, http.MethodPost, "cas", body, "Idempotency-Key", key)
		assert.Equal(t, made.Body, repeated.Body)
		assert.NotEqual(t, issuing.Member(t, "id"), made.Member(t, "id"))
	})
}
