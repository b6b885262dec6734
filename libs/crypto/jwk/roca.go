package jwk

import "math/big"

// rocaPrimes are small primes modulo which 65537 generates only a part of the multiplicative group.
// Moduli made by the flawed library lie in that part for all of them; a random modulus does with
// probability below 2^-27. Source: Nemec, Sys, Svenda, Klinec, Matyas, "The Return of Coppersmith's
// Attack" (CCS 2017), section 2.3.
var rocaPrimes = [...]uint64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}

// hasROCAFingerprint says whether the modulus looks like one of CVE-2017-15361, whose factors can be
// computed from it.
func hasROCAFingerprint(n *big.Int) bool {
	var remainder, modulus big.Int
	for _, p := range rocaPrimes {
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
