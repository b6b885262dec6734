package jwe

import (
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/joseheader"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Content types of encrypted keys (RFC 7517 section 7).
const (
	keyType    = "jwk+json"
	keySetType = "jwk-set+json"
)

// EncryptKey encrypts a private or symmetric key to another one as [Encrypt] does (RFC 7517 section 7). The
// header's ContentType is set here. A key is not encrypted with itself: that is an error with code
// key_mismatch.
func EncryptKey(recipient *jwk.Key, h Header, key *jwk.Key) (string, error) {
	if err := checkCarried(recipient, []*jwk.Key{key}); err != nil {
		return "", err
	}
	text, err := key.MarshalPrivate()
	if err != nil {
		return "", fmt.Errorf("encrypt key: %w", err)
	}
	defer clear(text)
	h.ContentType = keyType
	return Encrypt(recipient, h, text)
}

// DecryptKey decrypts what EncryptKey made and checks the key as [jwk.Parse] does.
func DecryptKey(recipient *jwk.Key, compact string, expect Expect) (*jwk.Key, Header, error) {
	text, h, err := decryptTyped(recipient, compact, expect, keyType)
	if err != nil {
		return nil, Header{}, err
	}
	defer clear(text)
	key, err := jwk.Parse(text)
	if err != nil {
		return nil, Header{}, fmt.Errorf("decrypt key: %w", err)
	}
	return key, h, nil
}

// EncryptKeySet is EncryptKey for a set of keys, in the order of [jwk.MarshalPrivateSet].
func EncryptKeySet(recipient *jwk.Key, h Header, keys []*jwk.Key) (string, error) {
	if err := checkCarried(recipient, keys); err != nil {
		return "", err
	}
	text, err := jwk.MarshalPrivateSet(keys)
	if err != nil {
		return "", fmt.Errorf("encrypt key set: %w", err)
	}
	defer clear(text)
	h.ContentType = keySetType
	return Encrypt(recipient, h, text)
}

// DecryptKeySet decrypts what EncryptKeySet made and checks the keys as [jwk.ParseSet] does.
func DecryptKeySet(recipient *jwk.Key, compact string, expect Expect) (*jwk.Set, Header, error) {
	text, h, err := decryptTyped(recipient, compact, expect, keySetType)
	if err != nil {
		return nil, Header{}, err
	}
	defer clear(text)
	set, err := jwk.ParseSet(text)
	if err != nil {
		return nil, Header{}, fmt.Errorf("decrypt key set: %w", err)
	}
	return set, h, nil
}

// checkCarried refuses to encrypt a key with itself: whoever can read that has it already.
func checkCarried(recipient *jwk.Key, keys []*jwk.Key) error {
	own := recipient.ThumbprintSHA256()
	if slices.ContainsFunc(keys, func(key *jwk.Key) bool { return key.ThumbprintSHA256() == own }) {
		return fault.New(fault.KeyMismatch, "encrypt key: it would be encrypted with itself")
	}
	return nil
}

func decryptTyped(recipient *jwk.Key, compact string, expect Expect, typ string) ([]byte, Header, error) {
	text, h, err := Decrypt(recipient, compact, expect)
	if err != nil {
		return nil, Header{}, err
	}
	if !joseheader.SameType(h.ContentType, typ) {
		clear(text)
		return nil, Header{}, fault.New(fault.InvalidJWE, `header: "cty" is %.64q where %q is expected`, h.ContentType, typ)
	}
	return text, h, nil
}
