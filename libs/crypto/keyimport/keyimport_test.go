package keyimport_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
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
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keywrap"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func assertCode(t *testing.T, err error, code string, about ...any) {
	t.Helper()
	var coded interface {
		ErrorCode() string
		ErrorDetail() string
	}
	require.ErrorAs(t, err, &coded, about...)
	assert.Equal(t, code, coded.ErrorCode(), "%v: %v", about, err)
	assert.NotEmpty(t, coded.ErrorDetail())
}

func parseSpec(t testing.TB, algorithm string, size int, curve string) alg.Spec {
	t.Helper()
	spec, err := alg.ParseSpec(algorithm, size, curve)
	require.NoError(t, err)
	return spec
}

func generate(t testing.TB, spec alg.Spec) *jwk.Key {
	t.Helper()
	key, err := keygen.Generate(spec)
	require.NoError(t, err)
	return key
}

// wrappingKeys are one of each method, made once: RSA keys take long.
var wrappingKeys = sync.OnceValue(func() map[string]*jwk.Key {
	keys := map[string]*jwk.Key{}
	for _, method := range []string{keyimport.MethodRSA, keyimport.MethodECDH} {
		spec, err := keyimport.WrappingSpec(method, 0, "")
		if err != nil {
			panic(err)
		}
		if keys[method], err = keygen.Generate(spec); err != nil {
			panic(err)
		}
	}
	return keys
})

// rsaKey is an RSA key of 2048 bits, made once.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// wrap does what whoever brings a key does, with the public part of a wrapping key alone.
func wrap(t testing.TB, method string, wrapping *jwk.Key, material []byte) []byte {
	t.Helper()
	public, err := wrapping.Public()
	require.NoError(t, err)
	if method == keyimport.MethodECDH {
		compact, err := jwe.Encrypt(public, jwe.Header{Encryption: "A256GCM"}, material)
		require.NoError(t, err)
		return []byte(compact)
	}
	return wrapRSA(t, public.Material().(*rsa.PublicKey), crypto.SHA256, random(t, 32), material)
}

func wrapRSA(t testing.TB, public *rsa.PublicKey, hash crypto.Hash, transport, material []byte) []byte {
	t.Helper()
	first, err := keywrap.WrapRSAOAEP(public, hash, transport)
	require.NoError(t, err)
	second, err := keywrap.WrapPadded(transport, material)
	require.NoError(t, err)
	return append(first, second...)
}

func random(t testing.TB, n int) []byte {
	t.Helper()
	value := make([]byte, n)
	_, err := rand.Read(value)
	require.NoError(t, err)
	return value
}

// importOne wraps material with the faster method and imports it.
func importOne(t testing.TB, spec alg.Spec, material []byte) (*jwk.Key, error) {
	t.Helper()
	wrapping := wrappingKeys()[keyimport.MethodECDH]
	return keyimport.Import(spec, keyimport.MethodECDH, wrapping, wrap(t, keyimport.MethodECDH, wrapping, material))
}

// forms are the forms in which the material of a private or symmetric key can come.
func forms(t testing.TB, key *jwk.Key) map[string][]byte {
	t.Helper()
	text, err := key.MarshalPrivate()
	require.NoError(t, err)
	bare := *key
	bare.Attributes = jwk.Attributes{}
	if key.Type() == alg.KeyTypeAKP {
		bare.Algorithm = key.Algorithm
	}
	bareText, err := bare.MarshalPrivate()
	require.NoError(t, err)
	made := map[string][]byte{"JWK": text, "bare JWK": bareText}
	switch v := key.Material().(type) {
	case []byte:
		made["bytes"] = v
	case *mlkem.DecapsulationKey768:
		made["PKCS#8"] = kemPKCS8(t, 2, v.Bytes(), nil)
		made["PKCS#8 with public part"] = kemPKCS8(t, 2, v.Bytes(), v.EncapsulationKey().Bytes())
	case *mlkem.DecapsulationKey1024:
		made["PKCS#8"] = kemPKCS8(t, 3, v.Bytes(), nil)
		made["PKCS#8 with public part"] = kemPKCS8(t, 3, v.Bytes(), v.EncapsulationKey().Bytes())
	default:
		made["PKCS#8"], err = x509.MarshalPKCS8PrivateKey(v)
		require.NoError(t, err)
	}
	return made
}

// privateKeyInfo is RFC 5958 with what a test wants in it.
type privateKeyInfo struct {
	Version    int
	Algorithm  pkix.AlgorithmIdentifier
	PrivateKey []byte
	PublicKey  asn1.BitString `asn1:"optional,omitempty,tag:1"`
}

func marshalInfo(t testing.TB, object asn1.ObjectIdentifier, parameters, private, public []byte) []byte {
	t.Helper()
	info := privateKeyInfo{Algorithm: pkix.AlgorithmIdentifier{Algorithm: object}, PrivateKey: private}
	if parameters != nil {
		info.Algorithm.Parameters = asn1.RawValue{FullBytes: parameters}
	}
	if public != nil {
		info.Version = 1
		info.PublicKey = asn1.BitString{Bytes: public, BitLength: len(public) * 8}
	}
	der, err := asn1.Marshal(info)
	require.NoError(t, err)
	return der
}

func kemPKCS8(t testing.TB, last int, seed, public []byte) []byte {
	t.Helper()
	return marshalInfo(t, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, last}, nil, append([]byte{0x80, byte(len(seed))}, seed...), public)
}

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

func TestImport_BothMethodsAndEverySizeOfWrappingKey(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "ES256", 0, "")
	for _, c := range []struct {
		method string
		size   int
		curve  string
	}{
		{keyimport.MethodRSA, 0, ""},
		{keyimport.MethodRSA, 4096, ""},
		{keyimport.MethodECDH, 0, ""},
		{keyimport.MethodECDH, 0, "P-384"},
		{keyimport.MethodECDH, 0, "P-521"},
	} {
		if c.size == 4096 && testing.Short() {
			continue
		}
		wrappingSpec, err := keyimport.WrappingSpec(c.method, c.size, c.curve)
		require.NoError(t, err)
		wrapping := wrappingKeys()[c.method]
		if c.size != 0 || c.curve != "" {
			wrapping = generate(t, wrappingSpec)
		}
		key := generate(t, spec)
		for form, material := range forms(t, key) {
			got, err := keyimport.Import(spec, c.method, wrapping, wrap(t, c.method, wrapping, material))
			require.NoError(t, err, "%v %s", c, form)
			assert.Equal(t, key.ThumbprintSHA256(), got.ThumbprintSHA256())
		}
	}
	for _, c := range []struct {
		method string
		size   int
		curve  string
	}{{"", 0, ""}, {"RSA-OAEP-256", 0, ""}, {keyimport.MethodRSA, 2048, ""}, {keyimport.MethodRSA, 3073, ""}, {keyimport.MethodRSA, 0, "P-256"}, {keyimport.MethodECDH, 0, "X25519"}, {keyimport.MethodECDH, 3072, ""}} {
		_, err := keyimport.WrappingSpec(c.method, c.size, c.curve)
		assertCode(t, err, "unsupported_algorithm", c)
	}
}

func TestImport_WhatDoesNotOpenIsOneError(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "A256GCM/A256KW", 0, "")
	material := random(t, 32)
	rsaWrapping, ecWrapping := wrappingKeys()[keyimport.MethodRSA], wrappingKeys()[keyimport.MethodECDH]
	public := &rsaWrapping.Material().(*rsa.PrivateKey).PublicKey
	other, err := rsa.GenerateKey(rand.Reader, 3072)
	require.NoError(t, err)
	otherEC := generate(t, parseSpec(t, "A256GCM/ECDH-ES+A256KW", 0, ""))
	good := wrap(t, keyimport.MethodRSA, rsaWrapping, material)
	flip := func(wrapped []byte, at int) []byte {
		changed := bytes.Clone(wrapped)
		changed[at] ^= 1
		return changed
	}
	messages := map[string]bool{}
	for reason, wrapped := range map[string][]byte{
		"another wrapping key":      wrapRSA(t, &other.PublicKey, crypto.SHA256, random(t, 32), material),
		"another hash":              wrapRSA(t, public, crypto.SHA384, random(t, 32), material),
		"an AES key of 128 bits":    wrapRSA(t, public, crypto.SHA256, random(t, 16), material),
		"an AES key of 192 bits":    wrapRSA(t, public, crypto.SHA256, random(t, 24), material),
		"damaged in the first part": flip(good, 9),
		"damaged in the rest":       flip(good, len(good)-1),
		"cut":                       good[:len(good)-8],
		"longer":                    append(bytes.Clone(good), make([]byte, 8)...),
		"zeros":                     make([]byte, 384+40),
	} {
		_, err := keyimport.Import(spec, keyimport.MethodRSA, rsaWrapping, wrapped)
		require.Error(t, err, reason)
		assertCode(t, err, "import_wrong_key", reason)
		messages[err.Error()] = true
	}
	message := string(wrap(t, keyimport.MethodECDH, ecWrapping, material))
	for reason, wrapped := range map[string]string{
		"another wrapping key": string(wrap(t, keyimport.MethodECDH, otherEC, material)),
		"damaged":              message[:len(message)-12] + strings.Repeat("A", 8) + message[len(message)-4:],
		"without the tag":      message[:strings.LastIndex(message, ".")+1],
	} {
		_, err := keyimport.Import(spec, keyimport.MethodECDH, ecWrapping, []byte(wrapped))
		require.Error(t, err, reason)
		assertCode(t, err, "import_wrong_key", reason)
		messages[err.Error()] = true
	}
	assert.Len(t, messages, 1, "the reason must not show")
}

func TestImport_MalformedWrappings(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "A256GCM/A256KW", 0, "")
	rsaWrapping, ecWrapping := wrappingKeys()[keyimport.MethodRSA], wrappingKeys()[keyimport.MethodECDH]
	good := wrap(t, keyimport.MethodRSA, rsaWrapping, random(t, 32))
	public, err := ecWrapping.Public()
	require.NoError(t, err)
	weakContent, err := jwe.Encrypt(public, jwe.Header{Encryption: "A128GCM"}, random(t, 32))
	require.NoError(t, err)
	free := *public
	free.Attributes = jwk.Attributes{}
	otherMode, err := jwe.Encrypt(&free, jwe.Header{Algorithm: "ECDH-ES", Encryption: "A256GCM"}, random(t, 32))
	require.NoError(t, err)
	damagedEphemeral := "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImVuYyI6IkEyNTZHQ00ifQ.AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA" // no "epk"
	for _, c := range []struct {
		method  string
		wrapped []byte
	}{
		{keyimport.MethodRSA, nil},
		{keyimport.MethodRSA, good[:383]},
		{keyimport.MethodRSA, good[:384]},
		{keyimport.MethodRSA, good[:392]},
		{keyimport.MethodRSA, good[:len(good)-1]},
		{keyimport.MethodRSA, append(bytes.Clone(good), 0)},
		{keyimport.MethodRSA, make([]byte, keyimport.MaxWrapped+1)},
		{keyimport.MethodECDH, nil},
		{keyimport.MethodECDH, []byte("a.b.c")},
		{keyimport.MethodECDH, good},
		{keyimport.MethodECDH, append(wrap(t, keyimport.MethodECDH, ecWrapping, random(t, 32)), '.')},
		{keyimport.MethodECDH, []byte(weakContent)},
		{keyimport.MethodECDH, []byte(otherMode)},
		{keyimport.MethodECDH, []byte(damagedEphemeral)},
		{keyimport.MethodECDH, bytes.Repeat([]byte("A"), keyimport.MaxWrapped+1)},
	} {
		_, err := keyimport.Import(spec, c.method, wrappingKeys()[c.method], c.wrapped)
		require.Error(t, err, "%s %.80s", c.method, c.wrapped)
		assertCode(t, err, "import_malformed")
	}
}

func TestImport_TakesWrappingKeysForItsPurposeOnly(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "A256GCM/A256KW", 0, "")
	rsaWrapping, ecWrapping := wrappingKeys()[keyimport.MethodRSA], wrappingKeys()[keyimport.MethodECDH]
	rsaPublic, err := rsaWrapping.Public()
	require.NoError(t, err)
	ecPublic, err := ecWrapping.Public()
	require.NoError(t, err)
	short, err := jwk.FromMaterial(rsaKey(), jwk.Attributes{Algorithm: "RSA-OAEP-256"})
	require.NoError(t, err)
	unnamed, signing, reading := *rsaWrapping, *ecWrapping, *rsaWrapping
	unnamed.Algorithm, signing.Algorithm, reading.Operations = "", "ECDH-ES", []string{"verify"}
	for _, c := range []struct {
		method string
		key    *jwk.Key
		code   string
	}{
		{keyimport.MethodRSA, ecWrapping, "key_mismatch"},
		{keyimport.MethodRSA, rsaPublic, "key_mismatch"},
		{keyimport.MethodRSA, short, "key_mismatch"},
		{keyimport.MethodRSA, &unnamed, "key_mismatch"},
		{keyimport.MethodRSA, &reading, "key_mismatch"},
		{keyimport.MethodECDH, rsaWrapping, "key_mismatch"},
		{keyimport.MethodECDH, ecPublic, "key_mismatch"},
		{keyimport.MethodECDH, &signing, "key_mismatch"},
		{"", ecWrapping, "unsupported_algorithm"},
		{"RSA-OAEP-256", rsaWrapping, "unsupported_algorithm"},
	} {
		_, err := keyimport.Import(spec, c.method, c.key, make([]byte, 512))
		require.Error(t, err)
		assertCode(t, err, c.code, c.method)
	}
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

func TestCommitment_IsOfTheMaterialAlone(t *testing.T) {
	t.Parallel()
	secret := random(t, 32)
	seen := map[string]bool{}
	for _, algorithm := range []string{"ES256", "ES384", "Ed25519", "ML-KEM-768", "HS256", "A256GCM/A256KW"} {
		key := generate(t, parseSpec(t, algorithm, 0, ""))
		commitment, err := keyimport.Commitment(key, secret)
		require.NoError(t, err)
		assert.Len(t, commitment, 43)
		assert.False(t, seen[commitment])
		seen[commitment] = true
		for form, material := range forms(t, key) {
			again, err := importOne(t, parseSpec(t, algorithm, 0, ""), material)
			require.NoError(t, err, form)
			again.ID = "renamed"
			same, err := keyimport.Matches(commitment, again, secret)
			require.NoError(t, err)
			assert.True(t, same, form)
		}
		same, err := keyimport.Matches(commitment, generate(t, parseSpec(t, algorithm, 0, "")), secret)
		require.NoError(t, err)
		assert.False(t, same)
		same, err = keyimport.Matches(commitment, key, random(t, 32))
		require.NoError(t, err)
		assert.Equal(t, !key.IsSymmetric(), same, "a public thumbprint needs no secret")
		if key.IsSymmetric() {
			assert.NotEqual(t, key.ThumbprintSHA256(), commitment, "a hash of the key alone could be tried out")
		} else {
			assert.Equal(t, key.ThumbprintSHA256(), commitment)
		}
	}
	key := generate(t, parseSpec(t, "HS256", 0, ""))
	_, err := keyimport.Commitment(key, secret[:31])
	assertCode(t, err, "invalid_input")
	_, err = keyimport.Matches("", key, nil)
	assertCode(t, err, "invalid_input")
}

// The answer was computed with Python's hmac: the secret is the bytes 0 to 31, the key the bytes 255 down to 224.
func TestCommitment_KnownAnswer(t *testing.T) {
	t.Parallel()
	secret, material := make([]byte, 32), make([]byte, 32)
	for i := range secret {
		secret[i], material[i] = byte(i), byte(0xff-i)
	}
	key, err := jwk.FromMaterial(material, jwk.Attributes{})
	require.NoError(t, err)
	commitment, err := keyimport.Commitment(key, secret)
	require.NoError(t, err)
	assert.Equal(t, "6FnpzPjJJtMNvdfp8aElbdK6BGtnvvCSpwNHFnvldP0", commitment)
}

func newEC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func newEd25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}
