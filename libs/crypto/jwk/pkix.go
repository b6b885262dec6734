package jwk

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// pemPublic is the label of a public key (RFC 7468 section 13).
const pemPublic = "PUBLIC KEY"

// subjectPublicKeyInfo is the structure of RFC 5280 section 4.1.
type subjectPublicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

// MarshalPKIX returns the public part as the DER of a SubjectPublicKeyInfo (RFC 5280 section 4.1; RFC 9935
// section 4 for ML-KEM). A symmetric key has none: that is an error with code key_mismatch.
func (k *Key) MarshalPKIX() ([]byte, error) {
	public, err := k.Public()
	if err != nil {
		return nil, err
	}
	var der []byte
	if encapsulator := public.m.kemPublic; encapsulator != nil {
		encoded := encapsulator.Bytes()
		der, err = asn1.Marshal(subjectPublicKeyInfo{
			Algorithm: pkix.AlgorithmIdentifier{Algorithm: kemObject(public.m.parameterSet)},
			Key:       asn1.BitString{Bytes: encoded, BitLength: len(encoded) * 8},
		})
	} else {
		der, err = x509.MarshalPKIXPublicKey(public.Material())
	}
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return der, nil
}

// MarshalPEM returns the public part as a PEM block "PUBLIC KEY" around what [Key.MarshalPKIX] returns.
func (k *Key) MarshalPEM() ([]byte, error) {
	der, err := k.MarshalPKIX()
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: der}), nil
}

// ParsePKIX reads a public key from the DER of a SubjectPublicKeyInfo, with the same checks as [Parse].
// Errors carry the code invalid_jwk or unsupported_algorithm.
func ParsePKIX(der []byte, attributes Attributes) (*Key, error) {
	var info subjectPublicKeyInfo
	rest, err := asn1.Unmarshal(der, &info)
	if err != nil || len(rest) > 0 {
		return nil, fault.New(fault.InvalidKey, "not the DER of one SubjectPublicKeyInfo")
	}
	if name := kemOf(info.Algorithm.Algorithm); name != "" {
		// RFC 9935 section 3: the parameters are absent. The bit string holds whole bytes.
		if len(info.Algorithm.Parameters.FullBytes) > 0 || info.Key.BitLength%8 != 0 {
			return nil, fault.New(fault.InvalidKey, "an %s key has no algorithm parameters and whole bytes", name)
		}
		m, err := kemPublicMaterial(name, info.Key.Bytes)
		if err != nil {
			return nil, err
		}
		return newKey(m, attributes)
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fault.New(fault.InvalidKey, "the public key cannot be parsed, or its algorithm is not supported")
	}
	return FromMaterial(public, attributes)
}

// ParsePEM is [ParsePKIX] for exactly one PEM block "PUBLIC KEY".
func ParsePEM(text []byte, attributes Attributes) (*Key, error) {
	block, rest := pem.Decode(text)
	if block == nil || len(rest) > 0 {
		return nil, fault.New(fault.InvalidKey, "not one PEM block")
	}
	if block.Type != pemPublic || len(block.Headers) > 0 {
		return nil, fault.New(fault.InvalidKey, "the PEM block is no %s", pemPublic)
	}
	return ParsePKIX(block.Bytes, attributes)
}

// kemObject is the object identifier of a parameter set (RFC 9935 section 3).
func kemObject(parameterSet string) asn1.ObjectIdentifier {
	last := 2
	if parameterSet == "ML-KEM-1024" {
		last = 3
	}
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, last}
}

// kemOf is the inverse of kemObject; "" for other algorithms. ML-KEM-512 is known, for being refused by name.
func kemOf(object asn1.ObjectIdentifier) string {
	switch object.String() {
	case "2.16.840.1.101.3.4.4.1":
		return "ML-KEM-512"
	case "2.16.840.1.101.3.4.4.2":
		return "ML-KEM-768"
	case "2.16.840.1.101.3.4.4.3":
		return "ML-KEM-1024"
	default:
		return ""
	}
}
