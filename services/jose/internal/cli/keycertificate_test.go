package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// certify makes a certificate of a request, by an authority that lives no longer.
func certify(t *testing.T, request string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(request))
	require.NotNil(t, block)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	require.NoError(t, err)
	require.NoError(t, csr.CheckSignature())
	authority, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: csr.Subject, DNSNames: csr.DNSNames, URIs: csr.URIs,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}}, csr.PublicKey, authority)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestKey_IsCertifiedOnTheCommandLine(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.must(t, "", "key create --name tokens --algorithm ES256")
	s.refuses(t, "", "key csr tokens", "say for whom the certificate is")
	s.refuses(t, "", "key certificate get tokens", "not_found")
	s.refuses(t, "hello", "jws sign --key tokens --certificate-chain", "`key csr` makes a request")
	s.must(t, "", "key csr tokens --common-name Tokens --country DE --dns a.example,b.example --uri https://a.example/ --out @tokens.csr")
	chain := certify(t, s.read(t, "tokens.csr"))
	s.write(t, "chain.pem", chain)
	s.refuses(t, s.read(t, "tokens.csr"), "key certificate set tokens", "the certificate of the key first")
	set := s.must(t, "", "key certificate set tokens --in @chain.pem")
	assert.Regexp(t, `Certificate of +CN=Tokens,C=DE *\n`, set)
	assert.Regexp(t, `Certified by +CN=authority *\n(.*\n)+Valid now +true`, set)
	assert.Regexp(t, `x5t#S256 +[A-Za-z0-9_-]{43}`, s.must(t, "", "key version get tokens 1"))
	assert.Equal(t, chain, s.must(t, "", "key certificate get tokens"))

	signed := s.must(t, "hello", "jws sign --key tokens --certificate-chain")
	s.refuses(t, signed, "jws verify", "invalid_jws")
	assert.Equal(t, "hello", s.must(t, signed, "jws verify --certificate-chain"))
	both := s.must(t, "hello", "jws sign --key tokens --key tokens --certificate-chain")
	assert.Equal(t, 2, strings.Count(both, "protected"))
	assert.Equal(t, "hello", s.must(t, both, "jws verify --certificate-chain"))
	s.must(t, "", "profile create --name access --key tokens --issuer i --audience a --certificate-chain")
	assert.Regexp(t, `Certificate chain +true`, s.must(t, "", "profile get access"))
	s.must(t, s.must(t, "", "jwt issue --profile access"), "jwt verify --profile access")

	assert.Equal(t, "the certificate of key tokens is removed\n", s.must(t, "", "key certificate remove tokens --version 1"))
	s.refuses(t, "", "key certificate remove tokens", "not_found")
	for _, line := range []string{"key csr tokens --dns a --version -1", "key certificate get tokens --version -1", "key certificate set tokens --version -1", "key certificate remove tokens --version -1"} {
		s.refuses(t, "", line, "--version must be 1 or more")
	}
}
