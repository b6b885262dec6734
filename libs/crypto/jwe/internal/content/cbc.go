package content

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// appendSealCBC is RFC 7518 section 5.2.2.1 with a random initialization vector.
func appendSealCBC(dst []byte, enc alg.ContentEncryption, key, plaintext, aad []byte) ([]byte, error) {
	var iv [aes.BlockSize]byte
	_, _ = rand.Read(iv[:]) // never fails: it ends the process instead
	return appendSealCBCWithIV(dst, enc, key, iv[:], plaintext, aad)
}

func appendSealCBCWithIV(dst []byte, enc alg.ContentEncryption, key, iv, plaintext, aad []byte) ([]byte, error) {
	macKey, encKey := key[:len(key)/2], key[len(key)/2:]
	block, err := aes.NewCipher(encKey)
	if err != nil {
		return nil, fmt.Errorf("encrypt content: %w", err)
	}
	start := len(dst)
	dst = append(dst, iv...)
	dst = append(dst, plaintext...)
	padding := ciphertextLen(enc, len(plaintext)) - len(plaintext)
	for range padding {
		dst = append(dst, byte(padding)) //nolint:gosec // at most 16
	}
	ciphertext := dst[start+len(iv):]
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(ciphertext, ciphertext)
	return append(dst, macCBC(enc, macKey, aad, dst[start:])[:enc.TagSize]...), nil
}

// openCBC is RFC 7518 section 5.2.2.2: the tag is checked before anything is decrypted, so that a
// wrong padding is seen only by whoever holds the key.
func openCBC(enc alg.ContentEncryption, key, sealed, aad []byte) ([]byte, error) {
	macKey, encKey := key[:len(key)/2], key[len(key)/2:]
	body, tag := sealed[:len(sealed)-enc.TagSize], sealed[len(sealed)-enc.TagSize:]
	if subtle.ConstantTimeCompare(macCBC(enc, macKey, aad, body)[:enc.TagSize], tag) != 1 {
		return nil, ErrOpen
	}
	iv, ciphertext := body[:enc.IVSize], body[enc.IVSize:]
	if len(ciphertext) == 0 || len(ciphertext)%aes.BlockSize != 0 {
		return nil, ErrOpen
	}
	block, err := aes.NewCipher(encKey)
	if err != nil {
		return nil, ErrOpen
	}
	plaintext := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plaintext, ciphertext)
	return unpad(plaintext)
}

// unpad takes PKCS #7 padding off (RFC 5652 section 6.3).
func unpad(plaintext []byte) ([]byte, error) {
	padding := int(plaintext[len(plaintext)-1])
	good := subtle.ConstantTimeLessOrEq(1, padding) & subtle.ConstantTimeLessOrEq(padding, aes.BlockSize)
	for i := 1; i <= aes.BlockSize; i++ {
		inside := subtle.ConstantTimeLessOrEq(i, padding)
		same := subtle.ConstantTimeByteEq(plaintext[len(plaintext)-i], byte(padding)) //nolint:gosec // was a byte
		good &= subtle.ConstantTimeSelect(inside, same, 1)
	}
	if good != 1 {
		clear(plaintext)
		return nil, ErrOpen
	}
	return plaintext[:len(plaintext)-padding], nil
}

// macCBC authenticates aad, the initialization vector with the ciphertext, and the length of aad in
// bits.
func macCBC(enc alg.ContentEncryption, key, aad, body []byte) []byte {
	var newHash func() hash.Hash
	switch enc.TagSize {
	case 16:
		newHash = sha256.New
	case 24:
		newHash = sha512.New384
	default:
		newHash = sha512.New
	}
	var bits [8]byte
	binary.BigEndian.PutUint64(bits[:], uint64(len(aad))*8)
	mac := hmac.New(newHash, key)
	mac.Write(aad)
	mac.Write(body)
	mac.Write(bits[:])
	return mac.Sum(make([]byte, 0, sha512.Size))
}
