package certificate

import (
	"crypto"
	"crypto/x509"
)

// Scheme is how a signature algorithm is used by whoever digests a message by himself, piece by piece: the hash (0 for Ed25519, which signs
// messages), and what crypto.Signer is told.
func Scheme(algorithm x509.SignatureAlgorithm) (hash crypto.Hash, options crypto.SignerOpts, err error) {
	s, err := signatureOf(algorithm)
	if err != nil {
		return 0, nil, err
	}
	return s.hash, s.options(), nil
}
