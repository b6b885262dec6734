package keygen_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/derivation"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/kem"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// Every spec gets a key that does what the spec is for. RSA keys, which take long, are
// shared between the specs of a size here and generated through Generate once each.
func TestGenerate_EverySpecGetsAWorkingKey(t *testing.T) {
	t.Parallel()
	rsaKeys := map[int]*jwk.Key{}
	kinds := map[string]bool{}
	for _, spec := range alg.Specs() {
		if spec.KeySize > 3072 && spec.KeyType == alg.KeyTypeRSA {
			continue // seconds of CPU time each, and nothing but the number differs
		}
		key := rsaKeys[spec.KeySize]
		if spec.KeyType != alg.KeyTypeRSA || key == nil {
			var err error
			key, err = keygen.Generate(spec)
			require.NoError(t, err, spec.Algorithm)
			assert.Equal(t, spec.KeyAlgorithm(), key.Algorithm)
		}
		if spec.KeyType == alg.KeyTypeRSA {
			rsaKeys[spec.KeySize] = key
			key.Attributes = jwk.Attributes{Algorithm: spec.KeyAlgorithm()}
		}
		kinds[keygen.Kind(spec)] = true
		assert.True(t, key.IsPrivate())
		assert.Equal(t, spec.KeyType, key.Type())
		assert.Equal(t, spec.Curve, key.Curve())
		assert.Equal(t, spec.KeySize, key.Size())
		assert.Empty(t, key.ID)
		works(t, spec, key)
	}
	assert.Subset(t, kinds, map[string]bool{
		"RSA-2048": true, "RSA-3072": true, "P-256": true, "P-384": true, "P-521": true, "Ed25519": true, "oct-128": true, "oct-256": true, "oct-512": true,
		"ML-KEM-768": true, "ML-KEM-1024": true,
	})
}

func TestGenerate_KeysDifferAndSurviveTheirText(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ES256", "Ed25519", "HS256", "A256GCM/A256KW", "A256GCM/dir", "A256GCM/ECDH-ES+A256KW", "ML-KEM-768", "ML-KEM-1024", "HKDF-SHA256", "HKDF-SHA384", "HKDF-SHA512", "ECDH"} {
		spec := parseSpec(t, name, 0)
		one, err := keygen.Generate(spec)
		require.NoError(t, err)
		other, err := keygen.Generate(spec)
		require.NoError(t, err)
		text, err := one.MarshalPrivate()
		require.NoError(t, err)
		otherText, err := other.MarshalPrivate()
		require.NoError(t, err)
		assert.NotEqual(t, text, otherText)
		read, err := jwk.Parse(text)
		require.NoError(t, err)
		assert.Equal(t, one.Attributes, read.Attributes)
		works(t, spec, read)
	}
}

func TestGenerate_RefusesSpecsThatNobodyParsed(t *testing.T) {
	t.Parallel()
	for _, spec := range []alg.Spec{
		{},
		{KeyType: alg.KeyTypeRSA},
		{KeyType: alg.KeyTypeRSA, KeySize: 1024},
		{KeyType: alg.KeyTypeRSA, KeySize: 1 << 20},
		{KeyType: alg.KeyTypeEC},
		{KeyType: alg.KeyTypeEC, Curve: "P-224"},
		{KeyType: alg.KeyTypeOKP, Curve: "X25519"},
		{KeyType: alg.KeyTypeOctet},
		{KeyType: alg.KeyTypeOctet, KeySize: 129},
		{KeyType: alg.KeyTypeOctet, KeySize: -256},
		{KeyType: alg.KeyTypeAKP},
		{KeyType: alg.KeyTypeAKP, KEM: "ML-KEM-512"},
	} {
		_, err := keygen.Generate(spec)
		require.Error(t, err)
	}
}

func works(t *testing.T, spec alg.Spec, key *jwk.Key) {
	t.Helper()
	switch spec.Use {
	case alg.UseKEM:
		encapsulates(t, key)
		return
	case alg.UseDerive:
		derives(t, key)
		return
	case alg.UseEncrypt:
		compact, err := jwe.Encrypt(key, jwe.Header{Algorithm: spec.KeyManagement, Encryption: spec.ContentEncryption}, []byte("text"))
		require.NoError(t, err, spec.Algorithm)
		plaintext, _, err := jwe.Decrypt(key, compact, jwe.Expect{Algorithm: spec.KeyManagement, Encryption: spec.ContentEncryption})
		require.NoError(t, err, spec.Algorithm)
		require.Equal(t, "text", string(plaintext))
		return
	}
	compact, err := jws.Sign(key, jws.Header{}, []byte("text"))
	require.NoError(t, err, spec.Algorithm)
	payload, _, err := jws.Verify(key, compact, jws.Expect{})
	require.NoError(t, err, spec.Algorithm)
	require.Equal(t, "text", string(payload))
}

func encapsulates(t *testing.T, key *jwk.Key) {
	t.Helper()
	public, err := key.Public()
	require.NoError(t, err)
	shared, ciphertext, err := kem.Encapsulate(public)
	require.NoError(t, err)
	got, err := kem.Decapsulate(key, ciphertext)
	require.NoError(t, err)
	require.Equal(t, shared, got)
}

func derives(t *testing.T, key *jwk.Key) {
	t.Helper()
	if key.IsSymmetric() {
		out, err := derivation.HKDF(key, nil, []byte("info"), 32)
		require.NoError(t, err)
		require.Len(t, out, 32)
		return
	}
	public, err := key.Public()
	require.NoError(t, err)
	shared, err := derivation.Agree(key, public)
	require.NoError(t, err)
	require.NotEmpty(t, shared)
}

func parseSpec(t *testing.T, algorithm string, size int) alg.Spec {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, size, "")
	require.NoError(t, err)
	return spec
}
