package certificate_test

import (
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// own is a self-signed certificate by the key.
func own(t testing.TB, key crypto.Signer, algorithm x509.SignatureAlgorithm) *certificate.Template {
	t.Helper()
	w := twins(t)["authority 1"]
	w.complete(t)
	template := w.own
	template.Issuer, template.SPKI = template.Subject, spki(t, key)
	template.Signature = must(certificate.Identifier(algorithm))
	return &template
}

func TestSign_OpenSSLVerifiesEveryAlgorithm(t *testing.T) {
	t.Parallel()
	for name, key := range keys() {
		for _, algorithm := range certificate.SignatureAlgorithms(key.Public()) {
			t.Run(name+" "+algorithm.String(), func(t *testing.T) {
				t.Parallel()
				tbs, err := own(t, key, algorithm).TBS()
				require.NoError(t, err)
				text, err := certificate.Sign(tbs, key, algorithm)
				require.NoError(t, err)
				file := filepath.Join(t.TempDir(), "ca.pem")
				require.NoError(t, os.WriteFile(file, certificate.PEM(text), 0o600))
				assert.Contains(t, openssl(t, nil, "verify", "-x509_strict", "-check_ss_sig", "-attime", "1795400000", "-CAfile", file, file), ": OK")
				parsed, err := x509.ParseCertificate(text)
				require.NoError(t, err)
				require.NoError(t, parsed.CheckSignature(parsed.SignatureAlgorithm, parsed.RawTBSCertificate, parsed.Signature))
			})
		}
	}
}

// liar signs with another key, other bytes, or not at all.
type liar struct {
	crypto.Signer

	sign func(digest []byte, options crypto.SignerOpts) ([]byte, error)
}

func (l liar) Sign(_ io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	return l.sign(digest, options)
}

func TestSign_RefusesWhatTheSignerDidWrong(t *testing.T) {
	t.Parallel()
	for name, key := range keys() {
		algorithm := certificate.SignatureAlgorithms(key.Public())[0]
		tbs, err := own(t, key, algorithm).TBS()
		require.NoError(t, err)
		lies := map[string]func(digest []byte, options crypto.SignerOpts) ([]byte, error){
			"fails":   func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, errors.New("the module is away") },
			"nothing": func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, nil },
			"garbage": func([]byte, crypto.SignerOpts) ([]byte, error) { return make([]byte, 64), nil },
			"other bytes": func(digest []byte, options crypto.SignerOpts) ([]byte, error) {
				other := append([]byte{}, digest...)
				other[3] ^= 1
				return key.Sign(nil, other, options)
			},
		}
		for lie, sign := range lies {
			_, err := certificate.Sign(tbs, liar{key, sign}, algorithm)
			require.Error(t, err, "%s: %s", name, lie)
		}
	}
	key := keys()["RSA"]
	tbs, err := own(t, key, x509.SHA256WithRSA).TBS()
	require.NoError(t, err)
	_, err = certificate.Sign(tbs, key, x509.SHA384WithRSA)
	require.ErrorContains(t, err, "the certificate says SHA256-RSA")
	_, err = certificate.Sign(tbs, keys()["P-256"], x509.SHA256WithRSA)
	require.Error(t, err)
	_, err = certificate.Sign(tbs, key, x509.SHA1WithRSA)
	require.ErrorContains(t, err, "not one that an issuer may use")
	_, err = certificate.Sign(tbs[:len(tbs)-1], key, x509.SHA256WithRSA)
	require.ErrorContains(t, err, "not one TBSCertificate")
}

func TestChooseSignature_FitsTheKey(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key  string
		hash crypto.Hash
		pss  bool
		want x509.SignatureAlgorithm
	}{
		{"RSA", 0, false, x509.SHA256WithRSA},
		{"RSA", crypto.SHA384, false, x509.SHA384WithRSA},
		{"RSA", crypto.SHA512, true, x509.SHA512WithRSAPSS},
		{"RSA", 0, true, x509.SHA256WithRSAPSS},
		{"RSA", crypto.SHA1, false, 0},
		{"P-256", 0, false, x509.ECDSAWithSHA256},
		{"P-384", crypto.SHA384, false, x509.ECDSAWithSHA384},
		{"P-384", crypto.SHA256, false, 0},
		{"P-521", 0, false, x509.ECDSAWithSHA512},
		{"P-521", 0, true, 0},
		{"Ed25519", 0, false, x509.PureEd25519},
		{"Ed25519", crypto.SHA512, false, 0},
	} {
		got, err := certificate.ChooseSignature(keys()[test.key].Public(), test.hash, test.pss)
		assert.Equal(t, test.want == 0, err != nil, "%v: %v", test, err)
		assert.Equal(t, test.want, got, "%v", test)
	}
	_, err := certificate.ChooseSignature("no key", 0, false)
	require.Error(t, err)
	_, err = certificate.Identifier(x509.MD5WithRSA)
	require.Error(t, err)
}
