package weakrsa_test

import (
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/crypto/weakrsa"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func prime(t testing.TB, bits int) *big.Int {
	t.Helper()
	text := make([]byte, (bits+7)/8)
	_, err := rand.Read(text)
	require.NoError(t, err)
	n := new(big.Int).SetBytes(text)
	n.Rsh(n, uint(len(text)*8-bits))
	n.SetBit(n.SetBit(n, bits-1, 1), 0, 1)
	return next(n)
}

// next is the prime after a number.
func next(n *big.Int) *big.Int {
	n = new(big.Int).Add(n, big.NewInt(2))
	for !n.ProbablyPrime(10) {
		n.Add(n, big.NewInt(2))
	}
	return n
}

func TestSoundModuliAreNotWeak(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	assert.False(t, weakrsa.HasSmallFactor(key.N))
	assert.False(t, weakrsa.HasCloseFactors(key.N))
	assert.False(t, weakrsa.HasROCAFingerprint(key.N))
	for range 20 {
		assert.False(t, weakrsa.HasCloseFactors(new(big.Int).Mul(prime(t, 128), prime(t, 129))))
	}
}

func TestHasSmallFactor_FindsEveryPrimeBelow752(t *testing.T) {
	t.Parallel()
	large, count := prime(t, 1024), 0
	for p := int64(2); p < 800; p++ {
		if !big.NewInt(p).ProbablyPrime(0) {
			continue
		}
		count++
		assert.Equal(t, p < 752, weakrsa.HasSmallFactor(new(big.Int).Mul(large, big.NewInt(p))), p)
	}
	assert.Equal(t, 139, count)
}

func TestHasCloseFactors_FindsWhatFermatsMethodFinds(t *testing.T) {
	t.Parallel()
	for _, size := range []int{64, 512, 1024, 1031} {
		p := prime(t, size)
		assert.True(t, weakrsa.HasCloseFactors(new(big.Int).Mul(p, p)), "a square")
		assert.True(t, weakrsa.HasCloseFactors(new(big.Int).Mul(p, next(p))), "neighbours")
	}
	// The factors a-b and a+b of a number are found after as many rounds as a lies above its root: exactly 100 are tried.
	b := new(big.Int).Lsh(big.NewInt(1), 130)
	a := new(big.Int).Lsh(big.NewInt(1), 256)
	rounds := func(b *big.Int) int64 {
		n := new(big.Int).Sub(new(big.Int).Mul(a, a), new(big.Int).Mul(b, b))
		root := new(big.Int).Sqrt(n)
		return new(big.Int).Sub(a, root).Int64()
	}
	for range 400 {
		n := new(big.Int).Sub(new(big.Int).Mul(a, a), new(big.Int).Mul(b, b))
		if n.Bit(0) == 1 {
			assert.Equal(t, rounds(b) <= 100, weakrsa.HasCloseFactors(n), rounds(b))
		}
		b.Add(b, new(big.Int).Lsh(big.NewInt(1), 127))
		b.SetBit(b, 0, 1)
	}
}

// A modulus of the form that the faulty library made: primes k*M + (65537^a mod M).
func TestHasROCAFingerprint_KnowsTheForm(t *testing.T) {
	t.Parallel()
	product := big.NewInt(1)
	for p := int64(2); p <= 167; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(p))
		}
	}
	made := func(exponent int64) *big.Int {
		power := new(big.Int).Exp(big.NewInt(65537), big.NewInt(exponent), product)
		return new(big.Int).Add(new(big.Int).Mul(product, new(big.Int).Lsh(big.NewInt(exponent), 700)), power)
	}
	assert.True(t, weakrsa.HasROCAFingerprint(new(big.Int).Mul(made(123457), made(987653))))
}

func Benchmark(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b, err)
	for name, check := range map[string]func(*big.Int) bool{
		"small": weakrsa.HasSmallFactor, "close": weakrsa.HasCloseFactors, "roca": weakrsa.HasROCAFingerprint,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				check(key.N)
			}
		})
	}
}
