// Package content is the content encryption of JSON Web Encryption (RFC 7518 section 5): AES-GCM and
// AES-CBC with HMAC, with initialization vectors that it makes itself. Its main functions are
// [AppendSeal] and [Open]. Both work on the concatenation of initialization vector, ciphertext and
// tag; the callers split and join it.
//
// AES-GCM runs on cipher.NewGCMWithRandomNonce, the form that FIPS 140-3 approves (SP 800-38D section
// 8.2.2), whose output is that concatenation.
package content

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// ErrOpen is the one error of decryption.
var ErrOpen = errors.New("decrypt content: not authentic")

var errKeySize = errors.New("content encryption key of the wrong length")

// SealedLen is the length of initialization vector, ciphertext and tag for n bytes of plaintext.
func SealedLen(enc alg.ContentEncryption, n int) int {
	return enc.IVSize + ciphertextLen(enc, n) + enc.TagSize
}

func ciphertextLen(enc alg.ContentEncryption, n int) int {
	if enc.Family == alg.AESCBCHMAC {
		return n + aes.BlockSize - n%aes.BlockSize
	}
	return n
}

// AppendSeal encrypts plaintext and appends initialization vector, ciphertext and tag to dst.
// dst must not overlap the other slices.
func AppendSeal(dst []byte, enc alg.ContentEncryption, key, plaintext, aad []byte) ([]byte, error) {
	if len(key)*8 != enc.KeySize {
		return nil, errKeySize
	}
	if enc.Family == alg.AESCBCHMAC {
		return appendSealCBC(dst, enc, key, plaintext, aad)
	}
	aead, err := newGCM(key)
	if err != nil {
		return nil, fmt.Errorf("encrypt content: %w", err)
	}
	return aead.Seal(dst, nil, plaintext, aad), nil
}

// Open decrypts what AppendSeal made. Lengths included, all that can be wrong is [ErrOpen].
func Open(enc alg.ContentEncryption, key, sealed, aad []byte) ([]byte, error) {
	if len(key)*8 != enc.KeySize || len(sealed) < enc.IVSize+enc.TagSize {
		return nil, ErrOpen
	}
	if enc.Family == alg.AESCBCHMAC {
		return openCBC(enc, key, sealed, aad)
	}
	aead, err := newGCM(key)
	if err != nil {
		return nil, ErrOpen
	}
	return OpenGCM(aead, sealed, aad)
}

// OpenGCM is Open for a prepared AES-GCM with random nonces.
func OpenGCM(aead cipher.AEAD, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < aead.Overhead() {
		return nil, ErrOpen
	}
	plaintext, err := aead.Open(make([]byte, 0, len(sealed)-aead.Overhead()), nil, sealed, aad)
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
