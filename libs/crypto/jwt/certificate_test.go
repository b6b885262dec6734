package jwt_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwt"
)

// certified is a key with a certificate that it has signed itself.
func certified(t *testing.T, key *jwk.Key) *jwk.Key {
	t.Helper()
	private, ok := key.Material().(*ecdsa.PrivateKey)
	require.True(t, ok)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	attributes := key.Attributes
	attributes.Certificates = [][]byte{der}
	return wrap(t, private, attributes)
}

func TestCertificateChain_IsCarriedAndAdmittedByTheProfileAlone(t *testing.T) {
	t.Parallel()
	plain := ecKey(t)
	key := certified(t, plain)
	chained := profile()
	chained.CertificateChain = true
	carrying, usual := authority(t, chained, start), authority(t, profile(), start)

	token, _, err := carrying.Issue(key, jwt.Claims{})
	require.NoError(t, err)
	message, err := jws.Parse([]byte(token), jws.Allow{EmbeddedChain: true})
	require.NoError(t, err)
	assert.Equal(t, key.Certificates, message.Signatures[0].Protected.Chain)
	_, err = carrying.Verify(plain, token)
	require.NoError(t, err)
	_, err = usual.Verify(plain, token)
	assertReason(t, err, jwt.Malformed)
	foreign, err := jws.Sign(certified(t, ecKey(t)), jws.Header{Type: "test+jwt"}, []byte(`{}`))
	require.NoError(t, err)
	_, err = carrying.Verify(plain, foreign)
	assertReason(t, err, jwt.BadSignature)

	for _, a := range []*jwt.Authority{carrying, usual} {
		token, _, err = a.Issue(plain, jwt.Claims{})
		require.NoError(t, err)
		h, err := jws.ParseHeader(token)
		require.NoError(t, err, "a key without certificates carries none")
		assert.Empty(t, h.CertificateHash)
		_, err = carrying.Verify(key, token)
		require.NoError(t, err)
	}
	token, _, err = usual.Issue(key, jwt.Claims{})
	require.NoError(t, err)
	h, err := jws.ParseHeader(token)
	require.NoError(t, err)
	assert.NotEmpty(t, h.CertificateHash, "the hash goes everywhere")
}
