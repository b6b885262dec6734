package keyimport_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// sec1 is RFC 5915 with what a test wants in it.
type sec1 struct {
	Version    int
	PrivateKey []byte
	Curve      asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	PublicKey  asn1.BitString        `asn1:"optional,explicit,tag:1,omitempty"`
}

var (
	objectEC      = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	objectP256    = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	objectP384    = asn1.ObjectIdentifier{1, 3, 132, 0, 34}
	objectEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}
	objectRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	objectPSS     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
)

func marshal(t testing.TB, value any) []byte {
	t.Helper()
	der, err := asn1.Marshal(value)
	require.NoError(t, err)
	return der
}

func bits(value []byte) asn1.BitString {
	return asn1.BitString{Bytes: value, BitLength: len(value) * 8}
}

func ecPKCS8(t testing.TB, parts sec1) []byte {
	t.Helper()
	return marshalInfo(t, objectEC, marshal(t, objectP256), marshal(t, parts), nil)
}

func TestImport_ECKeysOfEveryWriter(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "ES256", 0, "")
	key := newEC(t, elliptic.P256())
	var scalar []byte
	for { // one with a leading zero byte, which old writers leave out
		var err error
		scalar, err = key.Bytes()
		require.NoError(t, err)
		if scalar[0] == 0 {
			break
		}
		key = newEC(t, elliptic.P256())
	}
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	compressed := elliptic.MarshalCompressed(elliptic.P256(), key.X, key.Y)
	want, err := jwk.FromMaterial(key, jwk.Attributes{})
	require.NoError(t, err)
	for form, der := range map[string][]byte{
		"the scalar alone":       ecPKCS8(t, sec1{Version: 1, PrivateKey: scalar}),
		"with the public part":   ecPKCS8(t, sec1{Version: 1, PrivateKey: scalar, PublicKey: bits(point)}),
		"with it compressed":     ecPKCS8(t, sec1{Version: 1, PrivateKey: scalar, PublicKey: bits(compressed)}),
		"with the curve twice":   ecPKCS8(t, sec1{Version: 1, PrivateKey: scalar, Curve: objectP256}),
		"without a leading zero": ecPKCS8(t, sec1{Version: 1, PrivateKey: scalar[1:]}),
		"version 2 of PKCS#8":    marshalInfo(t, objectEC, marshal(t, objectP256), marshal(t, sec1{Version: 1, PrivateKey: scalar}), point),
	} {
		got, err := importOne(t, spec, der)
		require.NoError(t, err, form)
		assert.Equal(t, want.ThumbprintSHA256(), got.ThumbprintSHA256(), form)
	}
}

func TestImport_RefusesECKeys(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "ES256", 0, "")
	key, other := newEC(t, elliptic.P256()), newEC(t, elliptic.P256())
	scalar, err := key.Bytes()
	require.NoError(t, err)
	foreign, err := other.PublicKey.Bytes()
	require.NoError(t, err)
	good := marshal(t, sec1{Version: 1, PrivateKey: scalar})
	order := elliptic.P256().Params().N
	for reason, c := range map[string]struct {
		der  []byte
		code string
	}{
		"another's public part":          {ecPKCS8(t, sec1{Version: 1, PrivateKey: scalar, PublicKey: bits(foreign)}), "import_malformed"},
		"another's outside":              {marshalInfo(t, objectEC, marshal(t, objectP256), good, foreign), "import_malformed"},
		"two curves":                     {ecPKCS8(t, sec1{Version: 1, PrivateKey: scalar, Curve: objectP384}), "import_malformed"},
		"a scalar too long":              {ecPKCS8(t, sec1{Version: 1, PrivateKey: append([]byte{0}, scalar...)}), "import_malformed"},
		"version 2":                      {ecPKCS8(t, sec1{Version: 2, PrivateKey: scalar}), "import_malformed"},
		"trailing data":                  {marshalInfo(t, objectEC, marshal(t, objectP256), append(bytes.Clone(good), 0), nil), "import_malformed"},
		"no structure":                   {marshalInfo(t, objectEC, marshal(t, objectP256), scalar, nil), "import_malformed"},
		"no parameters":                  {marshalInfo(t, objectEC, nil, good, nil), "import_mismatch"},
		"parameters that name no curve":  {marshalInfo(t, objectEC, marshal(t, 5), good, nil), "import_mismatch"},
		"P-224":                          {marshalInfo(t, objectEC, marshal(t, asn1.ObjectIdentifier{1, 3, 132, 0, 33}), good, nil), "import_mismatch"},
		"secp256k1":                      {marshalInfo(t, objectEC, marshal(t, asn1.ObjectIdentifier{1, 3, 132, 0, 10}), good, nil), "import_mismatch"},
		"a scalar of zero":               {ecPKCS8(t, sec1{Version: 1, PrivateKey: make([]byte, 32)}), "import_weak"},
		"no scalar":                      {ecPKCS8(t, sec1{Version: 1, PrivateKey: []byte{}}), "import_weak"},
		"the order of the curve":         {ecPKCS8(t, sec1{Version: 1, PrivateKey: order.Bytes()}), "import_weak"},
		"above the order":                {ecPKCS8(t, sec1{Version: 1, PrivateKey: bytes.Repeat([]byte{0xff}, 32)}), "import_weak"},
		"one":                            {ecPKCS8(t, sec1{Version: 1, PrivateKey: []byte{1}}), "import_weak"},
		"a small number":                 {ecPKCS8(t, sec1{Version: 1, PrivateKey: append(make([]byte, 9), scalar[:23]...)}), "import_weak"},
		"an own copy of the wrong curve": {mustPKCS8(t, newEC(t, elliptic.P384())), "import_mismatch"},
	} {
		_, err := importOne(t, spec, c.der)
		require.Error(t, err, reason)
		assertCode(t, err, c.code, reason)
	}
}

func mustPKCS8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return der
}

func TestImport_RefusesOtherPrivateKeys(t *testing.T) {
	t.Parallel()
	ed := newEd25519(t)
	public := ed.Public().(ed25519.PublicKey)
	seed := random(t, 64)
	for reason, c := range map[string]struct {
		algorithm string
		der       []byte
		code      string
	}{
		"Ed25519 with its public part":    {"Ed25519", marshalInfo(t, objectEd25519, nil, marshal(t, ed.Seed()), public), ""},
		"Ed25519 with another's":          {"Ed25519", marshalInfo(t, objectEd25519, nil, marshal(t, ed.Seed()), random(t, 32)), "import_malformed"},
		"Ed25519 with parameters":         {"Ed25519", marshalInfo(t, objectEd25519, asn1.NullBytes, marshal(t, ed.Seed()), nil), "import_malformed"},
		"Ed25519, short":                  {"Ed25519", marshalInfo(t, objectEd25519, nil, marshal(t, ed.Seed()[:31]), nil), "import_malformed"},
		"Ed25519, expanded":               {"Ed25519", marshalInfo(t, objectEd25519, nil, marshal(t, []byte(ed)), nil), "import_malformed"},
		"Ed25519, bare":                   {"Ed25519", marshalInfo(t, objectEd25519, nil, ed.Seed(), nil), "import_malformed"},
		"Ed25519, constant":               {"Ed25519", marshalInfo(t, objectEd25519, nil, marshal(t, make([]byte, 32)), nil), "import_weak"},
		"Ed448":                           {"Ed25519", marshalInfo(t, asn1.ObjectIdentifier{1, 3, 101, 113}, nil, marshal(t, random(t, 57)), nil), "import_mismatch"},
		"X25519":                          {"Ed25519", marshalInfo(t, asn1.ObjectIdentifier{1, 3, 101, 110}, nil, marshal(t, random(t, 32)), nil), "import_mismatch"},
		"RSASSA-PSS":                      {"PS256", marshalInfo(t, objectPSS, nil, x509.MarshalPKCS1PrivateKey(rsaKey()), nil), "import_mismatch"},
		"ML-KEM-512":                      {"ML-KEM-768", kemPKCS8(t, 1, seed, nil), "import_mismatch"},
		"ML-KEM of another size":          {"ML-KEM-768", kemPKCS8(t, 3, seed, nil), "import_mismatch"},
		"ML-KEM with another's public":    {"ML-KEM-768", kemPKCS8(t, 2, seed, random(t, 1184)), "import_malformed"},
		"ML-KEM, large, another's public": {"ML-KEM-1024", kemPKCS8(t, 3, seed, random(t, 1568)), "import_malformed"},
		"ML-KEM, short":                   {"ML-KEM-768", kemPKCS8(t, 2, seed[:32], nil), "import_malformed"},
		"ML-KEM, expanded":                {"ML-KEM-768", marshalInfo(t, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 2}, nil, marshal(t, random(t, 2400)), nil), "import_malformed"},
		"ML-KEM with parameters":          {"ML-KEM-768", marshalInfo(t, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 2}, asn1.NullBytes, append([]byte{0x80, 64}, seed...), nil), "import_malformed"},
		"ML-KEM, constant":                {"ML-KEM-768", kemPKCS8(t, 2, make([]byte, 64), nil), "import_weak"},
		"ML-KEM, half constant":           {"ML-KEM-768", kemPKCS8(t, 2, append(make([]byte, 32), seed[:32]...), nil), "import_weak"},
		"ML-KEM, z constant":              {"ML-KEM-1024", kemPKCS8(t, 3, append(bytes.Clone(seed[:32]), make([]byte, 32)...), nil), "import_weak"},
		"ML-KEM, z equal to d":            {"ML-KEM-1024", kemPKCS8(t, 3, append(bytes.Clone(seed[:32]), seed[:32]...), nil), "import_weak"},
		"nothing":                         {"ES256", []byte{}, "import_malformed"},
		"text":                            {"ES256", []byte("hello"), "import_malformed"},
		"PEM":                             {"ES256", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: mustPKCS8(t, newEC(t, elliptic.P256()))}), "import_malformed"},
		"trailing data":                   {"ES256", append(mustPKCS8(t, newEC(t, elliptic.P256())), 0), "import_malformed"},
		"version 2":                       {"ES256", bytes.Replace(mustPKCS8(t, newEC(t, elliptic.P256())), []byte{2, 1, 0}, []byte{2, 1, 2}, 1), "import_malformed"},
	} {
		_, err := importOne(t, parseSpec(t, c.algorithm, 0, ""), c.der)
		if c.code == "" {
			require.NoError(t, err, reason)
			continue
		}
		require.Error(t, err, reason)
		assertCode(t, err, c.code, reason)
	}
}

// Whoever wraps another form learns which it is and how to get the right one.
func TestImport_ExplainsOtherForms(t *testing.T) {
	t.Parallel()
	ec := newEC(t, elliptic.P256())
	traditional, err := x509.MarshalECPrivateKey(ec)
	require.NoError(t, err)
	encrypted := marshal(t, struct {
		Algorithm struct{ Object asn1.ObjectIdentifier }
		Data      []byte
	}{struct{ Object asn1.ObjectIdentifier }{objectEC}, random(t, 32)})
	for explanation, material := range map[string][]byte{
		"the material is PEM":                pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: traditional}),
		"SEC 1":                              traditional,
		"PKCS#1":                             x509.MarshalPKCS1PrivateKey(rsaKey()),
		"encrypted with a password":          encrypted,
		"neither PKCS#8 DER nor a JWK":       random(t, 40),
		"holds no RSA private key":           marshalInfo(t, objectRSA, asn1.NullBytes, traditional, nil),
		"more than two primes":               marshalInfo(t, objectRSA, asn1.NullBytes, marshal(t, pkcs1{Version: 1, N: one, E: one, D: one, P: one, Q: one, Dp: one, Dq: one, Inverse: one}), nil),
		"is not positive, or longer":         marshalInfo(t, objectRSA, asn1.NullBytes, marshal(t, pkcs1{N: one, E: one, D: big.NewInt(0), P: one, Q: one, Dp: one, Dq: one, Inverse: one}), nil),
		"public exponent is longer than 31 ": marshalInfo(t, objectRSA, asn1.NullBytes, marshal(t, pkcs1{N: one, E: new(big.Int).Lsh(one, 32), D: one, P: one, Q: one, Dp: one, Dq: one, Inverse: one}), nil),
	} {
		_, err := importOne(t, parseSpec(t, "RS256", 2048, ""), material)
		require.ErrorContains(t, err, explanation)
	}
}

var one = big.NewInt(1)

// pkcs1 is RFC 8017 appendix A.1.2 with what a test wants in it.
type pkcs1 struct {
	Version                        int
	N, E, D, P, Q, Dp, Dq, Inverse *big.Int
}
