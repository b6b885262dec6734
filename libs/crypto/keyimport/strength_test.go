package keyimport_test

import (
	"bytes"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/keyimport"
)

// rsaParts computes an RSA private key from two numbers as if they were prime.
func rsaParts(p, q *big.Int, e int64) *pkcs1 {
	beforeP, beforeQ := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	gcd := new(big.Int).GCD(nil, nil, beforeP, beforeQ)
	order := new(big.Int).Div(new(big.Int).Mul(beforeP, beforeQ), gcd)
	parts := &pkcs1{N: new(big.Int).Mul(p, q), E: big.NewInt(e), P: p, Q: q}
	if parts.D = new(big.Int).ModInverse(parts.E, order); parts.D == nil {
		return nil
	}
	parts.Dp, parts.Dq = new(big.Int).Mod(parts.D, beforeP), new(big.Int).Mod(parts.D, beforeQ)
	if parts.Inverse = new(big.Int).ModInverse(q, p); parts.Inverse == nil {
		parts.Inverse = one // p and q have a common factor
	}
	return parts
}

func rsaPKCS8(t testing.TB, parts *pkcs1) []byte {
	t.Helper()
	require.NotNil(t, parts)
	return marshalInfo(t, objectRSA, asn1.NullBytes, marshal(t, *parts), nil)
}

// nextPrime returns the first prime p from n on with gcd(p-1, e) = 1.
func nextPrime(n *big.Int, e int64) *big.Int {
	p := new(big.Int).SetBit(n, 0, 1)
	for !p.ProbablyPrime(10) || new(big.Int).GCD(nil, nil, new(big.Int).Sub(p, one), big.NewInt(e)).Cmp(one) != 0 {
		p.Add(p, big.NewInt(2))
	}
	return p
}

// randomPrime returns a prime whose three highest bits are set, so that the product of two has twice as many bits, and that of three or four
// as many as one expects.
func randomPrime(t testing.TB, bits int, e int64) *big.Int {
	t.Helper()
	n := new(big.Int).SetBytes(random(t, bits/8))
	for bit := range 3 {
		n.SetBit(n, bits-1-bit, 1)
	}
	return nextPrime(n, e)
}

func TestImport_WeakRSAKeys(t *testing.T) {
	t.Parallel()
	const f4 = 65537
	p, q := randomPrime(t, 1024, 3*f4), randomPrime(t, 1024, 3*f4) // good for both exponents
	near := nextPrime(new(big.Int).Add(p, big.NewInt(1000)), f4)
	// Too far apart for a few steps of Fermat's method, and too close for the standard.
	distant := nextPrime(new(big.Int).Add(p, new(big.Int).Lsh(one, 850)), f4)
	// A composite "prime", for which every relation between the parts holds.
	composite := new(big.Int).Mul(randomPrime(t, 512, f4), randomPrime(t, 512, f4))
	byThree := new(big.Int).Mul(big.NewInt(3), nextPrime(new(big.Int).Div(p, big.NewInt(3)), f4))
	for rsaParts(composite, q, f4) == nil || rsaParts(byThree, q, f4) == nil { // the exponent divides what comes before them
		composite.Add(composite, big.NewInt(4))
		byThree.Add(byThree, big.NewInt(6))
	}
	for reason, c := range map[string]struct {
		parts *pkcs1
		says  string
	}{
		"1024 bits":          {rsaParts(randomPrime(t, 512, f4), randomPrime(t, 512, f4), f4), "1024 bits is shorter than 2048"},
		"exponent 3":         {rsaParts(p, q, 3), "public exponent 3 is below 65537"},
		"exponent 1":         {rsaParts(p, q, 1), "public exponent 1 is below 65537"},
		"equal primes":       {rsaParts(p, p, f4), "so close to each other"},
		"neighbouring":       {rsaParts(p, near, f4), "so close to each other"},
		"close":              {rsaParts(p, distant, f4), "FIPS 186-5 section A.1.3"},
		"close, exchanged":   {rsaParts(distant, p, f4), "FIPS 186-5 section A.1.3"},
		"a factor of 3":      {rsaParts(byThree, q, f4), "factor below 752"},
		"a composite prime":  {rsaParts(composite, q, f4), "no prime number"},
		"the second of them": {rsaParts(q, composite, f4), "no prime number"},
	} {
		_, err := importOne(t, parseSpec(t, "RS256", 2048, ""), rsaPKCS8(t, c.parts))
		require.Error(t, err, reason)
		assertCode(t, err, "import_weak", reason)
		assert.ErrorContains(t, err, c.says, reason)
	}
}

func TestImport_RSAPartsMustBelongTogether(t *testing.T) {
	t.Parallel()
	const f4 = 65537
	good := func() *pkcs1 { return rsaParts(rsaKey().Primes[0], rsaKey().Primes[1], f4) }
	spec := parseSpec(t, "RS256", 2048, "")
	_, err := importOne(t, spec, rsaPKCS8(t, good()))
	require.NoError(t, err)
	two := big.NewInt(2)
	for reason, change := range map[string]func(*pkcs1){
		"d":              func(k *pkcs1) { k.D = new(big.Int).Add(k.D, two) },
		"p":              func(k *pkcs1) { k.P = new(big.Int).Add(k.P, two) },
		"q":              func(k *pkcs1) { k.Q = new(big.Int).Add(k.Q, two) },
		"dp":             func(k *pkcs1) { k.Dp = new(big.Int).Add(k.Dp, two) },
		"dq":             func(k *pkcs1) { k.Dq = new(big.Int).Add(k.Dq, two) },
		"an even e":      func(k *pkcs1) { k.E = big.NewInt(f4 + 1) },
		"another e":      func(k *pkcs1) { k.E = big.NewInt(f4 + 2) },
		"an even n":      func(k *pkcs1) { k.N = new(big.Int).Lsh(new(big.Int).Rsh(k.N, 1), 1) },
		"unequal primes": func(k *pkcs1) { k.P, k.Q = new(big.Int).Lsh(k.P, 8), new(big.Int).Rsh(k.Q, 8) },
	} {
		parts := good()
		change(parts)
		_, err := importOne(t, spec, rsaPKCS8(t, parts))
		require.Error(t, err, reason)
		if reason != "an even n" { // which may have small odd factors as well
			assertCode(t, err, "import_malformed", reason)
		}
	}
	withOthers := marshal(t, struct {
		Version                        int
		N, E, D, P, Q, Dp, Dq, Inverse *big.Int
		Others                         []int
	}{0, one, one, one, one, one, one, one, one, []int{1}})
	_, err = importOne(t, spec, marshalInfo(t, objectRSA, asn1.NullBytes, withOthers, nil))
	assertCode(t, err, "import_mismatch")
}

func TestImport_WeakSecrets(t *testing.T) {
	t.Parallel()
	piece := random(t, 16)
	for _, c := range []struct {
		algorithm string
		material  []byte
		says      string
	}{
		{"HS256", make([]byte, 32), "constant"},
		{"HS256", bytes.Repeat([]byte{0xff}, 32), "constant"},
		{"HS256", []byte("abcdefghijklmnopqrstuvwxyz{|}~\x7f\x80"), "sequence"},
		{"HS256", []byte{31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, "sequence"},
		{"HS256", bytes.Repeat(piece, 2), "repeats a piece of 16 bytes"},
		{"HS512", bytes.Repeat([]byte("password"), 8), "repeats a piece of 8 bytes"},
		{"A256GCM/A128KW", bytes.Repeat([]byte{0, 0xff}, 8), "repeats a piece of 2 bytes"},
		{"HKDF-SHA384", bytes.Repeat(piece, 3), "repeats a piece of 16 bytes"},
	} {
		spec := parseSpec(t, c.algorithm, 0, "")
		for _, material := range [][]byte{c.material, fmt.Appendf(nil, `{"kty":"oct","k":%q}`, base64.RawURLEncoding.EncodeToString(c.material))} {
			_, err := importOne(t, spec, material)
			require.Error(t, err, "%x", material)
			assertCode(t, err, "import_weak", c.algorithm)
			require.ErrorContains(t, err, c.says)
		}
	}
	for range 200 { // nothing drawn at random is taken for weak
		_, err := keyimport.ParseMaterial(parseSpec(t, "A256GCM/A128KW", 0, ""), random(t, 16))
		require.NoError(t, err)
	}
}

func TestParsePublic_WeakModuli(t *testing.T) {
	t.Parallel()
	spec := parseSpec(t, "RS256", 2048, "")
	p := rsaKey().Primes[0]
	// The largest prime of 2048 bits.
	prime := new(big.Int).Sub(new(big.Int).Lsh(one, 2048), big.NewInt(1942289))
	small := new(big.Int).Mul(big.NewInt(751), new(big.Int).SetBit(new(big.Int).SetBit(new(big.Int).SetBytes(random(t, 254)), 2038, 1), 0, 1))
	for reason, n := range map[string]*big.Int{
		"a square":              new(big.Int).Mul(p, p),
		"neighbouring primes":   new(big.Int).Mul(p, new(big.Int).Add(p, big.NewInt(2))),
		"a prime":               prime,
		"a factor of 751":       small,
		"short":                 new(big.Int).SetBit(new(big.Int).SetBit(new(big.Int).SetBytes(random(t, 128)), 1023, 1), 0, 1),
		"of the flawed library": flawedModulus(),
	} {
		text := fmt.Appendf(nil, `{"kty":"RSA","e":"AQAB","n":%q}`, base64.RawURLEncoding.EncodeToString(n.Bytes()))
		_, err := keyimport.ParsePublic(spec, text)
		require.Error(t, err, reason)
		assertCode(t, err, "import_weak", reason)
		_, err = keyimport.ParsePublic(spec, pkixRSA(t, n, 65537))
		require.Error(t, err, reason)
		assertCode(t, err, "import_weak", reason)
	}
	_, err := keyimport.ParsePublic(spec, pkixRSA(t, rsaKey().N, 3))
	assertCode(t, err, "import_weak")
	_, err = keyimport.ParsePublic(spec, pkixRSA(t, rsaKey().N, 65537))
	require.NoError(t, err)
}

// flawedModulus looks like one of CVE-2017-15361; its factors need not be prime for that.
func flawedModulus() *big.Int {
	m := big.NewInt(1)
	for d := int64(2); d <= 167; d++ {
		if big.NewInt(d).ProbablyPrime(0) {
			m.Mul(m, big.NewInt(d))
		}
	}
	flawed := func(a int64) *big.Int {
		power := new(big.Int).Exp(big.NewInt(65537), big.NewInt(a), m)
		k := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(3), 1022), m)
		return power.Add(power, k.Mul(k, m))
	}
	return new(big.Int).Mul(flawed(17), flawed(4711))
}

func pkixRSA(t testing.TB, n *big.Int, e int) []byte {
	t.Helper()
	return marshalPKIX(t, &rsa.PublicKey{N: n, E: e})
}
