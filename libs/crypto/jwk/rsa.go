package jwk

import (
	"crypto/rsa"
	"math/big"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/weakrsa"
)

// minExponent is the smallest public exponent of FIPS 186-5 section 5.1: 2^16 < e.
const minExponent = 1<<16 + 1

func rsaPublicMaterial(key *rsa.PublicKey) (*material, error) {
	if key == nil || key.N == nil {
		return nil, fault.New(fault.InvalidKey, "RSA key without a modulus")
	}
	bits := key.N.BitLen()
	switch {
	case bits < alg.MinRSABits:
		return nil, fault.New(fault.InvalidKey, "RSA modulus of %d bits is shorter than %d", bits, alg.MinRSABits).Because(ErrWeak)
	case bits > alg.MaxRSABits:
		return nil, fault.New(fault.InvalidKey, "RSA modulus of %d bits is longer than %d", bits, alg.MaxRSABits)
	case bits%2 != 0 || key.N.Bit(0) == 0 || key.N.Sign() < 0:
		return nil, fault.New(fault.InvalidKey, "RSA modulus is even or of odd length (FIPS 186-5 section 5.1)")
	case key.E < minExponent:
		return nil, fault.New(fault.InvalidKey, "RSA public exponent is below %d (FIPS 186-5 section 5.1)", minExponent).Because(ErrWeak)
	case key.E%2 == 0:
		return nil, fault.New(fault.InvalidKey, "RSA public exponent is even (FIPS 186-5 section 5.1)")
	case weakrsa.HasROCAFingerprint(key.N):
		return nil, fault.New(fault.InvalidKey, "RSA modulus is factorable: made by a library with CVE-2017-15361").Because(ErrWeak)
	}
	return &material{keyType: alg.KeyTypeRSA, size: bits, rsaPublic: key}, nil
}

func rsaPrivateMaterial(key *rsa.PrivateKey) (*material, error) {
	if key == nil {
		return nil, fault.New(fault.InvalidKey, "RSA key without a modulus")
	}
	m, err := rsaPublicMaterial(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	if len(key.Primes) != 2 || key.D == nil || key.Primes[0] == nil || key.Primes[1] == nil {
		return nil, fault.New(fault.InvalidKey, "RSA private key must have exactly two primes")
	}
	if key.Primes[0].BitLen() != key.Primes[1].BitLen() {
		return nil, fault.New(fault.InvalidKey, "RSA primes differ in length (FIPS 186-5 section 5.1)")
	}
	if new(big.Int).Mul(key.Primes[0], key.Primes[1]).Cmp(key.N) != 0 {
		return nil, fault.New(fault.InvalidKey, "RSA private and public part do not match")
	}
	key.Precompute()
	if key.Validate() != nil || !hasConsistentExponent(key) {
		return nil, fault.New(fault.InvalidKey, "RSA private and public part do not match")
	}
	m.rsaPrivate = key
	return m, nil
}

// hasConsistentExponent says whether the CRT exponents belong to the private exponent. The cryptographic module checks and uses the
// former; the latter goes to whoever exports the key.
func hasConsistentExponent(key *rsa.PrivateKey) bool {
	for i, exponent := range []*big.Int{key.Precomputed.Dp, key.Precomputed.Dq} {
		order := new(big.Int).Sub(key.Primes[i], big.NewInt(1))
		if exponent == nil || order.Mod(key.D, order).Cmp(exponent) != 0 {
			return false
		}
	}
	return true
}

// parseRSA reads the members of RFC 7518 section 6.3. A private key must come with its primes and
// CRT values: the section allows d alone, but nothing checks or speeds up such a key.
func parseRSA(p *parsed) (*material, error) {
	n, err := p.integer("n", p.n)
	if err != nil {
		return nil, err
	}
	e, err := p.integer("e", p.e)
	if err != nil {
		return nil, err
	}
	const maxExponentBits = 31 // what the cryptographic module handles
	if e.BitLen() > maxExponentBits {
		return nil, fault.New(fault.InvalidKey, "RSA public exponent is longer than %d bits", maxExponentBits)
	}
	public := rsa.PublicKey{N: n, E: int(e.Int64())}
	if !p.private() {
		return rsaPublicMaterial(&public)
	}
	if p.hasOtherPrimes {
		return nil, fault.New(fault.InvalidKey, "RSA keys of more than two primes are not supported")
	}
	key := &rsa.PrivateKey{PublicKey: public, Primes: make([]*big.Int, 2)}
	for _, part := range []struct {
		name string
		text *string
		to   **big.Int
	}{
		{"d", p.d, &key.D},
		{"p", p.p, &key.Primes[0]},
		{"q", p.q, &key.Primes[1]},
		{"dp", p.dp, &key.Precomputed.Dp},
		{"dq", p.dq, &key.Precomputed.Dq},
		{"qi", p.qi, &key.Precomputed.Qinv},
	} {
		if *part.to, err = p.integer(part.name, part.text); err != nil {
			return nil, err
		}
	}
	return rsaPrivateMaterial(key)
}
