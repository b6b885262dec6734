package ocsp_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// issued is a certificate with its key.
type issued struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newECDSA(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

// keys are one of each kind.
func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return map[string]crypto.Signer{
		"P-256": newECDSA(t, elliptic.P256()), "P-384": newECDSA(t, elliptic.P384()), "P-521": newECDSA(t, elliptic.P521()),
		"RSA": rsaKey, "Ed25519": edKey,
	}
}

// certify issues a certificate; without a parent it is its own.
func certify(t testing.TB, template x509.Certificate, key crypto.Signer, parent *issued) *issued {
	t.Helper()
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(30*24*time.Hour)
	if template.SerialNumber == nil {
		var err error
		template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 159))
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

// pki is an authority with a leaf and a delegate for OCSP.
type pki struct{ ca, leaf, delegate *issued }

func newPKI(t testing.TB, key crypto.Signer, url string) pki {
	t.Helper()
	var p pki
	p.ca = certify(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "ocsp test"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}, key, nil)
	leaf := x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, KeyUsage: x509.KeyUsageDigitalSignature}
	if url != "" {
		leaf.OCSPServer = []string{url}
	}
	p.leaf = certify(t, leaf, newECDSA(t, elliptic.P256()), p.ca)
	p.delegate = certify(t, delegation(), newECDSA(t, elliptic.P256()), p.ca)
	return p
}

func delegation() x509.Certificate {
	return x509.Certificate{
		Subject: pkix.Name{CommonName: "responder"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		ExtraExtensions: []pkix.Extension{{Id: []int{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}}}, // no check
	}
}

// responder is somebody who signs responses.
type responder struct {
	*ocsp.Responder

	key crypto.Signer
}

func (p pki) responder(t testing.TB, by *issued) *responder {
	t.Helper()
	r, err := ocsp.NewResponder(p.ca.certificate, by.certificate, 0)
	require.NoError(t, err)
	return &responder{r, by.key}
}

// answer is a response about everything that is asked.
func answer(t testing.TB, r *responder, request *ocsp.Request, say ocsp.Single) []byte {
	t.Helper()
	now := time.Now()
	response := ocsp.Response{ProducedAt: now, Nonce: request.Nonce}
	for _, id := range request.IDs {
		single := say
		single.ID, single.ThisUpdate, single.NextUpdate = id.Raw, now.Add(-time.Minute), now.Add(time.Hour)
		response.Singles = append(response.Singles, single)
	}
	der, err := r.Sign(response, r.key)
	require.NoError(t, err)
	return der
}
