package alg_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func assertUnsupported(t *testing.T, err error) {
	t.Helper()
	var coded interface {
		ErrorCode() string
		ErrorDetail() string
	}
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, "unsupported_algorithm", coded.ErrorCode())
	assert.NotEmpty(t, coded.ErrorDetail())
}

func TestLookup_RefusedByName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"none", "RSA1_5", "RSA-OAEP", "PBES2-HS256+A128KW", "PBES2-HS384+A192KW", "PBES2-HS512+A256KW", "ES256K", "Ed448", "RS1", "X25519", "ML-KEM-512", "HKDF-SHA1"} {
		_, err := alg.LookupSignature(name)
		assertUnsupported(t, err)
		require.ErrorContains(t, err, "refused")
		_, err = alg.LookupKeyManagement(name)
		assertUnsupported(t, err)
		require.ErrorContains(t, err, "refused")
		_, err = alg.ParseSpec("A256GCM/"+name, 0, "")
		assertUnsupported(t, err)
		_, err = alg.ParseSpec(name, 0, "")
		assertUnsupported(t, err)
		require.ErrorContains(t, err, "refused")
		_, err = alg.LookupKEM(name)
		assertUnsupported(t, err)
		require.ErrorContains(t, err, "refused")
		_, err = alg.LookupDerivation(name)
		assertUnsupported(t, err)
		require.ErrorContains(t, err, "refused")
	}
	for _, name := range []string{"", "es256", "ES256 ", "HS1", "ml-kem-768", "ML-KEM-768+A192KW", "HKDF", "HKDF-SHA-256", "ECDH-ES ", strings.Repeat("x", 10000)} {
		_, err := alg.LookupSignature(name)
		assertUnsupported(t, err)
		assert.Less(t, len(err.Error()), 200)
		_, err = alg.LookupKeyManagement(name)
		assertUnsupported(t, err)
		_, err = alg.LookupContentEncryption(name)
		assertUnsupported(t, err)
		_, err = alg.LookupKEM(name)
		assertUnsupported(t, err)
		_, err = alg.LookupDerivation(name)
		assertUnsupported(t, err)
	}
}

func TestUnsupported_TellsClientsNothingTheySent(t *testing.T) {
	t.Parallel()
	const canary = "canary-text"
	for _, ask := range [][2]string{{canary, ""}, {canary + "/A256KW", ""}, {"A256GCM/" + canary, ""}, {"ES256", canary}} {
		_, err := alg.ParseSpec(ask[0], 0, ask[1])
		assertUnsupported(t, err)
		require.ErrorContains(t, err, "canary", "the log may know")
		var coded interface{ ErrorDetail() string }
		require.ErrorAs(t, err, &coded)
		assert.NotContains(t, coded.ErrorDetail(), "canary")
	}
}

func TestLookup_EdDSAIsEd25519(t *testing.T) {
	t.Parallel()
	sig, err := alg.LookupSignature("EdDSA")
	require.NoError(t, err)
	assert.Equal(t, "Ed25519", sig.Name)
}

func TestSpecs_AllThereAreAndEachResolvesToItself(t *testing.T) {
	t.Parallel()
	specs := alg.Specs()
	// 6 RSA signatures in 3 sizes, 3 ECDSA, 1 EdDSA, 3 HMAC; 6 content encryptions, each with 7 symmetric
	// algorithms, 3 of RSA in 3 sizes and 4 of ECDH on 3 curves; 2 ML-KEM; 3 HKDF, 1 ECDH on 3 curves.
	assert.Len(t, specs, 6*3+3+1+3+6*(7+3*3+4*3)+2+3+3)
	seen := map[alg.Spec]bool{}
	for _, spec := range specs {
		again, err := alg.ParseSpec(spec.Algorithm, spec.KeySize, spec.Curve)
		require.NoError(t, err)
		assert.Equal(t, spec, again)
		assert.False(t, seen[spec])
		seen[spec] = true
		assert.NotEmpty(t, spec.KeyAlgorithm())
		assert.Equal(t, spec.Use == alg.UseEncrypt, strings.Contains(spec.Algorithm, "/"))
		fixed := 0
		for _, says := range []bool{spec.KeySize != 0, spec.Curve != "", spec.KEM != ""} {
			if says {
				fixed++
			}
		}
		assert.Equal(t, 1, fixed, "one of them says how large the key is: %+v", spec)
		purpose := map[alg.Use]string{alg.UseEncrypt: spec.KeyManagement, alg.UseSign: spec.Signature, alg.UseMAC: spec.Signature, alg.UseKEM: spec.KEM, alg.UseDerive: spec.Derivation}
		assert.NotEmpty(t, purpose[spec.Use])
		if spec.DirectUse {
			assert.Equal(t, alg.KeyTypeOctet, spec.KeyType)
		}
	}
}

func TestParseSpec(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		algorithm string
		size      int
		curve     string
		want      alg.Spec
	}{
		{"RS256", 0, "", alg.Spec{Algorithm: "RS256", Use: alg.UseSign, KeyType: alg.KeyTypeRSA, KeySize: 3072, Signature: "RS256"}},
		{"PS512", 4096, "", alg.Spec{Algorithm: "PS512", Use: alg.UseSign, KeyType: alg.KeyTypeRSA, KeySize: 4096, Signature: "PS512"}},
		{"ES256", 0, "P-256", alg.Spec{Algorithm: "ES256", Use: alg.UseSign, KeyType: alg.KeyTypeEC, Curve: "P-256", Signature: "ES256"}},
		{"EdDSA", 0, "", alg.Spec{Algorithm: "Ed25519", Use: alg.UseSign, KeyType: alg.KeyTypeOKP, Curve: "Ed25519", Signature: "Ed25519"}},
		{"HS384", 384, "", alg.Spec{Algorithm: "HS384", Use: alg.UseMAC, KeyType: alg.KeyTypeOctet, KeySize: 384, Signature: "HS384"}},
		{"A256GCM/A128KW", 0, "", alg.Spec{Algorithm: "A256GCM/A128KW", Use: alg.UseEncrypt, KeyType: alg.KeyTypeOctet, KeySize: 128, ContentEncryption: "A256GCM", KeyManagement: "A128KW"}},
		{"A192CBC-HS384/dir", 0, "", alg.Spec{Algorithm: "A192CBC-HS384/dir", Use: alg.UseEncrypt, KeyType: alg.KeyTypeOctet, KeySize: 384, ContentEncryption: "A192CBC-HS384", KeyManagement: "dir", DirectUse: true}},
		{"A128GCM/A256GCMKW", 256, "", alg.Spec{Algorithm: "A128GCM/A256GCMKW", Use: alg.UseEncrypt, KeyType: alg.KeyTypeOctet, KeySize: 256, ContentEncryption: "A128GCM", KeyManagement: "A256GCMKW", DirectUse: true}},
		{"A256GCM/RSA-OAEP-256", 0, "", alg.Spec{Algorithm: "A256GCM/RSA-OAEP-256", Use: alg.UseEncrypt, KeyType: alg.KeyTypeRSA, KeySize: 3072, ContentEncryption: "A256GCM", KeyManagement: "RSA-OAEP-256"}},
		{"A256GCM/ECDH-ES", 0, "P-521", alg.Spec{Algorithm: "A256GCM/ECDH-ES", Use: alg.UseEncrypt, KeyType: alg.KeyTypeEC, Curve: "P-521", ContentEncryption: "A256GCM", KeyManagement: "ECDH-ES"}},
		{"A256GCM/ECDH-ES", 0, "", alg.Spec{Algorithm: "A256GCM/ECDH-ES", Use: alg.UseEncrypt, KeyType: alg.KeyTypeEC, Curve: "P-256", ContentEncryption: "A256GCM", KeyManagement: "ECDH-ES"}},
		{"ML-KEM-768", 0, "", alg.Spec{Algorithm: "ML-KEM-768", Use: alg.UseKEM, KeyType: alg.KeyTypeAKP, KEM: "ML-KEM-768"}},
		{"ML-KEM-1024", 0, "", alg.Spec{Algorithm: "ML-KEM-1024", Use: alg.UseKEM, KeyType: alg.KeyTypeAKP, KEM: "ML-KEM-1024"}},
		{"HKDF-SHA256", 0, "", alg.Spec{Algorithm: "HKDF-SHA256", Use: alg.UseDerive, KeyType: alg.KeyTypeOctet, KeySize: 256, Derivation: "HKDF-SHA256"}},
		{"HKDF-SHA384", 384, "", alg.Spec{Algorithm: "HKDF-SHA384", Use: alg.UseDerive, KeyType: alg.KeyTypeOctet, KeySize: 384, Derivation: "HKDF-SHA384"}},
		{"HKDF-SHA512", 0, "", alg.Spec{Algorithm: "HKDF-SHA512", Use: alg.UseDerive, KeyType: alg.KeyTypeOctet, KeySize: 512, Derivation: "HKDF-SHA512"}},
		{"ECDH", 0, "", alg.Spec{Algorithm: "ECDH", Use: alg.UseDerive, KeyType: alg.KeyTypeEC, Curve: "P-256", Derivation: "ECDH"}},
		{"ECDH", 0, "P-521", alg.Spec{Algorithm: "ECDH", Use: alg.UseDerive, KeyType: alg.KeyTypeEC, Curve: "P-521", Derivation: "ECDH"}},
	} {
		got, err := alg.ParseSpec(c.algorithm, c.size, c.curve)
		require.NoError(t, err, c.algorithm)
		assert.Equal(t, c.want, got)
	}
	for _, c := range []struct {
		algorithm string
		size      int
		curve     string
	}{
		{"", 0, ""},
		{"/", 0, ""},
		{"A256GCM", 0, ""},
		{"A256GCM/", 0, ""},
		{"A256GCM/A256KW/dir", 0, ""},
		{"A256KW/A256GCM", 0, ""},
		{"ES256/dir", 0, ""},
		{"RS256", 1024, ""},
		{"RS256", 2049, ""},
		{"RS256", -1, ""},
		{"RS256", 0, "P-256"},
		{"ES256", 256, ""},
		{"ES256", 0, "P-384"},
		{"ES384", 0, "P-256"},
		{"Ed25519", 0, "Ed448"},
		{"HS256", 512, ""},
		{"HS256", 0, "P-256"},
		{"A256GCM/A256KW", 128, ""},
		{"A256GCM/dir", 128, ""},
		{"A256GCM/dir", 256, "P-256"},
		{"A256GCM/RSA-OAEP-256", 1024, ""},
		{"A256GCM/ECDH-ES", 0, "X25519"},
		{"A256GCM/ECDH-ES", 256, ""},
		{"ML-KEM-768", 768, ""},
		{"ML-KEM-768", 0, "P-256"},
		{"ML-KEM-768/A256KW", 0, ""},
		{"A256GCM/ML-KEM-768", 0, ""},
		{"A256GCM/ECDH", 0, ""},
		{"A256GCM/HKDF-SHA256", 0, ""},
		{"HKDF-SHA256", 512, ""},
		{"HKDF-SHA256", 0, "P-256"},
		{"ECDH", 256, ""},
		{"ECDH", 0, "X25519"},
	} {
		_, err := alg.ParseSpec(c.algorithm, c.size, c.curve)
		require.Error(t, err, "%v", c)
		assertUnsupported(t, err)
	}
}
