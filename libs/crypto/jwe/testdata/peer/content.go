package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
)

// What somebody does who has the content encryption key from elsewhere, for key management that the library does not
// have: the content, with the library's CBC-HMAC and the standard library's GCM outside enforcement.

// aead is the content encryption with a key.
func aead(encryption string, key []byte) (cipher.AEAD, error) {
	if strings.Contains(encryption, "CBC") {
		return josecipher.NewCBCHMAC(key, aes.NewCipher)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// open decrypts the content of a message with the content encryption key.
func open(r *request) (string, error) {
	parts := strings.Split(r.Text, ".")
	if len(parts) != 5 {
		return "", errors.New("no compact serialization")
	}
	var decoded [5][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return "", fmt.Errorf("part %d: %w", i, err)
		}
	}
	content, err := aead(r.Encryption, r.Octets)
	if err != nil {
		return "", err
	}
	plaintext, err := content.Open(nil, decoded[2], append(decoded[3], decoded[4]...), []byte(parts[0]))
	return string(plaintext), err
}

// seal encrypts with a content encryption key. AAD is the protected header, and KeyID the encrypted key, both in base64url.
func seal(r *request) (string, error) {
	content, err := aead(r.Encryption, r.Octets)
	if err != nil {
		return "", err
	}
	iv := make([]byte, content.NonceSize())
	if _, err := rand.Read(iv); err != nil {
		return "", err
	}
	sealed := content.Seal(nil, iv, []byte(r.Text), []byte(r.AAD))
	tag := content.Overhead()
	if strings.Contains(r.Encryption, "CBC") {
		tag = len(r.Octets) / 2 // the library's overhead counts padding too
	}
	encode := base64.RawURLEncoding.EncodeToString
	return strings.Join([]string{r.AAD, r.KeyID, encode(iv), encode(sealed[:len(sealed)-tag]), encode(sealed[len(sealed)-tag:])}, "."), nil
}
