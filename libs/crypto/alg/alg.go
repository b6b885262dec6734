// Package alg is the one table of cryptographic algorithms that everything else asks: the JSON Web
// Algorithms of RFC 7518, RFC 8037 and RFC 9864 that this code supports, the key encapsulation of
// FIPS 203, what derives secrets, what each needs of a key, and those it refuses by name. Its main
// types are [Signature], [KeyManagement], [ContentEncryption], [KEM], [Derivation] and [Spec], which
// is an algorithm together with the kind of key it runs on.
package alg

import (
	"crypto"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// KeyType is the "kty" of a JSON Web Key (RFC 7518 section 6.1, RFC 8037 section 2, RFC 9964).
type KeyType string

// The key types.
const (
	KeyTypeRSA   KeyType = "RSA"
	KeyTypeEC    KeyType = "EC"
	KeyTypeOKP   KeyType = "OKP"
	KeyTypeOctet KeyType = "oct"
	KeyTypeAKP   KeyType = "AKP" // a key of one algorithm, which its "alg" names
)

// The curves.
const (
	CurveP256    = "P-256"
	CurveP384    = "P-384"
	CurveP521    = "P-521"
	CurveEd25519 = "Ed25519"
)

// RSA modulus sizes in bits. Verification accepts what lies between; new keys have one of the
// three sizes of [RSASizes].
const (
	MinRSABits     = 2048
	MaxRSABits     = 8192
	DefaultRSABits = 3072
)

// RSASizes are the modulus sizes, in bits, in which RSA keys are generated.
func RSASizes() []int { return []int{2048, 3072, 4096} }

// SignatureFamily groups signature algorithms that are computed alike.
type SignatureFamily int

// The signature families.
const (
	RSAPKCS1 SignatureFamily = iota + 1 // RSASSA-PKCS1-v1_5
	RSAPSS                              // RSASSA-PSS, MGF1 and salt of the hash's length
	ECDSA
	EdDSA
	HMAC
)

// Signature is an algorithm of a JSON Web Signature.
type Signature struct {
	Name    string
	Family  SignatureFamily
	KeyType KeyType
	Hash    crypto.Hash // 0 for Ed25519, which hashes by itself
	Curve   string      // the only curve of ECDSA and EdDSA algorithms
	Size    int         // length of a signature in bytes; 0 for RSA, where it is the modulus'
}

// KeyManagementFamily groups key management algorithms that are computed alike.
type KeyManagementFamily int

// The key management families.
const (
	Direct        KeyManagementFamily = iota + 1 // the key is the content encryption key
	AESKeyWrap                                   // RFC 3394
	AESGCMKeyWrap                                // RFC 7518 section 4.7
	RSAOAEP                                      // RFC 7518 section 4.3, SHA-2 only
	ECDHES                                       // RFC 7518 section 4.6, direct key agreement
	ECDHESKeyWrap                                // the same with AES key wrap
)

// KeyManagement is an algorithm that brings the content encryption key to the recipient
// of a JSON Web Encryption.
type KeyManagement struct {
	Name    string
	Family  KeyManagementFamily
	KeyType KeyType
	KeySize int         // bits of the AES key that wraps; 0 where nothing is wrapped by AES
	Hash    crypto.Hash // of RSA-OAEP and its MGF1
}

// ContentFamily groups content encryption algorithms that are computed alike.
type ContentFamily int

// The content encryption families.
const (
	AESGCM     ContentFamily = iota + 1 // RFC 7518 section 5.3
	AESCBCHMAC                          // RFC 7518 section 5.2
)

// ContentEncryption is an algorithm that encrypts the content of a JSON Web Encryption.
type ContentEncryption struct {
	Name    string
	Family  ContentFamily
	KeySize int         // bits of the content encryption key, the MAC key included
	IVSize  int         // bytes
	TagSize int         // bytes
	Hash    crypto.Hash // of the HMAC
}

// MaxContentKeyBytes is the length of the longest content encryption key, that of A256CBC-HS512.
const MaxContentKeyBytes = 64

// LookupSignature finds a signature algorithm by its JWA name. "EdDSA" is taken for Ed25519,
// its fully specified name (RFC 9864). Other names are an error with code unsupported_algorithm.
func LookupSignature(name string) (Signature, error) {
	switch name {
	case "RS256", "PS256":
		return rsaSignature(name, crypto.SHA256), nil
	case "RS384", "PS384":
		return rsaSignature(name, crypto.SHA384), nil
	case "RS512", "PS512":
		return rsaSignature(name, crypto.SHA512), nil
	case "ES256":
		return Signature{Name: "ES256", Family: ECDSA, KeyType: KeyTypeEC, Hash: crypto.SHA256, Curve: CurveP256, Size: 64}, nil
	case "ES384":
		return Signature{Name: "ES384", Family: ECDSA, KeyType: KeyTypeEC, Hash: crypto.SHA384, Curve: CurveP384, Size: 96}, nil
	case "ES512":
		return Signature{Name: "ES512", Family: ECDSA, KeyType: KeyTypeEC, Hash: crypto.SHA512, Curve: CurveP521, Size: 132}, nil
	case "Ed25519", "EdDSA":
		return Signature{Name: "Ed25519", Family: EdDSA, KeyType: KeyTypeOKP, Curve: CurveEd25519, Size: 64}, nil
	case "HS256":
		return Signature{Name: "HS256", Family: HMAC, KeyType: KeyTypeOctet, Hash: crypto.SHA256, Size: 32}, nil
	case "HS384":
		return Signature{Name: "HS384", Family: HMAC, KeyType: KeyTypeOctet, Hash: crypto.SHA384, Size: 48}, nil
	case "HS512":
		return Signature{Name: "HS512", Family: HMAC, KeyType: KeyTypeOctet, Hash: crypto.SHA512, Size: 64}, nil
	default:
		return Signature{}, Unsupported(name)
	}
}

func rsaSignature(name string, hash crypto.Hash) Signature {
	family := RSAPKCS1
	if name[0] == 'P' {
		family = RSAPSS
	}
	return Signature{Name: name, Family: family, KeyType: KeyTypeRSA, Hash: hash}
}

func signatureNames() []string {
	return []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519",
		"HS256", "HS384", "HS512",
	}
}

// LookupKeyManagement finds the algorithm of a JWE "alg" by its name.
// Other names are an error with code unsupported_algorithm.
func LookupKeyManagement(name string) (KeyManagement, error) {
	switch name {
	case "dir":
		return KeyManagement{Name: "dir", Family: Direct, KeyType: KeyTypeOctet}, nil
	case "A128KW":
		return KeyManagement{Name: "A128KW", Family: AESKeyWrap, KeyType: KeyTypeOctet, KeySize: 128}, nil
	case "A192KW":
		return KeyManagement{Name: "A192KW", Family: AESKeyWrap, KeyType: KeyTypeOctet, KeySize: 192}, nil
	case "A256KW":
		return KeyManagement{Name: "A256KW", Family: AESKeyWrap, KeyType: KeyTypeOctet, KeySize: 256}, nil
	case "A128GCMKW":
		return KeyManagement{Name: "A128GCMKW", Family: AESGCMKeyWrap, KeyType: KeyTypeOctet, KeySize: 128}, nil
	case "A192GCMKW":
		return KeyManagement{Name: "A192GCMKW", Family: AESGCMKeyWrap, KeyType: KeyTypeOctet, KeySize: 192}, nil
	case "A256GCMKW":
		return KeyManagement{Name: "A256GCMKW", Family: AESGCMKeyWrap, KeyType: KeyTypeOctet, KeySize: 256}, nil
	case "RSA-OAEP-256":
		return KeyManagement{Name: "RSA-OAEP-256", Family: RSAOAEP, KeyType: KeyTypeRSA, Hash: crypto.SHA256}, nil
	case "RSA-OAEP-384":
		return KeyManagement{Name: "RSA-OAEP-384", Family: RSAOAEP, KeyType: KeyTypeRSA, Hash: crypto.SHA384}, nil
	case "RSA-OAEP-512":
		return KeyManagement{Name: "RSA-OAEP-512", Family: RSAOAEP, KeyType: KeyTypeRSA, Hash: crypto.SHA512}, nil
	case "ECDH-ES":
		return KeyManagement{Name: "ECDH-ES", Family: ECDHES, KeyType: KeyTypeEC}, nil
	case "ECDH-ES+A128KW":
		return KeyManagement{Name: "ECDH-ES+A128KW", Family: ECDHESKeyWrap, KeyType: KeyTypeEC, KeySize: 128}, nil
	case "ECDH-ES+A192KW":
		return KeyManagement{Name: "ECDH-ES+A192KW", Family: ECDHESKeyWrap, KeyType: KeyTypeEC, KeySize: 192}, nil
	case "ECDH-ES+A256KW":
		return KeyManagement{Name: "ECDH-ES+A256KW", Family: ECDHESKeyWrap, KeyType: KeyTypeEC, KeySize: 256}, nil
	}
	return KeyManagement{}, Unsupported(name)
}

func keyManagementNames() []string {
	return []string{
		"dir", "A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW",
		"RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512",
		"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW",
	}
}

// LookupContentEncryption finds the algorithm of a JWE "enc" by its name.
// Other names are an error with code unsupported_algorithm.
func LookupContentEncryption(name string) (ContentEncryption, error) {
	switch name {
	case "A128GCM":
		return ContentEncryption{Name: "A128GCM", Family: AESGCM, KeySize: 128, IVSize: 12, TagSize: 16}, nil
	case "A192GCM":
		return ContentEncryption{Name: "A192GCM", Family: AESGCM, KeySize: 192, IVSize: 12, TagSize: 16}, nil
	case "A256GCM":
		return ContentEncryption{Name: "A256GCM", Family: AESGCM, KeySize: 256, IVSize: 12, TagSize: 16}, nil
	case "A128CBC-HS256":
		return ContentEncryption{Name: "A128CBC-HS256", Family: AESCBCHMAC, KeySize: 256, IVSize: 16, TagSize: 16, Hash: crypto.SHA256}, nil
	case "A192CBC-HS384":
		return ContentEncryption{Name: "A192CBC-HS384", Family: AESCBCHMAC, KeySize: 384, IVSize: 16, TagSize: 24, Hash: crypto.SHA384}, nil
	case "A256CBC-HS512":
		return ContentEncryption{Name: "A256CBC-HS512", Family: AESCBCHMAC, KeySize: 512, IVSize: 16, TagSize: 32, Hash: crypto.SHA512}, nil
	}
	return ContentEncryption{}, Unsupported(name)
}

// IsContentEncryption says whether a name is that of a content encryption.
func IsContentEncryption(name string) bool {
	switch name {
	case "A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512":
		return true
	default:
		return false
	}
}

func contentEncryptionNames() []string {
	return []string{"A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"}
}

// refusal is the reason why an algorithm that is known is deliberately not supported.
func refusal(name string) string {
	switch name {
	case "none":
		return "it authenticates nothing (RFC 8725 section 3.2)"
	case "RSA1_5":
		return "RSAES-PKCS1-v1_5 is open to padding oracles (RFC 8725 section 3.2)"
	case "RSA-OAEP":
		return "it uses SHA-1; use RSA-OAEP-256"
	case "RS1":
		return "it uses SHA-1; use RS256"
	case "PBES2-HS256+A128KW", "PBES2-HS384+A192KW", "PBES2-HS512+A256KW":
		return "with password-based encryption a message chooses its own cost"
	case "ES256K", "Ed448", "X25519", "X448":
		return "its curve is not approved or not in the cryptographic module"
	case "ML-KEM-512":
		return "it is not in the cryptographic module; use ML-KEM-768"
	case "HKDF-SHA1":
		return "it uses SHA-1; use HKDF-SHA256"
	default:
		return ""
	}
}

// Unsupported is the error for an algorithm that no table has, with the reason if it is refused by
// name. Its code is unsupported_algorithm.
func Unsupported(name string) error {
	if reason := refusal(name); reason != "" {
		return fault.New(fault.UnsupportedAlgorithm, "algorithm %q is refused: %s", name, reason)
	}
	return fault.New(fault.UnsupportedAlgorithm, "algorithm %.64q is not supported", name).WithDetail("the algorithm is not supported")
}
