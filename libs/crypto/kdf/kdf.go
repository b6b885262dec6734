// Package kdf derives keys: from secrets of high entropy with [HKDF] (RFC 5869), from passwords with
// [PBKDF2] (RFC 8018 section 5.2), and from the shared secret of a key agreement with [Concat]
// (RFC 7518 section 4.6.2). It holds the floors below which no key is derived.
package kdf

import (
	"crypto"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

const (
	// MinSecret is the length in bytes of the shortest secret and the shortest output: 112 bits
	// (SP 800-131A section 8).
	MinSecret = 14
	// MinSalt is the length in bytes of the shortest salt for passwords (SP 800-132 section 5.1).
	MinSalt = 16
)

// MinIterations is the smallest number of PBKDF2 rounds per hash, or 0 for a hash that is not
// supported. Source: OWASP Password Storage Cheat Sheet (2023), which balances the cost of the
// hashes on the attacker's hardware; SHA-384 costs there what SHA-512 costs.
func MinIterations(hash crypto.Hash) int {
	switch hash {
	case crypto.SHA256:
		return 600_000
	case crypto.SHA384, crypto.SHA512:
		return 210_000
	default:
		return 0
	}
}

// HKDF derives n bytes from a secret of at least 14 bytes of high entropy with HMAC of SHA-256,
// SHA-384 or SHA-512. salt may be empty; info separates purposes. n is at least 14 and at most 255
// times the length of the hash.
func HKDF(hash crypto.Hash, secret, salt []byte, info string, n int) ([]byte, error) {
	if MinIterations(hash) == 0 {
		return nil, fault.New(fault.UnsupportedAlgorithm, "HKDF: hash %v is not supported", hash)
	}
	if len(secret) < MinSecret {
		return nil, fault.New(fault.InvalidInput, "HKDF: secret of %d bytes is shorter than %d", len(secret), MinSecret)
	}
	if n < MinSecret {
		return nil, fault.New(fault.InvalidInput, "HKDF: output of %d bytes is shorter than %d", n, MinSecret)
	}
	key, err := hkdf.Key(hash.New, secret, salt, info, n)
	if err != nil {
		return nil, fault.New(fault.InvalidInput, "HKDF: %w", err)
	}
	return key, nil
}

// PBKDF2 derives n bytes, at least 14, from a password with HMAC of SHA-256, SHA-384 or SHA-512, a
// salt of at least 16 bytes and at least [MinIterations] rounds.
func PBKDF2(hash crypto.Hash, password string, salt []byte, iterations, n int) ([]byte, error) {
	floor := MinIterations(hash)
	if floor == 0 {
		return nil, fault.New(fault.UnsupportedAlgorithm, "PBKDF2: hash %v is not supported", hash)
	}
	if iterations < floor {
		return nil, fault.New(fault.InvalidInput, "PBKDF2: %d iterations are fewer than %d", iterations, floor)
	}
	return pbkdf2WithoutFloor(hash, password, salt, iterations, n)
}

// pbkdf2WithoutFloor holds the floors of the standards but not that of the iterations, so that the
// function can be compared with published vectors.
func pbkdf2WithoutFloor(hash crypto.Hash, password string, salt []byte, iterations, n int) ([]byte, error) {
	if len(salt) < MinSalt {
		return nil, fault.New(fault.InvalidInput, "PBKDF2: salt of %d bytes is shorter than %d", len(salt), MinSalt)
	}
	if n < MinSecret {
		return nil, fault.New(fault.InvalidInput, "PBKDF2: output of %d bytes is shorter than %d", n, MinSecret)
	}
	key, err := pbkdf2.Key(hash.New, password, salt, iterations, n)
	if err != nil {
		return nil, fmt.Errorf("PBKDF2: %w", err)
	}
	return key, nil
}
