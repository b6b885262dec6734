package jwe

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/subtle"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/base64url"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe/internal/content"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keywrap"
)

// Decrypt decrypts a message in compact serialization with a private or symmetric key and returns the
// plaintext together with the header, which is authentic then. The errors are [ErrDecryption], and
// others with the codes invalid_jwe, key_mismatch and unsupported_algorithm that depend on the
// message's form and on the key's attributes alone.
func Decrypt(key *jwk.Key, compact string, expect Expect) ([]byte, Header, error) {
	management, encryption, err := mayDecrypt(key, &expect)
	if err != nil {
		return nil, Header{}, err
	}
	parts, err := split(compact)
	if err != nil {
		return nil, Header{}, fmt.Errorf("decrypt: %w", err)
	}
	w := workspaces.Get().(*workspace) //nolint:forcetypeassert // the pool holds nothing else
	defer w.release()
	w.header, err = base64url.AppendDecode(slices.Grow(w.header[:0], len(parts.header)), parts.header)
	if err != nil {
		return nil, Header{}, fmt.Errorf("decrypt: %w", errHeaderEncoding)
	}
	h, p, err := parseHeader(w.header, &expect.Allow, management.Name, encryption, key.ID)
	if err != nil {
		return nil, Header{}, fmt.Errorf("decrypt: %w", err)
	}
	w.out = append(w.out[:0], parts.header...)
	plaintext, err := w.decrypt(key, management, encryption, &h, p, parts, &expect.Allow)
	if err != nil {
		return nil, Header{}, err
	}
	return plaintext, h, nil
}

// mayDecrypt finds the algorithms and makes sure that the key may decrypt with them.
func mayDecrypt(key *jwk.Key, expect *Expect) (alg.KeyManagement, string, error) {
	management, encryption, err := resolve(key, expect.Algorithm, expect.Encryption)
	if err != nil {
		return management, "", fmt.Errorf("decrypt: %w", err)
	}
	if !key.IsPrivate() {
		return management, "", fault.New(fault.KeyMismatch, "decrypt: the key has no private part")
	}
	if err := key.Permits(operations(management.Family, true)...); err != nil {
		return management, "", fmt.Errorf("decrypt: %w", err)
	}
	return management, encryption, nil
}

// decrypt opens a message for one recipient. h and p are what all its headers say; the additional
// authenticated data stand in w.out.
func (w *workspace) decrypt(key *jwk.Key, management alg.KeyManagement, encryption string, h *Header, p parameters, parts parts, allow *Allow) ([]byte, error) {
	enc, err := checkAlgorithms(h, management, encryption)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	sealed, ok := w.join(enc, parts)
	if !ok {
		return nil, ErrDecryption
	}
	if management.Family == alg.Direct && enc.Family == alg.AESGCM {
		plaintext, err := openDirect(key, enc, parts.encryptedKey, sealed, w.out)
		if err != nil {
			return nil, err
		}
		return h.unpack(plaintext, allow)
	}
	good, err := w.recoverKey(key, management, enc, h, p, parts.encryptedKey)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	plaintext, err := content.Open(enc, w.key[:enc.KeySize/8], sealed, w.out)
	if err != nil || !good {
		return nil, ErrDecryption
	}
	return h.unpack(plaintext, allow)
}

var errNoAlgorithm = fault.New(fault.InvalidJWE, `header: "alg" or "enc" is missing`)

// checkAlgorithms compares what the message claims with what was resolved without it.
func checkAlgorithms(h *Header, management alg.KeyManagement, encryption string) (alg.ContentEncryption, error) {
	if h.Algorithm == "" || h.Encryption == "" {
		return alg.ContentEncryption{}, errNoAlgorithm
	}
	if h.Algorithm != management.Name {
		if _, err := alg.LookupKeyManagement(h.Algorithm); err != nil {
			return alg.ContentEncryption{}, err
		}
		return alg.ContentEncryption{}, fault.New(fault.InvalidJWE, `header: %w: "alg" is %q where %s is expected`, ErrAlgorithm, h.Algorithm, management.Name)
	}
	enc, err := alg.LookupContentEncryption(h.Encryption)
	if err != nil {
		return alg.ContentEncryption{}, err
	}
	if encryption != "" && enc.Name != encryption {
		return alg.ContentEncryption{}, fault.New(fault.InvalidJWE, `header: %w: "enc" is %q where %s is expected`, ErrAlgorithm, h.Encryption, encryption)
	}
	return enc, nil
}

// join decodes initialization vector, ciphertext and tag into one piece. Their lengths are fixed: a
// shortened tag is not accepted.
func (w *workspace) join(enc alg.ContentEncryption, parts parts) (sealed []byte, ok bool) {
	if len(parts.iv) != base64url.EncodedLen(enc.IVSize) || len(parts.tag) != base64url.EncodedLen(enc.TagSize) {
		return nil, false
	}
	sealed = slices.Grow(w.sealed[:0], enc.IVSize+base64url.DecodedLen(len(parts.ciphertext))+enc.TagSize)
	for _, part := range [...]string{parts.iv, parts.ciphertext, parts.tag} {
		var err error
		if sealed, err = base64url.AppendDecode(sealed, part); err != nil {
			return nil, false
		}
	}
	w.sealed = sealed
	return sealed, true
}

func openDirect(key *jwk.Key, enc alg.ContentEncryption, encryptedKey string, sealed, aad []byte) ([]byte, error) {
	if key.Size() != enc.KeySize || encryptedKey != "" {
		return nil, ErrDecryption
	}
	aead, err := key.AESGCM()
	if err != nil {
		return nil, ErrDecryption
	}
	plaintext, err := content.OpenGCM(aead, sealed, aad)
	if err != nil {
		return nil, ErrDecryption
	}
	return plaintext, nil
}

// longestEncryptedKey is the length in bytes of what RSA-OAEP makes with the largest modulus.
const longestEncryptedKey = alg.MaxRSABits / 8

// recoverKey puts the content encryption key into w.key. If it cannot be recovered, w.key is a random
// one, good is false and err is nil: the caller goes on and fails later, like with a wrong tag. err is
// for headers that lack what the algorithm needs.
func (w *workspace) recoverKey(key *jwk.Key, management alg.KeyManagement, enc alg.ContentEncryption, h *Header, p parameters, encodedKey string) (good bool, err error) {
	// An encrypted key is empty exactly with dir and ECDH-ES (RFC 7516 section 5.2 steps 8 to 10).
	wantsKey := management.Family != alg.Direct && management.Family != alg.ECDHES
	if wantsKey != (encodedKey != "") || len(encodedKey) > base64url.EncodedLen(longestEncryptedKey) {
		return w.keep(nil, enc), nil
	}
	w.encrypted, err = base64url.AppendDecode(w.encrypted[:0], encodedKey)
	if err != nil {
		return w.keep(nil, enc), nil
	}
	encryptedKey := w.encrypted
	switch management.Family {
	case alg.Direct:
		return w.keep(key.Secret(), enc), nil
	case alg.AESKeyWrap:
		block, err := key.AESBlock()
		return w.unwrap(block, err, encryptedKey, enc), nil
	case alg.AESGCMKeyWrap:
		return w.openWrapped(key, encryptedKey, p, enc), nil
	case alg.RSAOAEP:
		private, ok := key.Material().(*rsa.PrivateKey)
		if !ok {
			return w.keep(nil, enc), nil
		}
		contentKey, err := keywrap.UnwrapRSAOAEP(private, management.Hash, encryptedKey)
		defer clear(contentKey)
		if err != nil {
			contentKey = nil
		}
		return w.keep(contentKey, enc), nil
	default:
		return w.agreeForRecipient(key, management, enc, h, p, encryptedKey)
	}
}

func (w *workspace) agreeForRecipient(key *jwk.Key, management alg.KeyManagement, enc alg.ContentEncryption, h *Header, p parameters, encryptedKey []byte) (bool, error) {
	private, err := key.ECDHPrivate()
	if err != nil {
		return w.keep(nil, enc), nil // fails later, like with a wrong tag
	}
	ephemeral, err := parseEphemeral(p.ephemeral, private.Curve(), key.Curve())
	if err != nil {
		return false, err
	}
	agreed, err := agree(private, ephemeral, management, enc, h)
	if err != nil {
		return w.keep(nil, enc), nil // fails later, like with a wrong tag
	}
	defer clear(agreed)
	if management.Family == alg.ECDHES {
		return w.keep(agreed, enc), nil
	}
	block, err := aes.NewCipher(agreed)
	return w.unwrap(block, err, encryptedKey, enc), nil
}

// openWrapped undoes AES-GCM key wrap, whose initialization vector and tag stand in the header.
func (w *workspace) openWrapped(key *jwk.Key, encryptedKey []byte, p parameters, enc alg.ContentEncryption) bool {
	aead, err := key.AESGCM()
	if err != nil || len(encryptedKey)*8 != enc.KeySize {
		return w.keep(nil, enc)
	}
	var iv [gcmIVSize]byte
	var tag [gcmTagSize]byte
	if !readFixed(iv[:], p.iv) || !readFixed(tag[:], p.tag) {
		return w.keep(nil, enc)
	}
	sealed := append(append(append(w.wrapped[:0], iv[:]...), encryptedKey...), tag[:]...)
	contentKey, err := content.OpenGCM(aead, sealed, nil)
	defer clear(contentKey)
	if err != nil {
		contentKey = nil
	}
	return w.keep(contentKey, enc)
}

func (w *workspace) unwrap(block cipher.Block, err error, encryptedKey []byte, enc alg.ContentEncryption) bool {
	if err != nil || len(encryptedKey) != enc.KeySize/8+keywrap.Overhead {
		return w.keep(nil, enc)
	}
	contentKey, err := keywrap.AppendUnwrap(w.wrapped[:0], block, encryptedKey)
	if err != nil {
		contentKey = nil
	}
	return w.keep(contentKey, enc)
}

// keep copies a recovered key to w.key, or the decoy if it does not have the length that the content
// encryption needs.
func (w *workspace) keep(contentKey []byte, enc alg.ContentEncryption) (good bool) {
	size := enc.KeySize / 8
	ok := subtle.ConstantTimeEq(int32(len(contentKey)), int32(size)) //nolint:gosec // lengths of keys
	copy(w.key[:size], w.decoy[:size])
	if ok == 1 {
		copy(w.key[:size], contentKey)
	}
	return ok == 1
}
