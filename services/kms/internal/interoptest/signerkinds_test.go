package interoptest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Keys of every kind there is either work through the standard library's interfaces, or it is said what to use instead.
func TestSigner_OfEveryKindOfKey(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	lib := kmstest.Run(t, cfg, files).Library(t)
	seen := map[string]bool{}
	for _, spec := range alg.Specs() {
		enc, management, isEncryption := strings.Cut(spec.Algorithm, "/")
		once := spec.Algorithm + spec.Curve
		if isEncryption {
			once = management + spec.Curve
		}
		if seen[once] || spec.KeyType == alg.KeyTypeRSA && spec.KeySize != 2048 {
			continue // other sizes and content encryptions are no other kind
		}
		seen[once] = true
		name := fmt.Sprintf("kind-%d", len(seen))
		create := client.CreateElasticKey{Name: name, Algorithm: spec.Algorithm}
		if spec.KeyType == alg.KeyTypeRSA {
			create.KeySize = new(client.CreateElasticKeyKeySize(spec.KeySize))
		}
		if spec.Curve != "" && (isEncryption || spec.Algorithm == "ECDH") {
			create.Curve = new(client.CreateElasticKeyCurve(spec.Curve))
		}
		_, err := lib.CreateKey(t.Context(), create)
		require.NoError(t, err, spec.Algorithm)

		signer, err := lib.Signer(t.Context(), name)
		if spec.Use == alg.UseSign {
			require.NoError(t, err, spec.Algorithm)
			assertSigns(t, signer, spec.Algorithm)
		} else {
			require.ErrorContains(t, err, "use ", spec.Algorithm)
		}
		decrypter, err := lib.Decrypter(t.Context(), name)
		if isEncryption && spec.KeyType != alg.KeyTypeOctet {
			require.NoError(t, err, spec.Algorithm)
			public, err := jwk.FromMaterial(decrypter.Public(), jwk.Attributes{})
			require.NoError(t, err)
			message, err := jwe.Encrypt(public, jwe.Header{Algorithm: management, Encryption: enc}, []byte("hello"))
			require.NoError(t, err, spec.Algorithm)
			got, err := decrypter.Decrypt(nil, []byte(message), nil)
			require.NoError(t, err, spec.Algorithm)
			assert.Equal(t, "hello", string(got))
		} else {
			require.ErrorContains(t, err, "use ", spec.Algorithm)
		}
	}
	assert.Greater(t, len(seen), 25)
}

// assertSigns checks a signature with nothing but the standard library.
func assertSigns(t *testing.T, signer *client.Signer, algorithm string) {
	t.Helper()
	message := []byte("hello")
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[algorithm[max(0, len(algorithm)-3):]]
	digest := message
	var opts crypto.SignerOpts = hash
	if hash != 0 {
		h := hash.New()
		h.Write(message)
		digest = h.Sum(nil)
	}
	pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	if strings.HasPrefix(algorithm, "PS") {
		opts = pss
	}
	signature, err := signer.Sign(nil, digest, opts)
	require.NoError(t, err, algorithm)
	valid := false
	switch public := signer.Public().(type) {
	case *rsa.PublicKey:
		if opts == pss {
			valid = rsa.VerifyPSS(public, hash, digest, signature, pss) == nil
		} else {
			valid = rsa.VerifyPKCS1v15(public, hash, digest, signature) == nil
		}
	case *ecdsa.PublicKey:
		valid = ecdsa.VerifyASN1(public, digest, signature)
	case ed25519.PublicKey:
		valid = ed25519.Verify(public, message, signature)
	}
	assert.True(t, valid, algorithm)
}
