package revocation_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().Truncate(time.Second)} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// issued is a certificate with its key.
type issued struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// certify issues a certificate; without a parent it is its own.
func certify(t testing.TB, template x509.Certificate, parent *issued) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return certifyKey(t, template, key, parent)
}

func certifyKey(t testing.TB, template x509.Certificate, key crypto.Signer, parent *issued) *issued {
	t.Helper()
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-365 * 24 * time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(365 * 24 * time.Hour)
	}
	if template.SerialNumber == nil {
		var err error
		template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
		require.NoError(t, err)
	}
	template.BasicConstraintsValid = true
	signer := issued{&template, key}
	if parent != nil {
		signer = *parent
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, signer.certificate, key.Public(), signer.key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &issued{certificate, key}
}

func authorityTemplate(name string) x509.Certificate {
	return x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature}
}

// pki is a root, an authority that issues leaves, and a server on loopback for what they name.
type pki struct {
	root, ca *issued
	url      string
	time     *clock

	mu      sync.Mutex
	answers map[string]func(question []byte) (status int, body []byte)
	asked   map[string]int
}

// newPKI makes a PKI. The authority's certificate names nobody and lives for a short time, so that tests are about leaves.
func newPKI(t testing.TB) *pki {
	t.Helper()
	p := &pki{time: newClock(), answers: map[string]func([]byte) (int, []byte){}, asked: map[string]int{}}
	p.root = certify(t, authorityTemplate("root"), nil)
	template := authorityTemplate("issuing")
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(6*24*time.Hour)
	p.ca = certify(t, template, p.root)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		question, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.asked[r.URL.Path]++
		answer := p.answers[r.URL.Path]
		p.mu.Unlock()
		if answer == nil {
			http.NotFound(w, r)
			return
		}
		status, body := answer(question)
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// on sets what a path answers.
func (p *pki) on(path string, answer func(question []byte) (int, []byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[path] = answer
}

// serve sets a fixed answer.
func (p *pki) serve(path string, body []byte) {
	p.on(path, func([]byte) (int, []byte) { return http.StatusOK, body })
}

// count is how often a path was asked.
func (p *pki) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// leaf issues a leaf that names an OCSP responder and a distribution point at these paths; empty for none.
func (p *pki) leaf(t testing.TB, ocspPath, listPath string, change ...func(*x509.Certificate)) *issued {
	t.Helper()
	template := x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, KeyUsage: x509.KeyUsageDigitalSignature}
	if ocspPath != "" {
		template.OCSPServer = []string{p.url + ocspPath}
	}
	if listPath != "" {
		template.CRLDistributionPoints = []string{p.url + listPath}
	}
	for _, c := range change {
		c(&template)
	}
	return certify(t, template, p.ca)
}

// chain is the verified chain of a leaf.
func (p *pki) chain(leaf *issued) []*x509.Certificate {
	return []*x509.Certificate{leaf.certificate, p.ca.certificate, p.root.certificate}
}

// checker makes a checker that may reach loopback.
func (p *pki) checker(t testing.TB, change ...func(*revocation.Config, *revocation.Options)) *revocation.Checker {
	t.Helper()
	c := revocation.Config{AllowAddresses: []string{"127.0.0.1"}, Timeout: 10 * time.Second}
	o := revocation.Options{Now: p.time.read}
	for _, f := range change {
		f(&c, &o)
	}
	k, err := revocation.New(c, o)
	require.NoError(t, err)
	t.Cleanup(k.Close)
	return k
}

func permissive(c *revocation.Config, _ *revocation.Options) { c.Mode = revocation.ModePermissive }

func logTo(w io.Writer) func(*revocation.Config, *revocation.Options) {
	return func(_ *revocation.Config, o *revocation.Options) { o.Log = slog.New(slog.NewJSONHandler(w, nil)) }
}

// list signs a revocation list; change may alter it.
func (p *pki) list(t testing.TB, number int64, revoked []*issued, change ...func(*x509.RevocationList)) []byte {
	t.Helper()
	return p.listBy(t, p.ca, number, revoked, change...)
}

func (p *pki) listBy(t testing.TB, by *issued, number int64, revoked []*issued, change ...func(*x509.RevocationList)) []byte {
	t.Helper()
	now := p.time.read()
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour)}
	for _, r := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.certificate.SerialNumber, RevocationTime: now.Add(-time.Hour), ReasonCode: 1})
	}
	for _, c := range change {
		c(template)
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, by.certificate, by.key)
	require.NoError(t, err)
	return der
}
