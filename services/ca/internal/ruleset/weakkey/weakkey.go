// Package weakkey finds public keys whose private keys others can know: RSA moduli that can be factored, exponents that are unsound, and keys that were
// published, by lists that the operator gives. Its main parts are [Check] and [Blocklist].
package weakkey

import (
	"crypto"
	"crypto/rsa"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/weakrsa"
)

// Weakness is what is wrong with a key.
type Weakness struct {
	// Rule is a short name.
	Rule string
	// Citation is where the rule stands.
	Citation string
	Detail   string
}

// The rules for RSA keys.
const (
	minBits     = 2048
	minExponent = 1<<16 + 1
)

// Check finds the weaknesses of a public key that its numbers show. Keys of other kinds than RSA have none: their points were checked when
// they were read.
func Check(public crypto.PublicKey) []Weakness {
	key, isRSA := public.(*rsa.PublicKey)
	if !isRSA {
		return nil
	}
	if key.N == nil || key.N.Sign() <= 0 {
		return []Weakness{{"rsa_modulus", "FIPS 186-5 5.1", "the modulus is not above 0"}}
	}
	var found []Weakness
	add := func(bad bool, rule, citation, format string, args ...any) {
		if bad {
			found = append(found, Weakness{rule, citation, fmt.Sprintf(format, args...)})
		}
	}
	length := key.N.BitLen()
	add(length < minBits, "rsa_length", "SP 800-131A; TLS BR 6.1.5", "the modulus has %d bits, fewer than %d", length, minBits)
	add(length%8 != 0, "rsa_length_octets", "TLS BR 6.1.5", "the modulus has %d bits, which are no whole bytes", length)
	add(key.E < minExponent || key.E%2 == 0, "rsa_exponent", "FIPS 186-5 5.1; TLS BR 6.1.6", "the public exponent %d is even, or below %d", key.E, minExponent)
	if small := weakrsa.HasSmallFactor(key.N); small {
		add(true, "rsa_small_factor", "SP 800-89 5.3.3; TLS BR 6.1.6", "a prime below 752 divides the modulus")
		return found
	}
	add(weakrsa.HasROCAFingerprint(key.N), "rsa_roca", "CVE-2017-15361; TLS BR 6.1.1.3", "the modulus was made by a faulty library and can be factored")
	add(weakrsa.HasCloseFactors(key.N), "rsa_close_primes", "CVE-2022-26320; TLS BR 6.1.1.3", "the primes are so close that Fermat's method finds them")
	return found
}
