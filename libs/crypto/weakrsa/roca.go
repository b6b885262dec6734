package weakrsa

import "math/big"

// rocaPrimes are those modulo which 65537 generates only a part of the multiplicative group.
var rocaPrimes = []uint64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}

// HasROCAFingerprint says whether the modulus looks like one of CVE-2017-15361, whose factors can be computed from it. For the primes above, such
// moduli lie in the part of the group that 65537 generates; a random modulus does so for all of them with probability below
// 2^-27. Source: Nemec, Sys, Svenda, Klinec, Matyas, "The Return of Coppersmith's Attack" (CCS 2017), section 2.3.
func HasROCAFingerprint(n *big.Int) bool {
	number := words(n)
	for _, prime := range rocaPrimes {
		if !isPowerOf65537(remainder(number, prime), prime) {
			return false
		}
	}
	return true
}

func isPowerOf65537(residue, p uint64) bool {
	const generator = 65537
	power := uint64(1)
	for range p {
		if power == residue {
			return true
		}
		power = power * generator % p
	}
	return false
}
