package certificate_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// FuzzParseRequest: no panic; every refusal has a reason; what is taken, crypto/x509 takes and reads the same, and its names can be certified.
func FuzzParseRequest(f *testing.F) {
	for _, name := range []string{"P-256", "Ed25519"} {
		text := newDraft(f, keys()[name]).sign(f, keys()[name])
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		request, err := certificate.ParseRequest(text)
		if err != nil {
			reason(t, err)
			return
		}
		standard, err := x509.ParseCertificateRequest(text)
		require.NoError(t, err)
		require.NoError(t, standard.CheckSignature())
		require.Equal(t, standard.RawSubjectPublicKeyInfo, request.SPKI)
		require.Equal(t, standard.RawSubject, request.RawSubject)
		if !request.SAN.IsEmpty() {
			extension, err := certificate.SubjectAltName(request.SAN, false)
			require.NoError(t, err)
			again, err := certificate.ParseSAN(extension.Value)
			require.NoError(t, err)
			require.Equal(t, request.SAN, again)
		}
	})
}

// FuzzParseSAN: a signature does not stand between the fuzzer and the names.
func FuzzParseSAN(f *testing.F) {
	for _, san := range []certificate.SAN{
		{DNS: []string{"a.example", "*.xn--mnchen-3ya.example"}}, {Email: []string{"x@example.com"}, URI: []string{"spiffe://a.example/x"}}, {UPN: []string{"a@b"}},
	} {
		f.Add(must(certificate.SubjectAltName(san, false)).Value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		san, err := certificate.ParseSAN(value)
		if err != nil {
			reason(t, err)
			return
		}
		extension, err := certificate.SubjectAltName(san, false)
		require.NoError(t, err)
		again, err := certificate.ParseSAN(extension.Value)
		require.NoError(t, err)
		require.Equal(t, san, again)
	})
}
