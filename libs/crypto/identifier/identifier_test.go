package identifier_test

import (
	"crypto/fips140"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/identifier"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// authority is a certificate that OpenSSL made. The hashes in the tests are those that `openssl ocsp -sha1 -issuer FILE -cert FILE -req_text` prints.
const authority = "MIIBtjCCAVugAwIBAgIUE/djhPOzM8I91sVI1EABz0NJGr0wCgYIKoZIzj0EAwIwLzETMBEGA1UECgwKY3J5cHRvdXRpbDEYMBYGA1UEAwwPaWRlbnRpZmll" +
	"ciB0ZXN0MCAXDTI2MTEyMTIzNTUzMloYDzIxMjYxMDI4MjM1NTMyWjAvMRMwEQYDVQQKDApjcnlwdG91dGlsMRgwFgYDVQQDDA9pZGVudGlmaWVyIHRlc3Qw" +
	"WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS+dGesg7HFzVDT1GdR2sHha3zdV2D9zXoeuiUnqH8OD2Sfue+XiE5QMhrDgNwiRVve9NgXAb/FiejV5mQ1Idnd" +
	"o1MwUTAdBgNVHQ4EFgQUmQm8VyFNdqpBhKnGFuhZkjce0I4wHwYDVR0jBBgwFoAUmQm8VyFNdqpBhKnGFuhZkjce0I4wDwYDVR0TAQH/BAUwAwEB/zAKBggq" +
	"hkjOPQQDAgNJADBGAiEAq9UYt1RubFKrclesV5kIl5QkLzMzqnaFY2zLNDwNkwICIQCFMpRmElhk4nVkFhIi3nwt2XyLHH+YphWJ758CIl6dXA=="

func parse(t *testing.T) *x509.Certificate {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(authority)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate
}

func TestOCSPIssuer_IsWhatOpenSSLComputes(t *testing.T) {
	t.Parallel()
	name, key, err := identifier.OCSPIssuer(parse(t))
	require.NoError(t, err)
	assert.Equal(t, "8c42776ed9a3eef7e95a85f690d99bf98173a210", hex.EncodeToString(name[:]))
	assert.Equal(t, "9909bc57214d76aa4184a9c616e85992371ed08e", hex.EncodeToString(key[:]))
	assert.True(t, fips140.Enforced(), "enforcement is back")
}

func TestOCSPIssuer_RefusesAKeyThatIsNone(t *testing.T) {
	t.Parallel()
	for _, der := range [][]byte{nil, {0x30, 0x00}, append(parse(t).RawSubjectPublicKeyInfo, 0)} {
		_, _, err := identifier.OCSPIssuer(&x509.Certificate{RawSubjectPublicKeyInfo: der})
		require.ErrorContains(t, err, "identify issuer")
	}
}
