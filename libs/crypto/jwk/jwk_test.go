package jwk_test

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
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

// materials returns one private or symmetric key of each kind.
func materials(t testing.TB) map[string]any {
	t.Helper()
	made := map[string]any{"RSA": rsaKey(), "oct": []byte("0123456789abcdef0123456789abcdef")}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		made[name] = key
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	made["Ed25519"] = private
	made["ML-KEM-768"], err = mlkem.GenerateKey768()
	require.NoError(t, err)
	made["ML-KEM-1024"], err = mlkem.GenerateKey1024()
	require.NoError(t, err)
	return made
}

func newKey(t testing.TB, material any, attributes jwk.Attributes) *jwk.Key {
	t.Helper()
	key, err := jwk.FromMaterial(material, attributes)
	require.NoError(t, err)
	return key
}

func assertCode(t *testing.T, err error, code string) {
	t.Helper()
	var coded interface{ ErrorCode() string }
	require.ErrorAs(t, err, &coded)
	assert.Equal(t, code, coded.ErrorCode(), err)
}

func TestMarshalAndParse_EveryKind(t *testing.T) {
	t.Parallel()
	for name, material := range materials(t) {
		key := newKey(t, material, jwk.Attributes{ID: "id \"1\"", Operations: []string{"custom"}})
		assert.True(t, key.IsPrivate())
		text, err := key.MarshalPrivate()
		require.NoError(t, err)
		parsed, err := jwk.Parse(text)
		require.NoError(t, err, name)
		assert.Equal(t, key.Attributes, parsed.Attributes)
		again, err := parsed.MarshalPrivate()
		require.NoError(t, err)
		assert.JSONEq(t, string(text), string(again))
		assert.Equal(t, key.ThumbprintSHA256(), parsed.ThumbprintSHA256())

		if key.IsSymmetric() {
			_, err := key.MarshalPublic()
			assertCode(t, err, "key_mismatch")
			continue
		}
		text, err = key.MarshalPublic()
		require.NoError(t, err)
		public, err := jwk.Parse(text)
		require.NoError(t, err, name)
		assert.False(t, public.IsPrivate())
		assert.Equal(t, key.ThumbprintSHA256(), public.ThumbprintSHA256())
		_, err = public.MarshalPrivate()
		assertCode(t, err, "key_mismatch")
		fromPublic := newKey(t, public.Material(), jwk.Attributes{})
		assert.Equal(t, key.ThumbprintSHA256(), fromPublic.ThumbprintSHA256())
	}
}

// RFC 7638 section 3.1 and RFC 8037 appendix A.3.
func TestThumbprint_RFCExamples(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
	} {
		key, err := jwk.Parse([]byte(text))
		require.NoError(t, err)
		assert.Equal(t, want, key.ThumbprintSHA256())
	}
}

func TestFromMaterial_TakesAgreementKeys(t *testing.T) {
	t.Parallel()
	for _, curve := range []ecdh.Curve{ecdh.P256(), ecdh.P384(), ecdh.P521()} {
		private, err := curve.GenerateKey(rand.Reader)
		require.NoError(t, err)
		key := newKey(t, private, jwk.Attributes{Algorithm: "ECDH-ES"})
		back, err := key.ECDHPrivate()
		require.NoError(t, err)
		assert.True(t, private.Equal(back))
		public := newKey(t, private.PublicKey(), jwk.Attributes{})
		peer, err := public.ECDHPublic()
		require.NoError(t, err)
		assert.True(t, private.PublicKey().Equal(peer))
		_, err = public.ECDHPrivate()
		require.Error(t, err)
		_, err = public.AESBlock()
		require.Error(t, err)
		_, err = public.AESGCM()
		require.Error(t, err)
	}
}

func TestFromMaterial_RefusesWithoutPanic(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	otherEC, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	mixedEC := *ec
	mixedEC.PublicKey = otherEC.PublicKey
	otherCurve := ec.PublicKey
	otherCurve.Curve = elliptic.P384()
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ed[40] ^= 1
	r := rsaKey()
	wrongD := &rsa.PrivateKey{PublicKey: r.PublicKey, D: big.NewInt(3), Primes: r.Primes}
	wrongN := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Add(r.N, big.NewInt(2)), E: r.E}, D: r.D, Primes: r.Primes}
	for i, material := range []any{
		nil, "text", 17,
		struct{}{},
		(*rsa.PrivateKey)(nil), (*rsa.PublicKey)(nil), &rsa.PublicKey{}, &rsa.PrivateKey{}, wrongD, wrongN,
		&rsa.PrivateKey{PublicKey: r.PublicKey}, &rsa.PrivateKey{PublicKey: r.PublicKey, D: r.D, Primes: []*big.Int{nil, nil}},
		&rsa.PublicKey{N: r.N, E: 3}, &rsa.PublicKey{N: r.N, E: 65538}, &rsa.PublicKey{N: r.N, E: 1}, &rsa.PublicKey{N: r.N, E: -65537},
		&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}, &rsa.PublicKey{N: new(big.Int).Neg(r.N), E: 65537},
		&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}, &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8193, 1), E: 65537},
		(*ecdsa.PrivateKey)(nil), (*ecdsa.PublicKey)(nil), &ecdsa.PublicKey{}, &ecdsa.PrivateKey{},
		&ecdsa.PublicKey{Curve: elliptic.P256()}, &ecdsa.PrivateKey{PublicKey: ec.PublicKey},
		&ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}, //nolint:staticcheck // the only way to a bad point
		&ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(0), Y: big.NewInt(0)}, //nolint:staticcheck // the same
		&otherCurve,
		&mixedEC, p224, &p224.PublicKey,
		(*ecdh.PrivateKey)(nil), (*ecdh.PublicKey)(nil),
		(*mlkem.DecapsulationKey768)(nil), (*mlkem.DecapsulationKey1024)(nil), (*mlkem.EncapsulationKey768)(nil), (*mlkem.EncapsulationKey1024)(nil),
		&mlkem.DecapsulationKey768{}, &mlkem.DecapsulationKey1024{}, &mlkem.EncapsulationKey768{}, &mlkem.EncapsulationKey1024{},
		ed, ed[:32], ed25519.PrivateKey(nil), ed25519.PublicKey(nil), ed25519.PublicKey(ed),
		[]byte(nil),
		[]byte{},
		make([]byte, 15),
	} {
		_, err := jwk.FromMaterial(material, jwk.Attributes{})
		require.Error(t, err, "%d: %T", i, material)
		assertCode(t, err, "invalid_jwk")
	}
}

func TestAttributesMustFitTheKey(t *testing.T) {
	t.Parallel()
	made := materials(t)
	for _, c := range []struct {
		material   string
		attributes jwk.Attributes
		code       string
	}{
		{"RSA", jwk.Attributes{Algorithm: "RS256"}, ""},
		{"RSA", jwk.Attributes{Algorithm: "RSA-OAEP-256", Use: "enc"}, ""},
		{"RSA", jwk.Attributes{Algorithm: "RSA-OAEP"}, "unsupported_algorithm"},
		{"RSA", jwk.Attributes{Algorithm: "RSA1_5"}, "unsupported_algorithm"},
		{"RSA", jwk.Attributes{Algorithm: "ES256"}, "invalid_jwk"},
		{"RSA", jwk.Attributes{Algorithm: "RS256", Use: "enc"}, "invalid_jwk"},
		{"RSA", jwk.Attributes{Algorithm: "RS256", Operations: []string{"decrypt"}}, "invalid_jwk"},
		{"RSA", jwk.Attributes{Use: "sig", Operations: []string{"unwrapKey"}}, "invalid_jwk"},
		{"RSA", jwk.Attributes{Operations: []string{"sign", "unwrapKey"}}, "invalid_jwk"},
		{"RSA", jwk.Attributes{Operations: []string{"sign", "sign"}}, "invalid_jwk"},
		{"RSA", jwk.Attributes{Use: "both"}, "invalid_jwk"},
		{"P-256", jwk.Attributes{Algorithm: "ES256"}, ""},
		{"P-256", jwk.Attributes{Algorithm: "ECDH-ES+A128KW"}, ""},
		{"P-256", jwk.Attributes{Algorithm: "ES384"}, "invalid_jwk"},
		{"P-256", jwk.Attributes{Algorithm: "ES256K"}, "unsupported_algorithm"},
		{"P-521", jwk.Attributes{Algorithm: "ES512"}, ""},
		{"P-521", jwk.Attributes{Algorithm: "ES521"}, "unsupported_algorithm"},
		{"Ed25519", jwk.Attributes{Algorithm: "EdDSA"}, ""},
		{"Ed25519", jwk.Attributes{Algorithm: "ECDH-ES"}, "invalid_jwk"},
		{"oct", jwk.Attributes{Algorithm: "HS256"}, ""},
		{"oct", jwk.Attributes{Algorithm: "HS384"}, "invalid_jwk"},
		{"oct", jwk.Attributes{Algorithm: "A256KW"}, ""},
		{"oct", jwk.Attributes{Algorithm: "A128KW"}, "invalid_jwk"},
		{"oct", jwk.Attributes{Algorithm: "dir"}, ""},
		{"oct", jwk.Attributes{Algorithm: "A256GCM"}, ""},
		{"oct", jwk.Attributes{Algorithm: "A128CBC-HS256"}, ""},
		{"oct", jwk.Attributes{Algorithm: "A128GCM"}, "invalid_jwk"},
		{"oct", jwk.Attributes{Algorithm: "A256GCM", Use: "sig"}, "invalid_jwk"},
		{"oct", jwk.Attributes{Algorithm: "none"}, "unsupported_algorithm"},
		{"oct", jwk.Attributes{Algorithm: "HKDF-SHA256"}, ""},
		{"oct", jwk.Attributes{Algorithm: "HKDF-SHA256", Use: "enc", Operations: []string{"deriveBits"}}, ""},
		{"oct", jwk.Attributes{Algorithm: "HKDF-SHA256", Use: "sig"}, "invalid_jwk"},
		{"oct", jwk.Attributes{Algorithm: "HKDF-SHA384"}, "invalid_jwk"},
		{"oct", jwk.Attributes{Algorithm: "HKDF-SHA1"}, "unsupported_algorithm"},
		{"oct", jwk.Attributes{Algorithm: "ECDH"}, "invalid_jwk"},
		{"oct", jwk.Attributes{Algorithm: "ML-KEM-768"}, "invalid_jwk"},
		{"P-384", jwk.Attributes{Algorithm: "ECDH"}, ""},
		{"P-384", jwk.Attributes{Algorithm: "ECDH", Operations: []string{"sign"}}, "invalid_jwk"},
		{"P-384", jwk.Attributes{Algorithm: "HKDF-SHA384"}, "invalid_jwk"},
		{"Ed25519", jwk.Attributes{Algorithm: "ECDH"}, "invalid_jwk"},
		{"ML-KEM-768", jwk.Attributes{}, ""},
		{"ML-KEM-768", jwk.Attributes{Algorithm: "ML-KEM-768", Use: "enc", Operations: []string{"decapsulateBits"}}, ""},
		{"ML-KEM-768", jwk.Attributes{Algorithm: "ML-KEM-1024"}, "invalid_jwk"},
		{"ML-KEM-768", jwk.Attributes{Algorithm: "ML-KEM-512"}, "unsupported_algorithm"},
		{"ML-KEM-768", jwk.Attributes{Algorithm: "ES256"}, "invalid_jwk"},
		{"ML-KEM-768", jwk.Attributes{Algorithm: "A256KW"}, "invalid_jwk"},
		{"ML-KEM-768", jwk.Attributes{Algorithm: "A256GCM"}, "invalid_jwk"},
		{"ML-KEM-768", jwk.Attributes{Algorithm: "ECDH-ES"}, "invalid_jwk"},
		{"ML-KEM-768", jwk.Attributes{Use: "sig"}, "invalid_jwk"},
		{"ML-KEM-768", jwk.Attributes{Operations: []string{"sign"}}, "invalid_jwk"},
		{"oct", jwk.Attributes{Certificates: [][]byte{{1}}}, "invalid_jwk"},
	} {
		_, err := jwk.FromMaterial(made[c.material], c.attributes)
		if c.code == "" {
			require.NoError(t, err, "%v", c)
			continue
		}
		require.Error(t, err, "%v", c)
		assertCode(t, err, c.code)
	}
	key := newKey(t, made["Ed25519"], jwk.Attributes{Algorithm: "EdDSA"})
	assert.Equal(t, "Ed25519", key.Algorithm)
}

func TestPublic_TurnsOperationsRound(t *testing.T) {
	t.Parallel()
	made := materials(t)
	for _, c := range []struct{ private, public []string }{
		{[]string{"sign"}, []string{"verify"}},
		{[]string{"sign", "verify", "custom"}, []string{"verify", "custom"}},
		{[]string{"decrypt", "unwrapKey"}, []string{"encrypt", "wrapKey"}},
		{[]string{"deriveKey", "deriveBits"}, nil},
		{[]string{"decapsulateKey", "encapsulateKey", "decapsulateBits"}, []string{"encapsulateKey", "encapsulateBits"}},
	} {
		key := newKey(t, made["P-256"], jwk.Attributes{Operations: c.private})
		public, err := key.Public()
		require.NoError(t, err)
		assert.Equal(t, c.public, public.Operations)
		same, err := public.Public()
		require.NoError(t, err)
		assert.Equal(t, public.Attributes, same.Attributes)
	}
}

// No way of printing, logging or encoding a key shows its private part.
func TestKeysDoNotShowTheirPrivatePart(t *testing.T) {
	t.Parallel()
	for name, material := range materials(t) {
		key := newKey(t, material, jwk.Attributes{ID: "k1"})
		text, err := key.MarshalPrivate()
		require.NoError(t, err)
		var members map[string]any
		require.NoError(t, json.Unmarshal(text, &members))
		var secrets []string
		for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "priv"} {
			if value, ok := members[member].(string); ok {
				raw, err := base64.RawURLEncoding.DecodeString(value)
				require.NoError(t, err)
				part := raw[len(raw)/2:][:8]
				secrets = append(secrets, value[:12], string(part), fmt.Sprintf("%x", part), strings.Trim(fmt.Sprint(part), "[]"), new(big.Int).SetBytes(raw).String()[:12])
			}
		}
		require.NotEmpty(t, secrets)
		type holder struct {
			Pointer *jwk.Key
			Value   jwk.Key
			Any     any
			pointer *jwk.Key
			value   jwk.Key
		}
		held := holder{key, *key, key, key, *key}
		var shown []string
		_, _ = held.pointer, held.value
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			for _, v := range []any{key, *key, held, &held, []*jwk.Key{key}, map[string]any{"k": key}} {
				shown = append(shown, fmt.Sprintf(verb, v))
			}
		}
		var log strings.Builder
		for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(handler).Info("m", "key", key, "value", *key, "held", held)
		}
		shown = append(shown, log.String())
		for _, v := range []any{key, *key, held, []any{key}} {
			encoded, err := json.Marshal(v)
			require.NoError(t, err)
			shown = append(shown, string(encoded))
		}
		for _, text := range shown {
			for _, secret := range secrets {
				require.NotContains(t, text, secret, name)
			}
		}
	}
	var none *jwk.Key
	assert.Equal(t, "jwk(empty)", none.String())
	assert.Equal(t, "jwk(empty)", new(jwk.Key).String())
}

func TestZero_OverwritesThePrivatePart(t *testing.T) {
	t.Parallel()
	secret := []byte("0123456789abcdef")
	key := newKey(t, secret, jwk.Attributes{})
	own, ok := key.Material().([]byte)
	require.True(t, ok)
	key.Zero()
	assert.Equal(t, make([]byte, 16), own)
	assert.Equal(t, "0123456789abcdef", string(secret), "the caller's slice is another")

	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	newKey(t, ec, jwk.Attributes{}).Zero()
	_, err = ecdsa.SignASN1(rand.Reader, ec, make([]byte, 32))
	require.Error(t, err)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	numbers := append([]*big.Int{private.D, private.Precomputed.Dp, private.Precomputed.Dq, private.Precomputed.Qinv}, private.Primes...)
	words := make([][]big.Word, 0, len(numbers))
	for _, n := range numbers {
		words = append(words, n.Bits())
	}
	newKey(t, private, jwk.Attributes{}).Zero()
	for i, n := range numbers {
		require.Zero(t, n.Sign())
		for _, word := range words[i] {
			require.Zero(t, word)
		}
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	edKey := newKey(t, ed, jwk.Attributes{})
	edKey.Zero()
	assert.Equal(t, make(ed25519.PrivateKey, 64), edKey.Material())
}

func TestAESGCM_IsNonceCiphertextTag(t *testing.T) {
	t.Parallel()
	key := newKey(t, make([]byte, 32), jwk.Attributes{})
	aead, err := key.AESGCM()
	require.NoError(t, err)
	again, err := key.AESGCM()
	require.NoError(t, err)
	assert.Equal(t, aead, again)
	sealed := aead.Seal(nil, nil, []byte("text"), []byte("aad"))
	assert.Len(t, sealed, 12+4+16)
	opened, err := again.Open(nil, nil, sealed, []byte("aad"))
	require.NoError(t, err)
	assert.Equal(t, "text", string(opened))
	_, err = newKey(t, make([]byte, 33), jwk.Attributes{}).AESGCM()
	require.Error(t, err)
	assert.Equal(t, alg.KeyTypeOctet, key.Type())
	assert.Equal(t, 256, key.Size())
}
