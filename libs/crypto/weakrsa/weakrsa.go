// Package weakrsa knows RSA moduli that can be factored by what is known of how they were made: [HasSmallFactor] (SP 800-89 section 5.3.3),
// [HasCloseFactors] (Fermat's method; CVE-2022-26320) and [HasROCAFingerprint] (CVE-2017-15361). Each takes some microseconds: they are meant for
// every key that somebody hands in.
package weakrsa

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// smallPrimes are the odd primes below 752 (SP 800-89 section 5.3.3), in groups whose products fit 64 bits: one division of the modulus by
// a product gives the remainders by all its primes.
var smallPrimes = groupsBelow(752) //nolint:gochecknoglobals // computed once, never changed

// group is some primes and their product.
type group struct {
	product uint64
	primes  []uint64
}

func groupsBelow(bound uint64) []group {
	var groups []group
	current := group{product: 1}
	for candidate := uint64(3); candidate < bound; candidate += 2 {
		if !big.NewInt(int64(candidate)).ProbablyPrime(0) {
			continue
		}
		if high, product := bits.Mul64(current.product, candidate); high == 0 {
			current.product, current.primes = product, append(current.primes, candidate)
			continue
		}
		groups = append(groups, current)
		current = group{product: candidate, primes: []uint64{candidate}}
	}
	return append(groups, current)
}

// words are the modulus in 64-bit words, the highest first.
func words(n *big.Int) []uint64 {
	const size = 8
	text := n.FillBytes(make([]byte, (n.BitLen()+63)/64*size))
	list := make([]uint64, len(text)/size)
	for i := range list {
		list[i] = binary.BigEndian.Uint64(text[i*size:])
	}
	return list
}

// remainder divides by a number of 64 bits.
func remainder(number []uint64, divisor uint64) uint64 {
	rest := uint64(0)
	for _, word := range number {
		_, rest = bits.Div64(rest, word, divisor)
	}
	return rest
}

// HasSmallFactor says whether a prime below 752, 2 among them, divides n, which is above 0.
func HasSmallFactor(n *big.Int) bool {
	if n.Bit(0) == 0 {
		return true
	}
	number := words(n)
	for _, g := range smallPrimes {
		rest := remainder(number, g.product)
		for _, prime := range g.primes {
			if rest%prime == 0 {
				return true
			}
		}
	}
	return false
}

// fermatRounds is how many steps of Fermat's method a modulus must withstand (TLS Baseline Requirements section 6.1.1.3).
const fermatRounds = 100

// squareModulus is the modulus by whose remainders most numbers that are no squares are told: 63, 65 and 11.
const squareModulus = 63 * 65 * 11

// HasCloseFactors says whether n, which is odd, is factored by 100 rounds of Fermat's method: n = a^2 - b^2 for an a just above the
// square root of n. So are moduli whose primes are nearly the same. The rounds keep a^2 - n by its remainders alone, until these may be a square's.
func HasCloseFactors(n *big.Int) bool {
	one := big.NewInt(1)
	a := new(big.Int).Sqrt(n)
	difference := new(big.Int).Mul(a, a)
	if difference.Cmp(n) < 0 {
		a.Add(a, one)
		difference.Mul(a, a)
	}
	difference.Sub(difference, n)
	step := new(big.Int).Lsh(a, 1)
	step.Add(step, one) // (a+1)^2 - a^2

	low, lowStep := lowWord(difference), lowWord(step)
	rest, restStep := remainder(words(difference), squareModulus), remainder(words(step), squareModulus)
	for range fermatRounds {
		if maybeSquare(low, rest) && isSquare(difference.Sub(difference.Mul(a, a), n)) {
			return true
		}
		a.Add(a, one)
		low, lowStep = low+lowStep, lowStep+2
		rest, restStep = (rest+restStep)%squareModulus, (restStep+2)%squareModulus
	}
	return false
}

// lowWord is a number modulo 2^64.
func lowWord(n *big.Int) uint64 {
	number := words(n)
	if len(number) == 0 {
		return 0
	}
	return number[len(number)-1]
}

func isSquare(n *big.Int) bool {
	root := new(big.Int).Sqrt(n)
	return root.Mul(root, root).Cmp(n) == 0
}

// maybeSquare rules out most numbers that are no squares, by their remainders modulo 64 and modulo 63, 65 and 11.
func maybeSquare(low, rest uint64) bool {
	const squaresMod64 uint64 = 1<<0 | 1<<1 | 1<<4 | 1<<9 | 1<<16 | 1<<17 | 1<<25 | 1<<33 | 1<<36 | 1<<41 | 1<<49 | 1<<57
	if squaresMod64>>(low%64)&1 == 0 {
		return false
	}
	for _, modulus := range [...]uint64{63, 65, 11} {
		residue, found := rest%modulus, false
		for i := uint64(0); i <= modulus/2 && !found; i++ {
			found = i*i%modulus == residue
		}
		if !found {
			return false
		}
	}
	return true
}
