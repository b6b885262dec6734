package keywrap

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
)

// WrapRSAOAEP encrypts a short key to an RSA public key of at least 2048 bits with RSAES-OAEP, an
// empty label, and the same SHA-2 hash for OAEP and MGF1.
func WrapRSAOAEP(public *rsa.PublicKey, hash crypto.Hash, key []byte) ([]byte, error) {
	if err := checkHash(hash); err != nil {
		return nil, fmt.Errorf("wrap key: %w", err)
	}
	wrapped, err := rsa.EncryptOAEP(hash.New(), rand.Reader, public, key, nil)
	if err != nil {
		return nil, fmt.Errorf("wrap key: %w", err)
	}
	return wrapped, nil
}

// UnwrapRSAOAEP is the inverse of WrapRSAOAEP.
func UnwrapRSAOAEP(private *rsa.PrivateKey, hash crypto.Hash, wrapped []byte) ([]byte, error) {
	if err := checkHash(hash); err != nil {
		return nil, fmt.Errorf("unwrap key: %w", err)
	}
	// The standard accepts ciphertexts of the modulus' length only (RFC 8017 section 7.1.2 step 1b).
	if len(wrapped) != private.Size() {
		return nil, ErrUnwrap
	}
	key, err := rsa.DecryptOAEP(hash.New(), nil, private, wrapped, nil)
	if err != nil {
		return nil, ErrUnwrap
	}
	return key, nil
}

func checkHash(hash crypto.Hash) error {
	switch hash {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
		return nil
	default:
		return fmt.Errorf("hash %v is not allowed in RSA-OAEP", hash)
	}
}
