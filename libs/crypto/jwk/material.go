package jwk

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"math/big"
	"sync"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// material is a checked key and what was prepared from it at first use. The public field of its
// kind is always set, the private one for private keys. Everything private is two pointers away from
// a Key, where no verb of fmt follows, not even inside somebody's unexported field.
type material struct {
	keyType      alg.KeyType
	curve        string
	parameterSet string
	size         int

	rsaPrivate *rsa.PrivateKey
	rsaPublic  *rsa.PublicKey
	ecPrivate  *ecdsa.PrivateKey
	ecPublic   *ecdsa.PublicKey
	edPrivate  *hidden
	edPublic   ed25519.PublicKey
	kemPrivate *kemPrivate
	kemPublic  crypto.Encapsulator
	secret     *hidden

	agreement prepared[*ecdh.PrivateKey]
	peer      prepared[*ecdh.PublicKey]
	block     prepared[cipher.Block]
	gcm       prepared[cipher.AEAD]
}

// hidden holds the bytes of a symmetric key or of an Ed25519 private key.
type hidden struct{ bytes []byte }

// prepared is a value that is made once, at its first use.
type prepared[T any] struct {
	once  sync.Once
	value T
	err   error
}

func (p *prepared[T]) get(prepare func() (T, error)) (T, error) {
	p.once.Do(func() { p.value, p.err = prepare() })
	return p.value, p.err
}

var errKind = errors.New("the key is of another kind")

// ECDHPrivate returns the key for key agreement; an error if it is not a private EC key.
func (k *Key) ECDHPrivate() (*ecdh.PrivateKey, error) {
	if k.m.ecPrivate == nil {
		return nil, errKind
	}
	return k.m.agreement.get(k.m.ecPrivate.ECDH)
}

// ECDHPublic returns the public key for key agreement; an error if it is not an EC key.
func (k *Key) ECDHPublic() (*ecdh.PublicKey, error) {
	if k.m.ecPublic == nil {
		return nil, errKind
	}
	return k.m.peer.get(k.m.ecPublic.ECDH)
}

// AESBlock returns the AES cipher of a symmetric key of 128, 192 or 256 bits. It is made once.
func (k *Key) AESBlock() (cipher.Block, error) {
	if k.m.secret == nil {
		return nil, errKind
	}
	return k.m.block.get(func() (cipher.Block, error) { return aes.NewCipher(k.m.secret.bytes) })
}

// AESGCM returns AES-GCM with random nonces for a symmetric key of 128, 192 or 256 bits: Seal returns
// nonce, ciphertext and tag in one (SP 800-38D section 8.2.2). It is made once. A key may seal at most
// 2^32 messages; counting them is up to the caller.
func (k *Key) AESGCM() (cipher.AEAD, error) {
	return k.m.gcm.get(func() (cipher.AEAD, error) {
		block, err := k.AESBlock()
		if err != nil {
			return nil, err
		}
		return cipher.NewGCMWithRandomNonce(block)
	})
}

func (m *material) public() *material {
	return &material{
		keyType: m.keyType, curve: m.curve, parameterSet: m.parameterSet, size: m.size,
		rsaPublic: m.rsaPublic, ecPublic: m.ecPublic, edPublic: m.edPublic, kemPublic: m.kemPublic,
	}
}

func (m *material) zero() {
	for _, h := range [...]*hidden{m.secret, m.edPrivate} {
		if h != nil {
			clear(h.bytes)
		}
	}
	if m.ecPrivate != nil {
		zeroInt(m.ecPrivate.D) //nolint:staticcheck // the field is the only way to reach the scalar
	}
	if p := m.kemPrivate; p != nil {
		clear(p.seed)
		p.key = nil
	}
	if p := m.rsaPrivate; p != nil {
		zeroInt(p.D, p.Precomputed.Dp, p.Precomputed.Dq, p.Precomputed.Qinv)
		zeroInt(p.Primes...)
	}
}

func zeroInt(numbers ...*big.Int) {
	for _, n := range numbers {
		if n != nil {
			clear(n.Bits())
			n.SetInt64(0)
		}
	}
}
