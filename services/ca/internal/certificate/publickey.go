package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// ParsePublicKey reads a SubjectPublicKeyInfo: RSA of 2048 to 8192 bits with a sound modulus and exponent (FIPS 186-5 section 5.1), a point on P-256,
// P-384 or P-521, or Ed25519. Another encoding of the same key is refused, so that the hash of the bytes names the key. An error is a [*Refusal].
func ParsePublicKey(spki []byte) (crypto.PublicKey, error) {
	key, err := jwk.ParsePKIX(spki, jwk.Attributes{})
	if err != nil {
		var detailed interface{ ErrorDetail() string }
		if errors.As(err, &detailed) {
			return nil, refuse(BadPublicKey, "%s", detailed.ErrorDetail())
		}
		return nil, refuse(BadPublicKey, "the public key cannot be parsed")
	}
	public := crypto.PublicKey(key.Material())
	switch public.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return nil, refuse(BadPublicKey, "the public key does not sign; RSA, ECDSA and Ed25519 keys do")
	}
	again, err := x509.MarshalPKIXPublicKey(public)
	if err != nil || !bytes.Equal(again, spki) {
		return nil, refuse(BadPublicKey, "the public key is not in its usual encoding (RFC 3279, RFC 5480, RFC 8410)")
	}
	return public, nil
}
