package jwk_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// exampleSeed is that of the examples of RFC 9935 appendix C: the bytes 0 to 63.
func exampleSeed() []byte {
	seed := make([]byte, 64)
	for i := range seed {
		seed[i] = byte(i)
	}
	return seed
}

func decapsulationKey(t testing.TB, parameterSet string) string {
	t.Helper()
	var material any
	var err error
	if parameterSet == "ML-KEM-768" {
		material, err = mlkem.NewDecapsulationKey768(exampleSeed())
	} else {
		material, err = mlkem.NewDecapsulationKey1024(exampleSeed())
	}
	require.NoError(t, err)
	text, err := newKey(t, material, jwk.Attributes{}).MarshalPrivate()
	require.NoError(t, err)
	return string(text)
}

func TestKEMKeys_HaveTheMembersOfTheStandard(t *testing.T) {
	t.Parallel()
	encode := base64.RawURLEncoding.EncodeToString
	for parameterSet, size := range map[string]int{"ML-KEM-768": 1184, "ML-KEM-1024": 1568} {
		key, err := jwk.Parse([]byte(decapsulationKey(t, parameterSet)))
		require.NoError(t, err)
		assert.Equal(t, alg.KeyTypeAKP, key.Type())
		assert.Equal(t, parameterSet, key.ParameterSet())
		assert.Equal(t, parameterSet, key.Algorithm)
		assert.Zero(t, key.Size())
		assert.Empty(t, key.Curve())
		assert.True(t, key.IsPrivate())
		assert.False(t, key.IsSymmetric())
		public, err := key.Public()
		require.NoError(t, err)
		encapsulator, ok := public.Material().(interface{ Bytes() []byte })
		require.True(t, ok)
		require.Len(t, encapsulator.Bytes(), size)

		text, err := key.MarshalPrivate()
		require.NoError(t, err)
		identity := fmt.Sprintf(`{"alg":%q,"kty":"AKP","pub":%q`, parameterSet, encode(encapsulator.Bytes()))
		assert.Equal(t, identity+`,"priv":"`+encode(exampleSeed())+`"}`, string(text))
		text, err = key.MarshalPublic()
		require.NoError(t, err)
		assert.Equal(t, identity+`}`, string(text))
		sum := sha256.Sum256([]byte(identity + `}`))
		assert.Equal(t, encode(sum[:]), key.ThumbprintSHA256(), "the members of RFC 9964, in order")
		assert.Contains(t, key.String(), parameterSet)
	}
}

func TestKEMKeys_MaterialIsThatOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	seed := exampleSeed()
	small, err := mlkem.NewDecapsulationKey768(seed)
	require.NoError(t, err)
	large, err := mlkem.NewDecapsulationKey1024(seed)
	require.NoError(t, err)
	for _, given := range []any{small, large, small.EncapsulationKey(), large.EncapsulationKey()} {
		key := newKey(t, given, jwk.Attributes{})
		assert.IsType(t, given, key.Material())
		assert.Equal(t, given.(interface{ Bytes() []byte }).Bytes(), key.Material().(interface{ Bytes() []byte }).Bytes())
	}
	key := newKey(t, small, jwk.Attributes{})
	_, err = key.ECDHPublic()
	require.Error(t, err)
	key.Zero()
	text, err := key.MarshalPrivate()
	require.NoError(t, err)
	assert.Contains(t, string(text), `"priv":"`+strings.Repeat("A", 86)+`"`, "the seed is overwritten")
	assert.IsType(t, &mlkem.EncapsulationKey768{}, key.Material(), "the decapsulation key is let go")
	assert.Equal(t, seed, small.Bytes(), "the caller's key is another")
}

func TestParse_RefusesKEMKeys(t *testing.T) {
	t.Parallel()
	encode := base64.RawURLEncoding.EncodeToString
	whole := decapsulationKey(t, "ML-KEM-768")
	other, err := mlkem.GenerateKey768()
	require.NoError(t, err)
	notReduced := bytes.Repeat([]byte{0xff}, 1184)
	for reason, text := range map[string]string{
		"alg missing":             with(t, whole, "alg", nil),
		"alg empty":               with(t, whole, "alg", ""),
		"alg of another size":     with(t, whole, "alg", "ML-KEM-1024"),
		"pub missing":             with(t, whole, "pub", nil),
		"pub empty":               with(t, whole, "pub", ""),
		"pub not a string":        with(t, whole, "pub", 7),
		"pub short":               with(t, whole, "pub", encode(make([]byte, 1183))),
		"pub long":                with(t, whole, "pub", encode(make([]byte, 1185))),
		"pub padded":              with(t, whole, "pub", encode(make([]byte, 1184))+"="),
		"pub another's":           with(t, whole, "pub", encode(other.EncapsulationKey().Bytes())),
		"pub not reduced":         with(t, with(t, whole, "priv", nil), "pub", encode(notReduced)),
		"priv empty":              with(t, whole, "priv", ""),
		"priv half":               with(t, whole, "priv", encode(make([]byte, 32))),
		"priv expanded":           with(t, whole, "priv", encode(make([]byte, 2400))),
		"priv another's":          with(t, whole, "priv", encode(other.Bytes())),
		"priv without pub":        `{"kty":"AKP","alg":"ML-KEM-768","priv":"` + encode(exampleSeed()) + `"}`,
		"a use it does not have":  with(t, whole, "use", "sig"),
		"an operation of others":  with(t, whole, "key_ops", []any{"sign"}),
		"an operation and no use": with(t, whole, "key_ops", []any{"sign", "decapsulateBits"}),
	} {
		_, err := jwk.Parse([]byte(text))
		require.Error(t, err, reason)
		assertCode(t, err, "invalid_jwk")
	}
	for _, name := range []string{"ML-KEM-512", "ML-DSA-65", "ES256", "ml-kem-768"} {
		_, err := jwk.Parse([]byte(with(t, whole, "alg", name)))
		require.Error(t, err, name)
		assertCode(t, err, "unsupported_algorithm")
	}
	// crypto/mlkem's checks stand behind those of the members.
	_, err = jwk.Parse([]byte(with(t, with(t, whole, "priv", nil), "alg", "ML-KEM-768")))
	require.NoError(t, err)
}

// pkixPrefix is the DER of a SubjectPublicKeyInfo before the key, as in the examples of RFC 9935 appendix C.
func pkixPrefix(t *testing.T, parameterSet string) []byte {
	t.Helper()
	digits := "308204b2300b0609608648016503040402038204a100"
	if parameterSet == "ML-KEM-1024" {
		digits = "30820632300b06096086480165030404030382062100"
	}
	prefix, err := hex.DecodeString(digits)
	require.NoError(t, err)
	return prefix
}

func TestMarshalPKIX_KEMKeys(t *testing.T) {
	t.Parallel()
	for _, parameterSet := range []string{"ML-KEM-768", "ML-KEM-1024"} {
		key, err := jwk.Parse([]byte(decapsulationKey(t, parameterSet)))
		require.NoError(t, err)
		der, err := key.MarshalPKIX()
		require.NoError(t, err)
		public, err := key.Public()
		require.NoError(t, err)
		assert.Equal(t, append(pkixPrefix(t, parameterSet), public.Material().(interface{ Bytes() []byte }).Bytes()...), der)
		if parameterSet == "ML-KEM-1024" { // the beginning of the example of RFC 9935
			assert.Equal(t, "4b94c2945011119182", hex.EncodeToString(der[22:31]))
		}
		again, err := jwk.ParsePKIX(der, jwk.Attributes{ID: "k1"})
		require.NoError(t, err)
		assert.Equal(t, key.ThumbprintSHA256(), again.ThumbprintSHA256())
		assert.Equal(t, jwk.Attributes{ID: "k1", Algorithm: parameterSet}, again.Attributes)
		_, err = jwk.ParsePKIX(der, jwk.Attributes{Algorithm: "ES256"})
		assertCode(t, err, "invalid_jwk")
	}
}

func TestMarshalPEM_EveryKind(t *testing.T) {
	t.Parallel()
	for name, material := range materials(t) {
		key := newKey(t, material, jwk.Attributes{})
		text, err := key.MarshalPEM()
		if key.IsSymmetric() {
			assertCode(t, err, "key_mismatch")
			continue
		}
		require.NoError(t, err, name)
		assert.True(t, strings.HasPrefix(string(text), "-----BEGIN PUBLIC KEY-----\n"))
		again, err := jwk.ParsePEM(text, jwk.Attributes{})
		require.NoError(t, err, name)
		assert.False(t, again.IsPrivate())
		assert.Equal(t, key.ThumbprintSHA256(), again.ThumbprintSHA256())
		same, err := again.MarshalPEM()
		require.NoError(t, err)
		assert.Equal(t, string(text), string(same))
	}
}

func TestParsePEM_Refuses(t *testing.T) {
	t.Parallel()
	key, err := jwk.Parse([]byte(decapsulationKey(t, "ML-KEM-768")))
	require.NoError(t, err)
	good, err := key.MarshalPEM()
	require.NoError(t, err)
	der, err := key.MarshalPKIX()
	require.NoError(t, err)
	block := func(label string, der []byte, headers map[string]string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der, Headers: headers}))
	}
	withParameters, err := asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 2}, Parameters: asn1.NullRawValue},
		asn1.BitString{Bytes: der[22:], BitLength: 1184 * 8},
	})
	require.NoError(t, err)
	odd := bytes.Clone(der)
	odd[21] = 1 // unused bits
	odd[len(odd)-1] &^= 1
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	unsupported, err := x509.MarshalPKIXPublicKey(&p224.PublicKey)
	require.NoError(t, err)
	for reason, text := range map[string]string{
		"empty":               "",
		"no PEM":              "hello",
		"two blocks":          string(good) + string(good),
		"another label":       block("PRIVATE KEY", der, nil),
		"headers":             block("PUBLIC KEY", der, map[string]string{"A": "b"}),
		"no DER":              block("PUBLIC KEY", []byte("hello"), nil),
		"trailing data":       block("PUBLIC KEY", append(bytes.Clone(der), 0), nil),
		"a byte less":         block("PUBLIC KEY", der[:len(der)-1], nil),
		"parameters":          block("PUBLIC KEY", withParameters, nil),
		"unused bits":         block("PUBLIC KEY", odd, nil),
		"an unsupported key":  block("PUBLIC KEY", unsupported, nil),
		"an unknown key":      block("PUBLIC KEY", bytes.Replace(der, []byte{3, 4, 4, 2}, []byte{3, 4, 4, 9}, 1), nil),
		"a key of other size": block("PUBLIC KEY", bytes.Replace(der, []byte{3, 4, 4, 2}, []byte{3, 4, 4, 3}, 1), nil),
	} {
		_, err := jwk.ParsePEM([]byte(text), jwk.Attributes{})
		require.Error(t, err, reason)
		assertCode(t, err, "invalid_jwk")
	}
	_, err = jwk.ParsePKIX(bytes.Replace(der, []byte{3, 4, 4, 2}, []byte{3, 4, 4, 1}, 1), jwk.Attributes{})
	assertCode(t, err, "unsupported_algorithm")
}

// crypto/x509 makes no certificate for an ML-KEM key, so that one for an EC key of the same length is signed and changed: only the parser
// looks at it.
func TestParse_CertificatesOfKEMKeys(t *testing.T) {
	t.Parallel()
	issuer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	key, err := jwk.Parse([]byte(decapsulationKey(t, "ML-KEM-768")))
	require.NoError(t, err)
	public, err := key.MarshalPKIX()
	require.NoError(t, err)
	certificate := certifyDER(t, public, issuer)
	parsed, err := x509.ParseCertificate(certificate)
	require.NoError(t, err)
	require.Equal(t, public, parsed.RawSubjectPublicKeyInfo)

	_, err = jwk.FromMaterial(key.Material(), jwk.Attributes{Certificates: [][]byte{certificate}})
	require.NoError(t, err)
	other, err := mlkem.GenerateKey768()
	require.NoError(t, err)
	_, err = jwk.FromMaterial(other, jwk.Attributes{Certificates: [][]byte{certificate}})
	require.ErrorContains(t, err, "another key")
	assertCode(t, err, "invalid_jwk")
}

// certifyDER puts a public key, whatever it is, into a certificate whose signature is not for it.
func certifyDER(t *testing.T, public []byte, issuer *ecdsa.PrivateKey) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &issuer.PublicKey, issuer)
	require.NoError(t, err)
	own, err := x509.MarshalPKIXPublicKey(&issuer.PublicKey)
	require.NoError(t, err)
	var outer struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	_, err = asn1.Unmarshal(der, &outer)
	require.NoError(t, err)
	content := bytes.Replace(outer.TBS.Bytes, own, public, 1)
	tbs, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content})
	require.NoError(t, err)
	outer.TBS = asn1.RawValue{FullBytes: tbs}
	changed, err := asn1.Marshal(outer)
	require.NoError(t, err)
	return changed
}

func FuzzParsePEM(f *testing.F) {
	for _, parameterSet := range []string{"ML-KEM-768", "ML-KEM-1024"} {
		key, err := jwk.Parse([]byte(decapsulationKey(f, parameterSet)))
		require.NoError(f, err)
		der, err := key.MarshalPKIX()
		require.NoError(f, err)
		f.Add(der)
	}
	for _, material := range materials(f) {
		if der, err := newKey(f, material, jwk.Attributes{}).MarshalPKIX(); err == nil {
			f.Add(der)
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		_, _ = jwk.ParsePEM(der, jwk.Attributes{})
		key, err := jwk.ParsePEM(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), jwk.Attributes{})
		if err != nil {
			return
		}
		written, err := key.MarshalPKIX()
		require.NoError(t, err)
		again, err := jwk.ParsePKIX(written, jwk.Attributes{})
		require.NoError(t, err)
		require.Equal(t, key.ThumbprintSHA256(), again.ThumbprintSHA256())
	})
}
