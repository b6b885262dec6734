package jwe_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// newKey makes a private or symmetric key of a spec; RSA keys are the same 2048 bits throughout.
func newKey(t testing.TB, spec alg.Spec) *jwk.Key {
	t.Helper()
	var material any
	switch spec.KeyType {
	case alg.KeyTypeRSA:
		material = rsaKey()
	case alg.KeyTypeEC:
		curve := map[string]ecdh.Curve{"P-256": ecdh.P256(), "P-384": ecdh.P384(), "P-521": ecdh.P521()}[spec.Curve]
		key, err := curve.GenerateKey(rand.Reader)
		require.NoError(t, err)
		material = key
	default:
		secret := make([]byte, spec.KeySize/8)
		_, _ = rand.Read(secret)
		material = secret
	}
	key, err := jwk.FromMaterial(material, jwk.Attributes{ID: "k1", Algorithm: spec.KeyAlgorithm()})
	require.NoError(t, err)
	return key
}

func encryptionSpecs() []alg.Spec {
	var specs []alg.Spec
	for _, spec := range alg.Specs() {
		if spec.Use == alg.UseEncrypt && (spec.KeyType != alg.KeyTypeRSA || spec.KeySize == alg.MinRSABits) {
			specs = append(specs, spec)
		}
	}
	return specs
}

func name(spec alg.Spec) string {
	return strings.ReplaceAll(fmt.Sprintf("%s %s", spec.Algorithm, spec.Curve), "/", "_")
}

func TestEncryptDecrypt_EveryAlgorithm(t *testing.T) {
	t.Parallel()
	for _, spec := range encryptionSpecs() {
		t.Run(name(spec), func(t *testing.T) {
			t.Parallel()
			key := newKey(t, spec)
			for _, size := range []int{0, 1, 15, 16, 17, 1000} {
				plaintext := make([]byte, size)
				_, _ = rand.Read(plaintext)
				sent := jwe.Header{Encryption: spec.ContentEncryption, Type: "cu-test", ContentType: "text", Extra: map[string]any{"ctx": "x\"\u00e9", "n": true}}
				message, err := jwe.Encrypt(key, sent, plaintext)
				require.NoError(t, err)
				got, h, err := jwe.Decrypt(key, message, jwe.Expect{Encryption: spec.ContentEncryption})
				require.NoError(t, err)
				assert.Equal(t, plaintext, got)
				assert.Equal(t, jwe.Header{
					Algorithm: spec.KeyManagement, Encryption: spec.ContentEncryption, KeyID: "k1",
					Type: "cu-test", ContentType: "text", Extra: sent.Extra,
				}, h)
			}
		})
	}
}
