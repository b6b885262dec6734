package jwk

import "github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"

// SignFunc has somebody sign a message with the private part of a key that he keeps. The signature is encoded as in a JWS (RFC 7518
// section 3): ECDSA as r and s, each of the full length of the curve's order.
type SignFunc func(message []byte) ([]byte, error)

// SignedBy returns a copy of a public key that signs by sign. It is still a public key to everything else: it is not [Key.IsPrivate], and
// its private part cannot be marshalled, since it is not here. A private or a symmetric key is an error with code key_mismatch.
func (k *Key) SignedBy(sign SignFunc) (*Key, error) {
	if k.IsPrivate() || sign == nil {
		return nil, fault.New(fault.KeyMismatch, "only the public part of a key can be signed for from elsewhere")
	}
	signing := *k
	signing.sign = sign
	return &signing, nil
}

// Elsewhere is who signs with the private part of a public key; nil for a key that is all here, or does not sign.
func (k *Key) Elsewhere() SignFunc { return k.sign }
