// Package kem encapsulates secrets to a public key and decapsulates them with the private one: ML-KEM
// (FIPS 203). Its functions are [Encapsulate] and [Decapsulate], on keys of package jwk.
//
// A ciphertext that is not genuine gives a secret that nobody else has, not an error: the implicit
// rejection of FIPS 203 section 6.3. The two sides find out when what they do with the secret fails.
package kem

import (
	"crypto"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// ErrCiphertext says that a ciphertext does not have the length that the key's algorithm gives it. Its
// code is invalid_input.
var ErrCiphertext error = fault.New(fault.InvalidInput, "the ciphertext does not have the length that the key's algorithm gives it")

// Encapsulate makes a secret of 32 bytes and a ciphertext from which the owner of the private key gets
// the same secret (FIPS 203 section 7.2). The key may be the public one. An error's code is key_mismatch.
func Encapsulate(key *jwk.Key) (shared, ciphertext []byte, err error) {
	if err := resolve(key, jwk.OpEncapsulateBits, jwk.OpEncapsulateKey); err != nil {
		return nil, nil, fmt.Errorf("encapsulate: %w", err)
	}
	var encapsulator crypto.Encapsulator
	switch v := key.Material().(type) {
	case crypto.Encapsulator:
		encapsulator = v
	case crypto.Decapsulator:
		encapsulator = v.Encapsulator()
	}
	shared, ciphertext = encapsulator.Encapsulate()
	return shared, ciphertext, nil
}

// Decapsulate returns the secret of a ciphertext (FIPS 203 section 7.3). Errors are [ErrCiphertext], or
// have the code key_mismatch where the key is not a private one of a key encapsulation.
func Decapsulate(key *jwk.Key, ciphertext []byte) (shared []byte, err error) {
	if err := resolve(key, jwk.OpDecapsulateBits, jwk.OpDecapsulateKey); err != nil {
		return nil, fmt.Errorf("decapsulate: %w", err)
	}
	private, ok := key.Material().(crypto.Decapsulator)
	if !ok {
		return nil, fmt.Errorf("decapsulate: %w", fault.New(fault.KeyMismatch, "the key has no private part"))
	}
	shared, err = private.Decapsulate(ciphertext)
	if err != nil { // the length alone can be wrong
		return nil, fmt.Errorf("decapsulate: %w", ErrCiphertext)
	}
	return shared, nil
}

// resolve makes sure that the key is for key encapsulation, and that its attributes let it do this.
func resolve(key *jwk.Key, operations ...string) error {
	mechanism, err := alg.LookupKEM(key.ParameterSet())
	if err != nil {
		return fault.New(fault.KeyMismatch, "the key is not for key encapsulation")
	}
	if key.Algorithm != mechanism.Name {
		return fault.New(fault.KeyMismatch, "the key's alg is not its parameter set")
	}
	return key.Permits(operations...)
}
