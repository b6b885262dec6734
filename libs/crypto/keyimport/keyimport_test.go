package keyimport_test

import (
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
