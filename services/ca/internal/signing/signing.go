// Package signing fixes with which algorithm a key signs revocation lists and OCSP responses (RFC 5280 section 4.1.1.2; FIPS 186-5 with SHA-2):
// ECDSA with the hash that matches its curve, RSA PKCS #1 v1.5 with SHA-256, Ed25519. Its type is [Signer].
package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// minRSA is the least size of an RSA modulus in bits (FIPS 186-5 section 5.1).
const minRSA = 2048

// Signer is a key with its algorithm. It may be used by many goroutines if the key may.
type Signer struct {
	key        crypto.Signer
	identifier []byte
	hash       crypto.Hash
}

// New chooses the algorithm of a key.
func New(key crypto.Signer) (*Signer, error) {
	if key == nil {
		return nil, errors.New("signing: a key is required")
	}
	algorithm, hash, err := algorithmOf(key.Public())
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	identifier, err := asn1.Marshal(algorithm)
	if err != nil {
		return nil, fmt.Errorf("signing: encode algorithm: %w", err)
	}
	return &Signer{key: key, identifier: identifier, hash: hash}, nil
}

func algorithmOf(public crypto.PublicKey) (pkix.AlgorithmIdentifier, crypto.Hash, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}, crypto.SHA256, nil
		case elliptic.P384():
			return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}}, crypto.SHA384, nil
		case elliptic.P521():
			return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}}, crypto.SHA512, nil
		}
		return pkix.AlgorithmIdentifier{}, 0, fmt.Errorf("the curve %s is not approved", key.Params().Name)
	case *rsa.PublicKey:
		if key.N.BitLen() < minRSA {
			return pkix.AlgorithmIdentifier{}, 0, fmt.Errorf("an RSA key of %d bits is too short", key.N.BitLen())
		}
		return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue}, crypto.SHA256, nil
	case ed25519.PublicKey:
		return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 101, 112}}, 0, nil
	default:
		return pkix.AlgorithmIdentifier{}, 0, fmt.Errorf("a key of type %T cannot sign", public)
	}
}

// Identifier is the DER of the AlgorithmIdentifier. Nobody may change it.
func (s *Signer) Identifier() []byte { return s.identifier }

// Public is the public key.
func (s *Signer) Public() crypto.PublicKey { return s.key.Public() }

// NewHash begins a digest, or is nil where the whole message is signed (Ed25519, RFC 8032: it is read twice, so there is no digest to sign).
func (s *Signer) NewHash() hash.Hash {
	if s.hash == 0 {
		return nil
	}
	return s.hash.New()
}

// Sign signs what NewHash has digested, or the message itself where NewHash is nil.
func (s *Signer) Sign(digest []byte) ([]byte, error) {
	signature, err := s.key.Sign(rand.Reader, digest, s.hash)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signature, nil
}

// SignMessage digests and signs a message.
func (s *Signer) SignMessage(message []byte) ([]byte, error) {
	h := s.NewHash()
	if h == nil {
		return s.Sign(message)
	}
	h.Write(message)
	return s.Sign(h.Sum(nil))
}
