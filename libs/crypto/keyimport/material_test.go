package keyimport_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
)

// Every algorithm's key comes through, in every form, with the attributes that a generated key has.
func TestImport_EveryAlgorithmInEveryForm(t *testing.T) {
	t.Parallel()
	imported := 0
	keys := map[string]*jwk.Key{}
	for _, spec := range alg.Specs() {
		if spec.KeyType == alg.KeyTypeRSA && (spec.KeySize > 2048 || spec.Use == alg.UseEncrypt && spec.ContentEncryption != "A256GCM") {
			continue // each RSA key costs the tests of its primes
		}
		kind := keygen.Kind(spec)
		if keys[kind] == nil {
			keys[kind] = generate(t, spec)
		}
		key := keys[kind]
		key.Attributes = keygen.Attributes(spec)
		for form, material := range forms(t, key) {
			if spec.KeyType == alg.KeyTypeRSA && form != "JWK" && spec.Algorithm != "RS256" {
				continue // the same key in the same form: its primes are tested again
			}
			got, err := importOne(t, spec, material)
			require.NoError(t, err, "%s as %s", spec.Algorithm, form)
			assert.Equal(t, key.ThumbprintSHA256(), got.ThumbprintSHA256())
			assert.Equal(t, key.Attributes, got.Attributes)
			assert.True(t, got.IsPrivate())
			imported++
		}
	}
	assert.Greater(t, imported, 2*len(alg.Specs())/3)
}

// Material that is not what the algorithm needs is refused, whatever its form.
func TestImport_Mismatch(t *testing.T) {
	t.Parallel()
	keys := map[string]*jwk.Key{}
	specs := map[string]alg.Spec{}
	for _, c := range [][2]string{
		{"RS256", ""},
		{"ES256", ""},
		{"ES384", ""},
		{"Ed25519", ""},
		{"HS256", ""},
		{"HS512", ""},
		{"A256GCM/A128KW", ""},
		{"A256GCM/ECDH-ES", "P-521"},
		{"ML-KEM-768", ""},
		{"ML-KEM-1024", ""},
	} {
		spec := parseSpec(t, c[0], 0, c[1])
		specs[c[0]] = spec
		if spec.KeyType == alg.KeyTypeRSA {
			spec.KeySize = 2048 // the algorithm's spec has 3072
		}
		keys[c[0]] = generate(t, spec)
	}
	for wanted, spec := range specs {
		for given, key := range keys {
			if wanted == given && given != "RS256" {
				continue
			}
			for form, material := range forms(t, key) {
				_, err := importOne(t, spec, material)
				require.Error(t, err, "%s as %s for %s", given, form, wanted)
				code := "import_mismatch"
				if spec.KeyType == alg.KeyTypeOctet && strings.HasPrefix(form, "PKCS#8") {
					assert.Contains(t, err.Error(), "symmetric key")
				}
				if spec.KeyType != alg.KeyTypeOctet && form == "bytes" {
					code = "import_malformed" // bytes are no form of theirs
				}
				assertCode(t, err, code, given, form, wanted)
			}
		}
	}
}

func TestImport_JWKsForOtherPurposes(t *testing.T) {
	t.Parallel()
	ec := generate(t, parseSpec(t, "ES256", 0, ""))
	secret := generate(t, parseSpec(t, "A256GCM/dir", 0, ""))
	secret.Attributes = jwk.Attributes{}
	text := func(key *jwk.Key, attributes jwk.Attributes) []byte {
		changed := *key
		changed.Attributes = attributes
		out, err := changed.MarshalPrivate()
		require.NoError(t, err)
		return out
	}
	publicText, err := ec.MarshalPublic()
	require.NoError(t, err)
	for _, c := range []struct {
		algorithm string
		material  []byte
		code      string
	}{
		{"ES256", text(ec, jwk.Attributes{ID: "theirs", Use: "sig", Operations: []string{"sign"}}), ""},
		{"ECDH", text(ec, jwk.Attributes{}), ""},
		{"ECDH", text(ec, jwk.Attributes{Algorithm: "ES256"}), "import_mismatch"},
		{"ES256", text(ec, jwk.Attributes{Algorithm: "ECDH"}), "import_mismatch"},
		{"ES256", text(ec, jwk.Attributes{Use: "enc"}), "import_mismatch"},
		{"A256GCM/ECDH-ES", text(ec, jwk.Attributes{Operations: []string{"sign"}}), "import_mismatch"},
		{"A256GCM/ECDH-ES", text(ec, jwk.Attributes{Algorithm: "ECDH-ES+A256KW"}), "import_mismatch"},
		{"A256GCM/dir", text(secret, jwk.Attributes{Algorithm: "dir"}), ""},
		{"A256GCM/dir", text(secret, jwk.Attributes{Algorithm: "A256GCM"}), ""},
		{"A256GCM/A256KW", text(secret, jwk.Attributes{Algorithm: "dir"}), "import_mismatch"},
		{"HKDF-SHA256", text(secret, jwk.Attributes{Algorithm: "HS256"}), "import_mismatch"},
		{"HS256", text(secret, jwk.Attributes{Algorithm: "HS256", Use: "sig"}), ""},
		{"HS256", text(secret, jwk.Attributes{Use: "enc"}), "import_mismatch"},
		{"ES256", publicText, "import_mismatch"},
		{"ES256", []byte(strings.Replace(string(publicText), "ES256", "ES256K", 1)), "import_mismatch"},
		{"ES256", []byte(`{"kty":"EC"}`), "import_malformed"},
		{"ES256", []byte(`{`), "import_malformed"},
		{"HS256", []byte(`{"kty":"oct"}`), "import_malformed"},
		{"HS256", []byte(`{"kty":"oct","k":"AAAA"}`), "import_weak"},
	} {
		key, err := importOne(t, parseSpec(t, c.algorithm, 0, ""), c.material)
		if c.code == "" {
			require.NoError(t, err, c.algorithm)
			assert.Equal(t, keygen.Attributes(parseSpec(t, c.algorithm, 0, "")), key.Attributes, "the name is not theirs to give")
			continue
		}
		require.Error(t, err, "%s %s", c.algorithm, c.material)
		assertCode(t, err, c.code, c.algorithm)
	}
}

// The bytes of a key may begin like a JWK, and a JWK may be as long as the key should be.
func TestImport_BytesThatLookLikeAJWK(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "HS512", 0, "")
	material := append([]byte(`{"kty":"oct",`), random(t, 51)...)
	key, err := importOne(t, spec, material)
	require.NoError(t, err)
	assert.Equal(t, material, key.Secret())

	text := []byte(fmt.Sprintf(`{"kty":"oct","k":%q}`, "AyM1SysPpbyDfgZld3umjw"))
	text = append(text, bytes.Repeat([]byte{' '}, 64-len(text))...)
	_, err = importOne(t, spec, text)
	assertCode(t, err, "import_mismatch")
	require.ErrorContains(t, err, "symmetric key of 128 bits")
}

func TestImport_KeepsNothingOfWhatItWasGiven(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "HS256", 0, "")
	wrapping := wrappingKeys()[keyimport.MethodECDH]
	wrapped := wrap(t, keyimport.MethodECDH, wrapping, random(t, 32))
	one, err := keyimport.Import(spec, keyimport.MethodECDH, wrapping, wrapped)
	require.NoError(t, err)
	before := bytes.Clone(one.Secret())
	clear(wrapped)
	assert.Equal(t, before, one.Secret())
}
