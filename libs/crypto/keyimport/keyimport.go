// Package keyimport takes key material that was made elsewhere: it opens what was wrapped for this
// installation ([Import]), reads public keys ([ParsePublic]), makes sure that the material is what the
// algorithm needs and not weak, and recognises material that it has seen before ([Commitment]).
//
// The material is PKCS#8 DER for private keys (RFC 5958), the bytes themselves for symmetric keys, or
// for both a JSON Web Key. Errors have one of the codes import_wrong_key, import_malformed,
// import_mismatch and import_weak; their texts hold nothing of the material.
package keyimport

import (
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// The methods of wrapping. A wrapping key is used for one import and never again.
const (
	// MethodRSA is an AES-256 key encrypted with RSA-OAEP and SHA-256, followed by the material wrapped under that key with AES key wrap
	// with padding (RFC 5649): CKM_RSA_AES_KEY_WRAP of PKCS #11 version 3.1 section 6.1.24, with an empty label and MGF1 with SHA-256.
	MethodRSA = "RSA-OAEP-256+A256KWP"
	// MethodECDH is a JWE in compact serialization to the wrapping key, with this "alg" and a content encryption of 256 bits.
	MethodECDH = "ECDH-ES+A256KW"
)

// MaxWrapped is the length in bytes of the longest wrapped material: an RSA-4096 private key as a JWK in a JWE takes less than half.
const MaxWrapped = 16 << 10

// WrappingSpec returns the spec of a wrapping key for a method: RSA of 3072 (the default, 0) or 4096
// bits, or a curve of ECDH-ES. Others are an error with code unsupported_algorithm.
func WrappingSpec(method string, keySize int, curve string) (alg.Spec, error) {
	switch method {
	case MethodRSA:
		if keySize != 0 && keySize < minWrappingBits {
			return alg.Spec{}, fault.New(fault.UnsupportedAlgorithm, "a wrapping key has at least %d bits", minWrappingBits)
		}
		return alg.ParseSpec("A256GCM/RSA-OAEP-256", keySize, curve)
	case MethodECDH:
		return alg.ParseSpec("A256GCM/ECDH-ES+A256KW", keySize, curve)
	default:
		return alg.Spec{}, errMethod()
	}
}

// Import opens wrapped material and makes of it a key for the spec, with the attributes that a
// generated key has. The key is private or symmetric.
func Import(spec alg.Spec, method string, wrapping *jwk.Key, wrapped []byte) (*jwk.Key, error) {
	material, err := unwrap(method, wrapping, wrapped)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	defer clear(material)
	key, err := parse(spec, material)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	return key, nil
}

func errMethod() error {
	return fault.New(fault.UnsupportedAlgorithm, "the method of wrapping is neither %s nor %s", MethodRSA, MethodECDH)
}
