package jwk

import (
	"crypto/ed25519"
	"math/big"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// checkEdwardsPoint refuses what is no public key of Ed25519: a y-coordinate that is not reduced (RFC 8032 section 5.1.3), a point off
// the curve, and the eight points of small order. Under one of those a signature verifies for many messages or for all of them, so that
// it says nothing about what was signed. The standard library verifies under all but the second.
//
// The curve is -x^2 + y^2 = 1 + d*x^2*y^2 over the integers modulo 2^255 - 19, with d = -121665/121666 (RFC 8032 section 5.1).
func checkEdwardsPoint(key ed25519.PublicKey) error {
	const numerator, denominator = 121665, 121666
	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, 255)
	p.Sub(p, big.NewInt(19))

	reversed := slices.Clone(key)
	reversed[len(reversed)-1] &= 0x7f // the sign of x
	slices.Reverse(reversed)
	y := new(big.Int).SetBytes(reversed)
	if y.Cmp(p) >= 0 {
		return fault.New(fault.InvalidKey, "Ed25519 public key is not encoded canonically")
	}
	w := new(big.Int).Mul(y, y)
	w.Mod(w, p)

	// x^2 = (w-1) / (d*w+1). It is a square if (w-1) * (denominator - numerator*w) * denominator is.
	square := new(big.Int).Mul(w, big.NewInt(-numerator))
	square.Add(square, big.NewInt(denominator))
	square.Mul(square, new(big.Int).Sub(w, one))
	square.Mul(square, big.NewInt(denominator))
	if big.Jacobi(square.Mod(square, p), p) < 0 {
		return fault.New(fault.InvalidKey, "Ed25519 point is not on the curve")
	}

	// Doubling three times gives the neutral element if y is 1 or -1 (orders 1 and 2) or 0 (order 4), or if the double has y = 0, which
	// is d*w^2 + 2*w - 1 = 0 (order 8).
	order8 := new(big.Int).Mul(w, big.NewInt(-numerator))
	order8.Add(order8, big.NewInt(2*denominator))
	order8.Mul(order8, w)
	order8.Sub(order8, big.NewInt(denominator))
	order8.Mod(order8, p)
	if w.Sign() == 0 || w.Cmp(one) == 0 || order8.Sign() == 0 {
		return fault.New(fault.InvalidKey, "Ed25519 point has small order").Because(ErrWeak)
	}
	return nil
}
