// Package derivation derives secrets from keys of package jwk: with [HKDF] from a symmetric key
// (RFC 5869), and with [Agree] from an EC key and a peer's public one (ECDH, SP 800-56A section
// 5.7.1.2). A key whose "alg" is for anything else is refused.
package derivation

import (
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/kdf"
)

const (
	// MinOutput is the length in bytes of the shortest secret that [HKDF] derives: 112 bits
	// (SP 800-131A section 8).
	MinOutput = kdf.MinSecret
	// MaxOutput is the length in bytes of the longest, far beyond any key.
	MaxOutput = 1024
	// MaxContext is the length in bytes of the longest salt and of the longest info.
	MaxContext = 4096
)

// HKDF derives n bytes, [MinOutput] to [MaxOutput], with the hash that the key's "alg" names. salt may
// be empty; info, which says what the output is for, may be empty too. The same arguments give the
// same bytes. Errors have the code key_mismatch or invalid_input.
func HKDF(key *jwk.Key, salt, info []byte, n int) ([]byte, error) {
	algorithm, err := alg.LookupDerivation(key.Algorithm)
	if err != nil || algorithm.Family != alg.HKDF {
		return nil, fault.New(fault.KeyMismatch, "derive: the key's alg is not HKDF")
	}
	if err := key.FitsDerivation(algorithm); err != nil {
		return nil, fmt.Errorf("derive: %w", err)
	}
	if err := key.Permits(jwk.OpDeriveBits, jwk.OpDeriveKey); err != nil {
		return nil, fmt.Errorf("derive: %w", err)
	}
	if n < MinOutput || n > MaxOutput {
		return nil, fault.New(fault.InvalidInput, "derive: the length must be %d to %d bytes", MinOutput, MaxOutput)
	}
	if len(salt) > MaxContext || len(info) > MaxContext {
		return nil, fault.New(fault.InvalidInput, "derive: salt and info have at most %d bytes each", MaxContext)
	}
	return kdf.HKDF(algorithm.Hash, key.Secret(), salt, string(info), n)
}

// Agree returns the secret that a private EC key shares with a peer's public one: the x-coordinate, as
// long as a coordinate of the curve. Its bits are not evenly distributed: derive keys from it, never use
// it as one (SP 800-56A section 5.8).
//
// The peer's point lies on its curve, which was checked when the key was read, and the curve must be
// that of the private key. A peer key that says it is for something else, or that comes with its
// private part, is refused. Errors have the code key_mismatch.
func Agree(key, peer *jwk.Key) (secret []byte, err error) {
	for _, k := range []*jwk.Key{key, peer} {
		if err := fitsAgreement(k); err != nil {
			return nil, fmt.Errorf("agree: %w", err)
		}
	}
	if err := key.Permits(jwk.OpDeriveBits, jwk.OpDeriveKey); err != nil {
		return nil, fmt.Errorf("agree: %w", err)
	}
	if peer.IsPrivate() {
		return nil, fault.New(fault.KeyMismatch, "agree: the peer's key comes with its private part, which no one else may have")
	}
	if key.Curve() != peer.Curve() {
		return nil, fault.New(fault.KeyMismatch, "agree: the peer's key is on %s, this one on %s", peer.Curve(), key.Curve())
	}
	private, err := key.ECDHPrivate()
	if err != nil {
		return nil, fault.New(fault.KeyMismatch, "agree: the key has no private part")
	}
	public, err := peer.ECDHPublic()
	if err == nil {
		secret, err = private.ECDH(public)
	}
	if err != nil {
		return nil, fault.New(fault.KeyMismatch, "agree: %w", err)
	}
	return secret, nil
}

// agreement is the "alg" of keys for [Agree].
const agreement = "ECDH"

// fitsAgreement refuses keys of other kinds and keys for something else.
func fitsAgreement(key *jwk.Key) error {
	switch {
	case key.Algorithm != "" && key.Algorithm != agreement:
		return fault.New(fault.KeyMismatch, "the key is for %s alone", key.Algorithm)
	case key.Use == jwk.UseSignature:
		return fault.New(fault.KeyMismatch, "the key is for signatures")
	case key.Type() != alg.KeyTypeEC:
		return fault.New(fault.KeyMismatch, "an %s key does not fit %s", key.Type(), agreement)
	default:
		return nil
	}
}
