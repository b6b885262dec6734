package interoptest_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// A key in the KMS certifies itself and ends TLS connections by nothing but the standard library's interface.
func TestSigner_ServesX509AndTLS(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	lib := s.Library(t)
	for _, algorithm := range []string{"ES256", "ES384", "ES512", "RS256", "PS256", "PS384", "Ed25519"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			key, err := lib.CreateKey(t.Context(), client.CreateElasticKey{Name: "tls-" + strings.ToLower(algorithm), Algorithm: algorithm})
			require.NoError(t, err)
			signer, err := lib.Signer(t.Context(), key.Name)
			require.NoError(t, err)
			template := &x509.Certificate{
				SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
				NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
				KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
			}
			if algorithm[:2] == "PS" {
				template.SignatureAlgorithm = map[string]x509.SignatureAlgorithm{"PS256": x509.SHA256WithRSAPSS, "PS384": x509.SHA384WithRSAPSS}[algorithm]
			}
			der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
			require.NoError(t, err)
			certificate, err := x509.ParseCertificate(der)
			require.NoError(t, err)
			require.NoError(t, certificate.CheckSignatureFrom(certificate))
			if algorithm == "RS256" || algorithm == "PS384" {
				return // TLS 1.3 signs with PSS and, for the certificate's key, with the hash that both sides prefer
			}
			agree(t, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: signer}, certificate)
		})
	}
}

// agree has a client and a server agree on a connection.
func agree(t *testing.T, served tls.Certificate, root *x509.Certificate) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(root)
	near, far := net.Pipe()
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{served}, MinVersion: tls.VersionTLS13})
	done := make(chan error, 1)
	go func() { done <- server.HandshakeContext(context.WithoutCancel(t.Context())) }()
	require.NoError(t, tls.Client(near, &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13}).HandshakeContext(t.Context()))
	require.NoError(t, <-done)
}

func TestSigner_RefusesWhatItsKeyWouldNotDo(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	lib := s.Library(t)
	signers := map[string]*client.Signer{}
	for _, algorithm := range []string{"ES256", "RS256", "PS256", "Ed25519"} {
		_, err := lib.CreateKey(t.Context(), client.CreateElasticKey{Name: strings.ToLower(algorithm), Algorithm: algorithm})
		require.NoError(t, err)
		signers[algorithm], err = lib.Signer(t.Context(), strings.ToLower(algorithm))
		require.NoError(t, err)
	}
	digest := make([]byte, 32)
	for _, c := range []struct {
		algorithm string
		digest    []byte
		opts      crypto.SignerOpts
	}{
		{"ES256", digest, crypto.SHA384},
		{"ES256", digest[:31], crypto.SHA256},
		{"ES256", digest, crypto.Hash(0)},
		{"ES256", digest, nil},
		{"ES256", digest, &rsa.PSSOptions{Hash: crypto.SHA256}},
		{"RS256", digest, &rsa.PSSOptions{Hash: crypto.SHA256}},
		{"PS256", digest, crypto.SHA256},
		{"PS256", digest, &rsa.PSSOptions{Hash: crypto.SHA256, SaltLength: 20}},
		{"Ed25519", digest, crypto.SHA512},
	} {
		_, err := signers[c.algorithm].Sign(nil, c.digest, c.opts)
		require.ErrorContains(t, err, "sign with key", "%s of %d bytes with %v", c.algorithm, len(c.digest), c.opts)
	}
	_, err := lib.RotateKey(t.Context(), "es256")
	require.NoError(t, err)
	_, err = signers["ES256"].Sign(nil, digest, crypto.SHA256)
	require.ErrorIs(t, err, client.ErrRotated)
	_, err = lib.CreateKey(t.Context(), client.CreateElasticKey{Name: "box", Algorithm: "A256GCM/A256KW"})
	require.NoError(t, err)
	_, err = lib.Signer(t.Context(), "box")
	require.ErrorContains(t, err, "makes no signatures")
}

// What anybody encrypts with the public key alone comes back through the standard library's interface.
func TestDecrypter_OpensWhatThePublicKeyHasMade(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	lib := s.Library(t)
	for _, algorithm := range []string{"A256GCM/RSA-OAEP-256", "A128CBC-HS256/ECDH-ES+A256KW"} {
		spec, err := alg.ParseSpec(algorithm, 0, "")
		require.NoError(t, err)
		key, err := lib.CreateKey(t.Context(), client.CreateElasticKey{Name: "box-" + strings.ToLower(string(spec.KeyType)), Algorithm: algorithm})
		require.NoError(t, err)
		decrypter, err := lib.Decrypter(t.Context(), key.ID)
		require.NoError(t, err)
		public, err := jwk.FromMaterial(decrypter.Public(), jwk.Attributes{})
		require.NoError(t, err)
		message, err := jwe.Encrypt(public, jwe.Header{Algorithm: spec.KeyManagement, Encryption: spec.ContentEncryption}, []byte("hello"))
		require.NoError(t, err)
		var opener crypto.Decrypter = decrypter
		got, err := opener.Decrypt(nil, []byte(message), nil)
		require.NoError(t, err)
		assert.Equal(t, "hello", string(got))
		bound, err := lib.Encrypt(t.Context(), key.ID, []byte("bound"), map[string]string{"record": "1"})
		require.NoError(t, err)
		got, err = opener.Decrypt(nil, []byte(bound), client.DecryptContext{"record": "1"})
		require.NoError(t, err)
		assert.Equal(t, "bound", string(got))
		_, err = opener.Decrypt(nil, []byte(bound), nil)
		require.ErrorContains(t, err, "decryption_failed")
		_, err = opener.Decrypt(nil, []byte(message), &rsa.OAEPOptions{Hash: crypto.SHA256})
		require.ErrorContains(t, err, "mean nothing")
	}
	_, err := lib.CreateKey(t.Context(), client.CreateElasticKey{Name: "symmetric", Algorithm: "A256GCM/A256KW"})
	require.NoError(t, err)
	_, err = lib.Decrypter(t.Context(), "symmetric")
	require.ErrorContains(t, err, "no_public_key")
}
