package weakkey_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset/weakkey"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// prime is the first prime after a random number of a length.
func prime(t testing.TB, bits int) *big.Int {
	t.Helper()
	text := make([]byte, bits/8)
	_, err := rand.Read(text)
	require.NoError(t, err)
	text[0], text[len(text)-1] = text[0]|0xc0, text[len(text)-1]|1
	return next(new(big.Int).SetBytes(text))
}

func next(n *big.Int) *big.Int {
	n = new(big.Int).Add(n, big.NewInt(2))
	for !n.ProbablyPrime(5) {
		n.Add(n, big.NewInt(2))
	}
	return n
}

func rules(public any) (names []string) {
	for _, w := range weakkey.Check(public) {
		names = append(names, w.Rule)
	}
	return names
}

func TestCheck_FindsEachWeakness(t *testing.T) {
	t.Parallel()
	p, q := prime(t, 1024), prime(t, 1024)
	sound := new(big.Int).Mul(p, q)
	// The form of the faulty library: k*M + (65537^a mod M), with M the product of the primes up to 167.
	product := big.NewInt(1)
	for i := int64(2); i <= 167; i++ {
		if big.NewInt(i).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(i))
		}
	}
	faulty := func(a int64) *big.Int {
		n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(a), product)
		n.Add(n, new(big.Int).Mul(product, new(big.Int).Lsh(big.NewInt(a), 784)))
		for !n.ProbablyPrime(5) {
			n.Add(n, product)
		}
		return n
	}
	roca := new(big.Int).Mul(faulty(0xbeef1), faulty(0xdead3))
	for rule, key := range map[string]*rsa.PublicKey{
		"":                  {N: sound, E: 65537},
		"rsa_modulus":       {N: big.NewInt(0), E: 65537},
		"rsa_length":        {N: new(big.Int).Mul(prime(t, 512), prime(t, 512)), E: 65537},
		"rsa_length_octets": {N: new(big.Int).Mul(new(big.Int).Mul(p, q), big.NewInt(8191)), E: 65537},
		"rsa_exponent":      {N: sound, E: 3},
		"rsa_small_factor":  {N: new(big.Int).Mul(sound, big.NewInt(743)), E: 65537},
		"rsa_close_primes":  {N: new(big.Int).Mul(p, next(p)), E: 65537},
		"rsa_roca":          {N: roca, E: 65537},
	} {
		if rule == "" {
			assert.Empty(t, rules(key))
			continue
		}
		assert.Contains(t, rules(key), rule)
	}
	assert.Equal(t, []string{"rsa_exponent"}, rules(&rsa.PublicKey{N: sound, E: 65538}), "an even exponent")
	assert.Equal(t, []string{"rsa_modulus"}, rules(&rsa.PublicKey{}))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	assert.Empty(t, rules(key.Public()))
}

func TestParse_ReadsListsAndNamesTheBadLine(t *testing.T) {
	t.Parallel()
	sum := func(text string) string { h := sha256.Sum256([]byte(text)); return hex.EncodeToString(h[:]) }
	entries, err := weakkey.Parse([]byte("# keys\n\n"+sum("a")+"\n  "+sum("b")+"  -\n"+strings.ToUpper(sum("c"))+"\tDebian CVE-2008-0166\r\n"+sum("a")+" again\n"), "blocked")
	require.NoError(t, err)
	list := weakkey.NewBlocklist(entries...)
	assert.Equal(t, 3, list.Len())
	for spki, want := range map[string]string{"a": "blocked", "b": "blocked", "c": "Debian CVE-2008-0166"} {
		reason, blocked := list.Blocked([]byte(spki))
		assert.True(t, blocked)
		assert.Equal(t, want, reason)
	}
	_, blocked := list.Blocked([]byte("d"))
	assert.False(t, blocked)
	var none *weakkey.Blocklist
	_, blocked = none.Blocked([]byte("a"))
	assert.False(t, blocked)
	assert.Zero(t, none.Len())
	for _, bad := range []string{"x", sum("a")[:63], sum("a") + "0", sum("a")[:62] + "zz", sum("a") + " " + strings.Repeat("x", 201)} {
		_, err := weakkey.Parse([]byte("#\n"+bad+"\n"), "")
		require.ErrorContains(t, err, "line 2")
	}
	_, err = weakkey.Parse([]byte(strings.Repeat("x", 1<<20)), "")
	require.Error(t, err)
}
