// Package signing signs what is not a certificate by a CA's key: revocation lists and OCSP responses, digested piece by piece. Its type is [Signer].
package signing

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// minRSA is the least size of an RSA modulus in bits (FIPS 186-5 section 5.1).
const minRSA = 2048

// Algorithm is how a kind of key signs.
type Algorithm struct {
	identifier []byte
	hash       crypto.Hash
	options    crypto.SignerOpts
}

// For is the algorithm of a public key; 0 for the usual one.
func For(public crypto.PublicKey, algorithm x509.SignatureAlgorithm) (*Algorithm, error) {
	if short, ok := public.(*rsa.PublicKey); ok && short.N.BitLen() < minRSA {
		return nil, fmt.Errorf("signing: an RSA key of %d bits is too short", short.N.BitLen())
	}
	if algorithm == 0 {
		var err error
		if algorithm, err = certificate.ChooseSignature(public, 0, false); err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
	}
	a := &Algorithm{}
	var err error
	if a.hash, a.options, err = certificate.Scheme(algorithm); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	identifier, err := certificate.Identifier(algorithm)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if a.identifier, err = asn1.Marshal(identifier); err != nil {
		return nil, fmt.Errorf("signing: encode algorithm: %w", err)
	}
	return a, nil
}

// Identifier is the DER of the AlgorithmIdentifier. Nobody may change it.
func (a *Algorithm) Identifier() []byte { return a.identifier }

// By signs with a key of the kind that the algorithm is for.
func (a *Algorithm) By(key crypto.Signer) *Signer { return &Signer{Algorithm: a, key: key} }

// Signer is a key with its algorithm. It may be used by many goroutines if the key may.
type Signer struct {
	*Algorithm

	key crypto.Signer
}

// New takes a key and the algorithm to sign by; 0 for the usual one of the key.
func New(key crypto.Signer, algorithm x509.SignatureAlgorithm) (*Signer, error) {
	if key == nil {
		return nil, errors.New("signing: a key is required")
	}
	a, err := For(key.Public(), algorithm)
	if err != nil {
		return nil, err
	}
	return a.By(key), nil
}

// NewHash begins a digest, or is nil where the whole message is signed (Ed25519 reads it twice, RFC 8032: there is no digest to sign).
func (s *Signer) NewHash() hash.Hash {
	if s.hash == 0 {
		return nil
	}
	return s.hash.New()
}

// Sign signs what NewHash has digested, or the message itself where NewHash is nil.
func (s *Signer) Sign(digest []byte) ([]byte, error) {
	signature, err := s.key.Sign(rand.Reader, digest, s.options)
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
