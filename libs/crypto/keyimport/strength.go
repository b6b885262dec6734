package keyimport

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"math/big"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/weakrsa"
)

const (
	// minExponent is the smallest public exponent (FIPS 186-5 section 5.1).
	minExponent = 1<<16 + 1
	// primeRounds is the number of Miller-Rabin rounds for the primes of a key that somebody else has chosen: beside the test of Lucas
	// that the standard library adds, a composite number passes each with a probability below 1/4.
	primeRounds = 20
	// missingBits is by how much a private key may be shorter than the order of its group; a random one is with probability 2^-64.
	missingBits = 64
)

// checkStrength refuses material that an attacker can find out. What package jwk refuses by itself is
// not repeated, except where the cryptographic module would refuse it with another reason.
func checkStrength(material any) error {
	switch v := material.(type) {
	case *rsa.PrivateKey:
		return checkRSA(v)
	case *rsa.PublicKey:
		return checkModulus(v)
	case *ecdsa.PrivateKey:
		scalar := v.D //nolint:staticcheck // its length says nothing that the key does not
		if scalar.BitLen() < v.Curve.Params().BitSize-missingBits {
			return fault.New(fault.ImportWeak, "the EC private key is a small number")
		}
	case ed25519.PrivateKey:
		return checkSecret(v[:ed25519.SeedSize], "seed of the Ed25519 key")
	case []byte:
		return checkSecret(v, "symmetric key")
	case interface{ Bytes() []byte }: // ML-KEM, whose private keys are their seeds
		if seed := v.Bytes(); len(seed) == alg.KEMSeedBytes {
			defer clear(seed)
			const half = alg.KEMSeedBytes / 2 // d and z
			for _, part := range [][]byte{seed[:half], seed[half:], seed} {
				if err := checkSecret(part, "seed of the ML-KEM key"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func checkModulus(key *rsa.PublicKey) error {
	bits := key.N.BitLen()
	switch {
	case bits < alg.MinRSABits:
		return fault.New(fault.ImportWeak, "the RSA modulus of %d bits is shorter than %d", bits, alg.MinRSABits)
	case key.E < minExponent:
		return fault.New(fault.ImportWeak, "the RSA public exponent %d is below %d (FIPS 186-5 section 5.1)", key.E, minExponent)
	case weakrsa.HasSmallFactor(key.N):
		return fault.New(fault.ImportWeak, "the RSA modulus has a prime factor below 752 (SP 800-56B section 6.4.2.2)")
	case weakrsa.HasCloseFactors(key.N):
		return fault.New(fault.ImportWeak, "the RSA primes are so close to each other that the modulus can be factored")
	case key.N.ProbablyPrime(0):
		return fault.New(fault.ImportWeak, "the RSA modulus is a prime number")
	default:
		return nil
	}
}

func checkRSA(key *rsa.PrivateKey) error {
	if err := checkModulus(&key.PublicKey); err != nil {
		return err
	}
	// |p-q| > 2^(nlen/2-100). That d is large enough follows from the public exponent, which has 31 bits.
	const closeness = 100
	if new(big.Int).Sub(key.Primes[0], key.Primes[1]).BitLen() <= key.N.BitLen()/2-closeness {
		return fault.New(fault.ImportWeak, "the RSA primes are too close to each other (FIPS 186-5 section A.1.3)")
	}
	return nil
}

// checkPrimes is the costly part, for keys that are sound otherwise: the primes of a private key are such.
func checkPrimes(material any) error {
	key, ok := material.(*rsa.PrivateKey)
	if !ok {
		return nil
	}
	for _, p := range key.Primes {
		if !p.ProbablyPrime(primeRounds) {
			return fault.New(fault.ImportWeak, "a prime of the RSA key is no prime number")
		}
	}
	return nil
}

// checkSecret refuses secrets that were written, not drawn: one byte or one piece repeated, and bytes
// that count. A random secret of 16 bytes is one of them with a probability of about 2^-64.
func checkSecret(secret []byte, what string) error {
	if isCounting(secret) {
		return fault.New(fault.ImportWeak, "the %s is a constant or a sequence, not random", what)
	}
	for period := 1; period <= len(secret)/2; period++ {
		if len(secret)%period == 0 && isPeriodic(secret, period) {
			return fault.New(fault.ImportWeak, "the %s repeats a piece of %d bytes", what, period)
		}
	}
	return nil
}

// isCounting says whether every byte differs from the one before by the same amount, which may be 0.
func isCounting(secret []byte) bool {
	for i := 2; i < len(secret); i++ {
		if secret[i]-secret[i-1] != secret[1]-secret[0] {
			return false
		}
	}
	return true
}

func isPeriodic(secret []byte, period int) bool {
	for i := period; i < len(secret); i++ {
		if secret[i] != secret[i-period] {
			return false
		}
	}
	return true
}
