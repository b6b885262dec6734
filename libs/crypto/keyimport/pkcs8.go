package keyimport

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mlkem"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// The object identifiers of ML-KEM (RFC 9935 section 3).
const (
	objectMLKEM768  = "2.16.840.1.101.3.4.4.2"
	objectMLKEM1024 = "2.16.840.1.101.3.4.4.3"
)

// oneAsymmetricKey is the structure of RFC 5958 section 2, of which PKCS#8 (RFC 5208) is version 0.
type oneAsymmetricKey struct {
	Version    int
	Algorithm  pkix.AlgorithmIdentifier
	PrivateKey []byte
	Attributes asn1.RawValue  `asn1:"optional,tag:0"`
	PublicKey  asn1.BitString `asn1:"optional,tag:1"`
}

// parsePKCS8 reads a private key and makes sure that a public part in it is its own, which crypto/x509
// does not. It checks no more than what it needs to return the material.
func parsePKCS8(der []byte) (any, error) {
	var info oneAsymmetricKey
	rest, err := asn1.Unmarshal(der, &info)
	if err != nil || len(rest) > 0 {
		return nil, explainForm(der)
	}
	defer clear(info.PrivateKey)
	if info.Version != 0 && info.Version != 1 {
		return nil, fault.New(fault.ImportMalformed, "the PKCS#8 has version %d", info.Version)
	}
	key, err := parsePrivate(info)
	if err != nil {
		return nil, err
	}
	if info.PublicKey.BitLength > 0 && !isPublicOf(key, info.PublicKey.Bytes) {
		return nil, errParts()
	}
	return key, nil
}

func parsePrivate(info oneAsymmetricKey) (any, error) {
	switch info.Algorithm.Algorithm.String() {
	case "1.2.840.113549.1.1.1": // RFC 8017 appendix A.1
		return parseRSA(info.PrivateKey)
	case "1.2.840.10045.2.1": // RFC 5480 section 2.1.1
		return parseEC(info.Algorithm.Parameters.FullBytes, info.PrivateKey)
	case "1.3.101.112": // RFC 8410 section 3
		return parseEd25519(info)
	case objectMLKEM768, objectMLKEM1024:
		return parseMLKEM(info)
	default:
		return nil, fault.New(fault.ImportMismatch, "the PKCS#8 is for the algorithm %s, which is not supported", info.Algorithm.Algorithm)
	}
}

// explainForm says what stands where PKCS#8 should, as far as it can be told.
func explainForm(der []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(der), []byte("-----BEGIN ")) {
		return fault.New(fault.ImportMalformed, "the material is PEM; wrap the DER: openssl pkcs8 -topk8 -nocrypt -outform DER")
	}
	var begin struct{ First, Second asn1.RawValue }
	if rest, err := asn1.Unmarshal(der, &begin); err == nil && len(rest) == 0 {
		switch {
		case begin.First.Tag == asn1.TagInteger && begin.Second.Tag == asn1.TagInteger:
			return fault.New(fault.ImportMalformed, "the material is a PKCS#1 private key; wrap PKCS#8: openssl pkcs8 -topk8 -nocrypt -outform DER")
		case begin.First.Tag == asn1.TagInteger && begin.Second.Tag == asn1.TagOctetString:
			return fault.New(fault.ImportMalformed, "the material is a SEC 1 private key; wrap PKCS#8: openssl pkcs8 -topk8 -nocrypt -outform DER")
		case begin.First.Tag == asn1.TagSequence && begin.Second.Tag == asn1.TagOctetString:
			return fault.New(fault.ImportMalformed, "the PKCS#8 is encrypted with a password; wrap it without: openssl pkcs8 -topk8 -nocrypt -outform DER")
		}
	}
	return fault.New(fault.ImportMalformed, "the material is neither PKCS#8 DER nor a JWK")
}

// parseRSA reads RFC 8017 appendix A.1.2. The parts are checked against each other by package jwk.
func parseRSA(der []byte) (any, error) {
	var parts struct {
		Version                        int
		N, E, D, P, Q, Dp, Dq, Inverse *big.Int
		Others                         asn1.RawValue `asn1:"optional"`
	}
	rest, err := asn1.Unmarshal(der, &parts)
	if err != nil || len(rest) > 0 {
		return nil, fault.New(fault.ImportMalformed, "the PKCS#8 holds no RSA private key")
	}
	if parts.Version != 0 || len(parts.Others.FullBytes) > 0 {
		return nil, fault.New(fault.ImportMismatch, "RSA keys of more than two primes are not supported")
	}
	for _, n := range []*big.Int{parts.N, parts.E, parts.D, parts.P, parts.Q, parts.Dp, parts.Dq, parts.Inverse} {
		if n.Sign() <= 0 || n.BitLen() > alg.MaxRSABits {
			return nil, fault.New(fault.ImportMalformed, "a number of the RSA private key is not positive, or longer than %d bits", alg.MaxRSABits)
		}
	}
	const maxExponentBits = 31 // what the cryptographic module handles
	if parts.E.BitLen() > maxExponentBits {
		return nil, fault.New(fault.ImportMismatch, "the RSA public exponent is longer than %d bits", maxExponentBits)
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: parts.N, E: int(parts.E.Int64())}, D: parts.D, Primes: []*big.Int{parts.P, parts.Q}}
	key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv = parts.Dp, parts.Dq, parts.Inverse
	return key, nil
}

// parseEC reads RFC 5915 section 3 with the curve of the PKCS#8 (RFC 5480 section 2.1.1.1).
func parseEC(parameters, der []byte) (any, error) {
	var object asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(parameters, &object); err != nil {
		return nil, fault.New(fault.ImportMismatch, "the EC key does not name its curve; write it with named parameters")
	}
	curve := curveOf(object)
	if curve == nil {
		return nil, fault.New(fault.ImportMismatch, "the curve %s of the EC key is not supported", object)
	}
	var parts struct {
		Version    int
		PrivateKey []byte
		Curve      asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
		PublicKey  asn1.BitString        `asn1:"optional,explicit,tag:1"`
	}
	rest, err := asn1.Unmarshal(der, &parts)
	size := (curve.Params().BitSize + 7) / 8
	if err != nil || len(rest) > 0 || parts.Version != 1 || len(parts.PrivateKey) > size {
		return nil, fault.New(fault.ImportMalformed, "the PKCS#8 holds no EC private key")
	}
	if parts.Curve != nil && !parts.Curve.Equal(object) {
		return nil, fault.New(fault.ImportMalformed, "the EC key names two curves")
	}
	scalar := make([]byte, size)
	defer clear(scalar)
	defer clear(parts.PrivateKey)
	copy(scalar[size-len(parts.PrivateKey):], parts.PrivateKey)
	key, err := ecdsa.ParseRawPrivateKey(curve, scalar)
	if err != nil {
		return nil, fault.New(fault.ImportWeak, "the EC private key is zero or not below the order of its curve")
	}
	if parts.PublicKey.BitLength > 0 && !isPublicOf(key, parts.PublicKey.Bytes) {
		return nil, errParts()
	}
	return key, nil
}

// curveOf finds a curve by its object identifier (RFC 5480 section 2.1.1.1).
func curveOf(object asn1.ObjectIdentifier) elliptic.Curve {
	switch object.String() {
	case "1.2.840.10045.3.1.7":
		return elliptic.P256()
	case "1.3.132.0.34":
		return elliptic.P384()
	case "1.3.132.0.35":
		return elliptic.P521()
	default:
		return nil
	}
}

// parseEd25519 reads RFC 8410 section 7.
func parseEd25519(info oneAsymmetricKey) (any, error) {
	var seed []byte
	rest, err := asn1.Unmarshal(info.PrivateKey, &seed)
	if err != nil || len(rest) > 0 || len(seed) != ed25519.SeedSize || len(info.Algorithm.Parameters.FullBytes) > 0 {
		return nil, fault.New(fault.ImportMalformed, "the PKCS#8 holds no Ed25519 private key")
	}
	defer clear(seed)
	return ed25519.NewKeyFromSeed(seed), nil
}

// parseMLKEM reads the seed form of RFC 9935 section 6: [0] IMPLICIT OCTET STRING of 64 bytes.
func parseMLKEM(info oneAsymmetricKey) (any, error) {
	tag := []byte{asn1.ClassContextSpecific << 6, alg.KEMSeedBytes}
	seed, found := bytes.CutPrefix(info.PrivateKey, tag)
	if !found || len(seed) != alg.KEMSeedBytes || len(info.Algorithm.Parameters.FullBytes) > 0 {
		return nil, fault.New(fault.ImportMalformed, "the PKCS#8 holds no ML-KEM private key as a seed (RFC 9935 section 6)")
	}
	if info.Algorithm.Algorithm.String() == objectMLKEM768 {
		return mlkem.NewDecapsulationKey768(seed)
	}
	return mlkem.NewDecapsulationKey1024(seed)
}

// isPublicOf tells whether the bytes are the public part that may stand in the PKCS#8 of a private key.
func isPublicOf(key any, public []byte) bool {
	switch v := key.(type) {
	case *rsa.PrivateKey:
		return bytes.Equal(public, x509.MarshalPKCS1PublicKey(&v.PublicKey))
	case *ecdsa.PrivateKey:
		point, err := v.PublicKey.Bytes()
		return err == nil && (bytes.Equal(public, point) || bytes.Equal(public, compressed(point)))
	case ed25519.PrivateKey:
		return bytes.Equal(public, v[ed25519.SeedSize:])
	case crypto.Decapsulator:
		return bytes.Equal(public, v.Encapsulator().Bytes())
	default:
		return false
	}
}

// compressed turns an uncompressed point into a compressed one (SEC 1 section 2.3.3).
func compressed(point []byte) []byte {
	size := len(point) / 2
	const evenY = 2
	return append([]byte{evenY | point[2*size]&1}, point[1:1+size]...)
}

func errParts() error {
	return fault.New(fault.ImportMalformed, "the private and the public part of the key do not match")
}
