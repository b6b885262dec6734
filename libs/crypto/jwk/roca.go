package jwk

import "math/big"

// hasROCAFingerprint says whether the modulus looks like one of CVE-2017-15361, whose factors can be
// computed from it. For small primes modulo which 65537 generates only a part of the multiplicative
// group, such moduli lie in that part; a random modulus does so for all of these primes with
// probability below 2^-27. Source: Nemec, Sys, Svenda, Klinec, Matyas, "The Return of Coppersmith's
// Attack" (CCS 2017), section 2.3.
func hasROCAFingerprint(n *big.Int) bool {
	primes := [...]uint64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}
	var remainder, modulus big.Int
	for _, p := range primes {
		residue := remainder.Mod(n, modulus.SetUint64(p)).Uint64()
		if !isPowerOf65537(residue, p) {
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
