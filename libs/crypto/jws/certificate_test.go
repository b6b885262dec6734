package jws_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// certificate returns one that the key signed for itself.
func certificate(t *testing.T, key *jwk.Key) []byte {
	t.Helper()
	signer, ok := key.Material().(crypto.Signer)
	require.True(t, ok)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	require.NoError(t, err)
	return der
}
