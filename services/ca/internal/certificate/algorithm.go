package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

// signature is what X.509 says of a signature algorithm.
type signature struct {
	algorithm  x509.SignatureAlgorithm
	key        x509.PublicKeyAlgorithm
	hash       crypto.Hash // 0 for Ed25519, which hashes by itself
	object     asn1.ObjectIdentifier
	parameters []byte // DER; absent where empty
}

// signatures are the algorithms of RFC 4055, RFC 5758 and RFC 8410 that an issuer signs with. The salt of RSASSA-PSS is as long as the hash, and the
// mask generation function uses the same hash.
var signatures = []signature{
	{x509.SHA256WithRSA, x509.RSA, crypto.SHA256, []int{1, 2, 840, 113549, 1, 1, 11}, asn1.NullBytes},
	{x509.SHA384WithRSA, x509.RSA, crypto.SHA384, []int{1, 2, 840, 113549, 1, 1, 12}, asn1.NullBytes},
	{x509.SHA512WithRSA, x509.RSA, crypto.SHA512, []int{1, 2, 840, 113549, 1, 1, 13}, asn1.NullBytes},
	{x509.SHA256WithRSAPSS, x509.RSA, crypto.SHA256, []int{1, 2, 840, 113549, 1, 1, 10}, pssParameters(1, 32)},
	{x509.SHA384WithRSAPSS, x509.RSA, crypto.SHA384, []int{1, 2, 840, 113549, 1, 1, 10}, pssParameters(2, 48)},
	{x509.SHA512WithRSAPSS, x509.RSA, crypto.SHA512, []int{1, 2, 840, 113549, 1, 1, 10}, pssParameters(3, 64)},
	{x509.ECDSAWithSHA256, x509.ECDSA, crypto.SHA256, []int{1, 2, 840, 10045, 4, 3, 2}, nil},
	{x509.ECDSAWithSHA384, x509.ECDSA, crypto.SHA384, []int{1, 2, 840, 10045, 4, 3, 3}, nil},
	{x509.ECDSAWithSHA512, x509.ECDSA, crypto.SHA512, []int{1, 2, 840, 10045, 4, 3, 4}, nil},
	{x509.PureEd25519, x509.Ed25519, 0, []int{1, 3, 101, 112}, nil},
}

// pssParameters is the RSASSA-PSS-params of RFC 4055 section 3.1 for the hash with the last arc of 2.16.840.1.101.3.4.2 and a salt of as many bytes.
func pssParameters(hash, salt byte) []byte {
	identifier := []byte{0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash, 0x05, 0x00}
	mask := append([]byte{0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08}, identifier...)
	return slices.Concat([]byte{0x30, 0x34, 0xa0, 0x0f}, identifier, mask, []byte{0xa2, 0x03, 0x02, 0x01, salt})
}

func signatureOf(algorithm x509.SignatureAlgorithm) (signature, error) {
	for _, s := range signatures {
		if s.algorithm == algorithm {
			return s, nil
		}
	}
	return signature{}, fmt.Errorf("signature algorithm %s: not one that an issuer may use", algorithm)
}

// Identifier is the AlgorithmIdentifier of a signature algorithm, for [Template.Signature].
func Identifier(algorithm x509.SignatureAlgorithm) (pkix.AlgorithmIdentifier, error) {
	s, err := signatureOf(algorithm)
	if err != nil {
		return pkix.AlgorithmIdentifier{}, err
	}
	return pkix.AlgorithmIdentifier{Algorithm: s.object, Parameters: asn1.RawValue{FullBytes: s.parameters}}, nil
}

// SignatureAlgorithms are those an issuer with this public key may use, the usual one first: three hashes with PKCS #1 v1.5 and with PSS for RSA, the
// hash that matches the curve for ECDSA (P-256, P-384, P-521), Ed25519. For other keys there is none.
func SignatureAlgorithms(issuer crypto.PublicKey) []x509.SignatureAlgorithm {
	switch key := issuer.(type) {
	case *rsa.PublicKey:
		return []x509.SignatureAlgorithm{
			x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
			x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		}
	case *ecdsa.PublicKey:
		switch key.Curve.Params().Name {
		case "P-256":
			return []x509.SignatureAlgorithm{x509.ECDSAWithSHA256}
		case "P-384":
			return []x509.SignatureAlgorithm{x509.ECDSAWithSHA384}
		case "P-521":
			return []x509.SignatureAlgorithm{x509.ECDSAWithSHA512}
		}
	case ed25519.PublicKey:
		return []x509.SignatureAlgorithm{x509.PureEd25519}
	}
	return nil
}

// ChooseSignature finds the algorithm for an issuer's key, the asked hash (0: the usual) and, for RSA, the padding. A hash that does not belong
// to the key's curve is an error.
func ChooseSignature(issuer crypto.PublicKey, hash crypto.Hash, pss bool) (x509.SignatureAlgorithm, error) {
	allowed := SignatureAlgorithms(issuer)
	if len(allowed) == 0 {
		return 0, fmt.Errorf("choose signature: an issuer's key cannot be a %T, or is on an unknown curve", issuer)
	}
	if _, isRSA := issuer.(*rsa.PublicKey); pss && !isRSA {
		return 0, errors.New("choose signature: only RSA has the padding PSS")
	}
	for _, algorithm := range allowed {
		s, err := signatureOf(algorithm)
		if err != nil {
			return 0, err
		}
		if s.isPSS() == pss && (hash == 0 || s.hash == hash) {
			return algorithm, nil
		}
	}
	return 0, fmt.Errorf("choose signature: %s does not fit the issuer's key, whose usual algorithm is %s", hash, allowed[0])
}

func (s signature) isPSS() bool { return len(s.parameters) > len(asn1.NullBytes) }

// options are what crypto.Signer is told.
func (s signature) options() crypto.SignerOpts {
	if s.isPSS() {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.hash}
	}
	return s.hash
}

// digest is what is signed: the hash of the message, or for Ed25519 the message.
func (s signature) digest(message []byte) []byte {
	if s.hash == 0 {
		return message
	}
	h := s.hash.New()
	h.Write(message)
	return h.Sum(nil)
}

// verify checks a signature over the message.
func (s signature) verify(public crypto.PublicKey, message, value []byte) error {
	digest := s.digest(message)
	valid := false
	switch key := public.(type) {
	case *rsa.PublicKey:
		switch {
		case s.key != x509.RSA:
		case s.isPSS():
			valid = rsa.VerifyPSS(key, s.hash, digest, value, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		default:
			valid = rsa.VerifyPKCS1v15(key, s.hash, digest, value) == nil
		}
	case *ecdsa.PublicKey:
		valid = s.key == x509.ECDSA && ecdsa.VerifyASN1(key, digest, value)
	case ed25519.PublicKey:
		valid = s.key == x509.Ed25519 && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, digest, value)
	}
	if !valid {
		return errors.New("the signature is not by this key over these bytes")
	}
	return nil
}

// find returns the algorithm of an identifier.
func find(object asn1.ObjectIdentifier, parameters []byte) (signature, bool) {
	for _, s := range signatures {
		if s.object.Equal(object) && bytes.Equal(s.parameters, parameters) {
			return s, true
		}
	}
	return signature{}, false
}
