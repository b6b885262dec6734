package jwe

import (
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe/internal/content"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keywrap"
)

// Encrypt encrypts plaintext to a key, which may be public, and returns the compact serialization.
// The content encryption key is fresh for every message, except with dir, where it is the key itself,
// and ECDH-ES, where it is agreed upon.
func Encrypt(key *jwk.Key, h Header, plaintext []byte) (string, error) {
	management, encryption, err := resolve(key, h.Algorithm, h.Encryption)
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	enc, err := alg.LookupContentEncryption(encryption)
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	if err := key.Permits(operations(management.Family, false)...); err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	h.Algorithm, h.Encryption = management.Name, enc.Name
	if h.KeyID == "" {
		h.KeyID = key.ID
	}
	w := workspaces.Get().(*workspace) //nolint:forcetypeassert // the pool holds nothing else
	defer w.release()
	return w.encrypt(key, management, enc, &h, plaintext)
}

func (w *workspace) encrypt(key *jwk.Key, management alg.KeyManagement, enc alg.ContentEncryption, h *Header, plaintext []byte) (string, error) {
	encryptedKey, p, err := w.produceKey(key, management, enc, h)
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	if w.header, err = h.append(w.header[:0], p); err != nil {
		return "", err
	}
	if plaintext, err = h.pack(plaintext); err != nil {
		return "", err
	}
	sealedLen := content.SealedLen(enc, len(plaintext))
	total := base64url.EncodedLen(len(w.header)) + base64url.EncodedLen(len(encryptedKey)) + base64url.EncodedLen(sealedLen) + 8
	out := base64url.AppendEncode(slices.Grow(w.out[:0], total), w.header)
	iv, ciphertext, tag, err := w.seal(key, management, enc, plaintext, out)
	if err != nil {
		return "", err
	}
	for _, part := range [...][]byte{encryptedKey, iv, ciphertext, tag} {
		out = base64url.AppendEncode(append(out, '.'), part)
	}
	w.out = out
	if len(out) > MaxSize {
		return "", fault.New(fault.InvalidInput, "encrypt: the message would be longer than %d characters", MaxSize)
	}
	return string(out), nil
}

// seal encrypts plaintext under w.key, or with dir and AES-GCM under the key itself.
func (w *workspace) seal(key *jwk.Key, management alg.KeyManagement, enc alg.ContentEncryption, plaintext, aad []byte) (iv, ciphertext, tag []byte, err error) {
	w.sealed = slices.Grow(w.sealed[:0], content.SealedLen(enc, len(plaintext)))
	if management.Family == alg.Direct && enc.Family == alg.AESGCM {
		aead, err := key.AESGCM()
		if err != nil {
			return nil, nil, nil, fmt.Errorf("encrypt: %w", err)
		}
		w.sealed = aead.Seal(w.sealed, nil, plaintext, aad)
	} else if w.sealed, err = content.AppendSeal(w.sealed, enc, w.key[:enc.KeySize/8], plaintext, aad); err != nil {
		return nil, nil, nil, fmt.Errorf("encrypt: %w", err)
	}
	end := len(w.sealed) - enc.TagSize
	return w.sealed[:enc.IVSize], w.sealed[enc.IVSize:end], w.sealed[end:], nil
}

// produceKey puts the content encryption key into w.key and returns its wrapped form and what the
// header says about it.
func (w *workspace) produceKey(key *jwk.Key, management alg.KeyManagement, enc alg.ContentEncryption, h *Header) (encryptedKey []byte, p produced, err error) {
	if management.Family != alg.Direct && management.Family != alg.ECDHES {
		randomize(w.key[:enc.KeySize/8])
	}
	return w.wrapKey(key, management, enc, h)
}

// wrapKey wraps the content encryption key that stands in w.key. With dir and ECDH-ES there is nothing to
// wrap: they put it there.
func (w *workspace) wrapKey(key *jwk.Key, management alg.KeyManagement, enc alg.ContentEncryption, h *Header) (encryptedKey []byte, p produced, err error) {
	contentKey := w.key[:enc.KeySize/8]
	switch management.Family {
	case alg.Direct:
		if key.Size() != enc.KeySize {
			return nil, p, fault.New(fault.KeyMismatch, "a key of %d bits does not fit %s", key.Size(), enc.Name)
		}
		copy(contentKey, key.Secret())
		return nil, p, nil
	case alg.AESKeyWrap:
		block, err := key.AESBlock()
		if err != nil {
			return nil, p, err
		}
		encryptedKey, err = keywrap.AppendWrap(w.wrapped[:0], block, contentKey)
		return encryptedKey, p, err
	case alg.AESGCMKeyWrap:
		aead, err := key.AESGCM()
		if err != nil {
			return nil, p, err
		}
		sealed := aead.Seal(w.wrapped[:0], nil, contentKey, nil)
		p.iv, p.tag = sealed[:gcmIVSize], sealed[len(sealed)-gcmTagSize:]
		return sealed[gcmIVSize : len(sealed)-gcmTagSize], p, nil
	case alg.RSAOAEP:
		encryptedKey, err = keywrap.WrapRSAOAEP(rsaPublic(key), management.Hash, contentKey)
		return encryptedKey, p, err
	default:
		return w.agreeForSender(key, management, enc, h)
	}
}

// Lengths in bytes of the initialization vector and the tag of AES-GCM key wrap (RFC 7518 section 4.7).
const (
	gcmIVSize  = 12
	gcmTagSize = 16
)

func (w *workspace) agreeForSender(key *jwk.Key, management alg.KeyManagement, enc alg.ContentEncryption, h *Header) (encryptedKey []byte, p produced, err error) {
	recipient, err := key.ECDHPublic()
	if err != nil {
		return nil, p, err
	}
	ephemeral, err := recipient.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return nil, p, err
	}
	agreed, err := agree(ephemeral, recipient, management, enc, h)
	if err != nil {
		return nil, p, err
	}
	defer clear(agreed)
	p.ephemeral, p.curve = ephemeral.PublicKey(), key.Curve()
	contentKey := w.key[:enc.KeySize/8]
	if management.Family == alg.ECDHES {
		copy(contentKey, agreed)
		return nil, p, nil
	}
	block, err := aes.NewCipher(agreed)
	if err != nil {
		return nil, p, err
	}
	encryptedKey, err = keywrap.AppendWrap(w.wrapped[:0], block, contentKey)
	return encryptedKey, p, err
}

func randomize(key []byte) { _, _ = rand.Read(key) } // never fails: it ends the process instead

func rsaPublic(key *jwk.Key) *rsa.PublicKey {
	switch v := key.Material().(type) {
	case *rsa.PrivateKey:
		return &v.PublicKey
	case *rsa.PublicKey:
		return v
	default:
		return nil
	}
}
