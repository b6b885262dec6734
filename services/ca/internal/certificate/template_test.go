package certificate_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

func TestTBS_RefusesWhatIsNoCertificate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(template *certificate.Template)
		want   string
	}{
		"no serial":        {func(c *certificate.Template) { c.Serial = nil }, "the number is 0"},
		"padded serial":    {func(c *certificate.Template) { c.Serial = certificate.Serial{0, 1} }, "leading zeros"},
		"long serial":      {func(c *certificate.Template) { c.Serial = append(certificate.NewSerial(), 1) }, "2^159"},
		"no issuer":        {func(c *certificate.Template) { c.Issuer = nil }, "the issuer is not one DER sequence"},
		"unnamed issuer":   {func(c *certificate.Template) { c.Issuer = []byte{0x30, 0} }, "the issuer has no name"},
		"trailing subject": {func(c *certificate.Template) { c.Subject = append(c.Subject, 0) }, "the subject is not one DER sequence"},
		"no key":           {func(c *certificate.Template) { c.SPKI = nil }, "the public key is not one DER sequence"},
		"no algorithm":     {func(c *certificate.Template) { c.Signature.Algorithm = nil }, "no signature algorithm"},
		"backwards":        {func(c *certificate.Template) { c.NotAfter = c.NotBefore.Add(-time.Second) }, "end before it begins"},
		"before 1950":      {func(c *certificate.Template) { c.NotBefore = time.Date(1949, 12, 31, 0, 0, 0, 0, time.UTC) }, "1950"},
		"after 9999":       {func(c *certificate.Template) { c.NotAfter = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "9999"},
		"twice": {func(c *certificate.Template) {
			c.Extensions = append(c.Extensions, certificate.OCSPNoCheck(), certificate.OCSPNoCheck())
		}, "is there twice"},
		"second key identifier": {func(c *certificate.Template) {
			c.Extensions = append(c.Extensions, certificate.SubjectKeyID([]byte{1}))
		}, "2.5.29.14 is there twice"},
		"no URL": {func(c *certificate.Template) { c.CRL = []string{""} }, "a URL is empty"},
		"other names": {func(c *certificate.Template) {
			san, err := certificate.SubjectAltName(certificate.SAN{DNS: []string{"other.example"}}, false)
			require.NoError(t, err)
			c.SAN.DNS, c.Extensions = []string{"a.example"}, append(c.Extensions, san)
		}, "says something else"},
		"names without names": {func(c *certificate.Template) {
			san, err := certificate.SubjectAltName(certificate.SAN{DNS: []string{"other.example"}}, false)
			require.NoError(t, err)
			c.Extensions = append(c.Extensions, san)
		}, "but no name"},
	} {
		template := own(t, keys()["P-256"], x509.ECDSAWithSHA256)
		test.change(template)
		_, err := template.TBS()
		require.ErrorContains(t, err, test.want, name)
	}
}

func TestTBS_WritesParametersInWhicheverFormTheyAreGiven(t *testing.T) {
	t.Parallel()
	template := own(t, keys()["RSA"], x509.SHA256WithRSA)
	want, err := template.TBS()
	require.NoError(t, err)
	template.Signature.Parameters = asn1.NullRawValue
	got, err := template.TBS()
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestTBS_TakesTheProfilesNameExtension(t *testing.T) {
	t.Parallel()
	template := own(t, keys()["P-256"], x509.ECDSAWithSHA256)
	template.SAN = certificate.SAN{DNS: []string{"a.example"}, UPN: []string{"ann@corp.example"}, IP: []netip.Addr{netip.MustParseAddr("::1")}}
	without, err := template.TBS()
	require.NoError(t, err)
	san, err := certificate.SubjectAltName(template.SAN, false)
	require.NoError(t, err)
	template.Extensions = append(template.Extensions, san)
	with, err := template.TBS()
	require.NoError(t, err)
	assert.Equal(t, without, with)

	text, err := certificate.Sign(with, keys()["P-256"], x509.ECDSAWithSHA256)
	require.NoError(t, err)
	printed := openssl(t, certificate.PEM(text), "x509", "-noout", "-ext", "subjectAltName")
	assert.Contains(t, printed, "DNS:a.example, IP Address:0:0:0:0:0:0:0:1, othername: UPN::ann@corp.example")
}

func TestExtensions_RefuseWhatTheyCannotSay(t *testing.T) {
	t.Parallel()
	refused := func(_ pkix.Extension, err error) { t.Helper(); require.Error(t, err) }
	refused(certificate.KeyUsage(0))
	refused(certificate.KeyUsage(512))
	refused(certificate.ExtendedKeyUsage(false))
	refused(certificate.ExtendedKeyUsage(false, asn1.ObjectIdentifier{9, 9}))
	refused(certificate.BasicConstraints(false, 0))
	refused(certificate.TLSFeature())
	refused(certificate.NameConstraints(true, certificate.Subtrees{}, certificate.Subtrees{}))
	refused(certificate.NameConstraints(true, certificate.Subtrees{DNS: []string{"zürich.example"}}, certificate.Subtrees{}))
	refused(certificate.CertificatePolicies())
	refused(certificate.CertificatePolicies(certificate.Policy{ID: []int{1, 2}, CPS: []string{"ü"}}))
	refused(certificate.AuthorityInfoAccess(nil, nil))
	refused(certificate.CRLDistributionPoints(nil))
	refused(certificate.SubjectAltName(certificate.SAN{DNS: []string{"zürich.example"}}, false))
}

func TestPolicies_OpenSSLReadsThePracticeStatement(t *testing.T) {
	t.Parallel()
	template := own(t, keys()["P-256"], x509.ECDSAWithSHA256)
	policies, err := certificate.CertificatePolicies(certificate.Policy{ID: []int{2, 23, 140, 1, 2, 1}, CPS: []string{"http://ca.example/cps"}})
	require.NoError(t, err)
	template.Extensions = append(template.Extensions, policies)
	template.FreshestCRL = []string{"http://ca.example/delta.crl"}
	tbs, err := template.TBS()
	require.NoError(t, err)
	text, err := certificate.Sign(tbs, keys()["P-256"], x509.ECDSAWithSHA256)
	require.NoError(t, err)
	printed := openssl(t, certificate.PEM(text), "x509", "-noout", "-text")
	assert.Contains(t, printed, "Policy: 2.23.140.1.2.1")
	assert.Contains(t, printed, "CPS: http://ca.example/cps")
	assert.Contains(t, printed, "X509v3 Freshest CRL")
}

func TestKeyID_IsTheStandardLibrarys(t *testing.T) {
	t.Parallel()
	key := keys()["P-384"]
	id, err := certificate.KeyID(spki(t, key))
	require.NoError(t, err)
	text, err := x509.CreateCertificate(nil, &x509.Certificate{
		SerialNumber: certificate.NewSerial().Int(), IsCA: true, BasicConstraintsValid: true, NotAfter: moment,
	}, &x509.Certificate{}, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(text)
	require.NoError(t, err)
	assert.Equal(t, parsed.SubjectKeyId, id)
	_, err = certificate.KeyID([]byte{0x30, 0})
	require.Error(t, err)
}

func TestChain_ReadsBackInEveryForm(t *testing.T) {
	t.Parallel()
	var chain [][]byte
	for _, name := range []string{"P-256", "RSA", "Ed25519"} {
		algorithm := certificate.SignatureAlgorithms(keys()[name].Public())[0]
		tbs, err := own(t, keys()[name], algorithm).TBS()
		require.NoError(t, err)
		text, err := certificate.Sign(tbs, keys()[name], algorithm)
		require.NoError(t, err)
		chain = append(chain, text)
	}
	text := certificate.PEM(chain...)
	rest := text
	for _, want := range chain {
		block, after := pem.Decode(rest)
		require.NotNil(t, block)
		assert.Equal(t, want, block.Bytes)
		rest = after
	}
	assert.Empty(t, rest)

	message, err := certificate.PKCS7(chain...)
	require.NoError(t, err)
	printed := openssl(t, message, "pkcs7", "-inform", "DER", "-print_certs")
	order := 0
	for _, certificateText := range chain {
		at := strings.Index(printed[order:], string(certificate.PEM(certificateText)))
		require.GreaterOrEqual(t, at, 0, printed)
		order += at
	}
	_, err = certificate.PKCS7()
	require.Error(t, err)
	_, err = certificate.PKCS7([]byte("x"))
	require.Error(t, err)
}
