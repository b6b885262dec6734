// Package alg is the one table of cryptographic algorithms that everything else asks: the JSON Web
// Algorithms of RFC 7518, RFC 8037 and RFC 9864 that this code supports, what each needs of a key,
// and those it refuses by name. Its main types are [Signature], [KeyManagement],
// [ContentEncryption] and [Spec], which is an algorithm together with the kind of key it runs on.
package alg

import (
	"crypto"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// KeyType is the "kty" of a JSON Web Key (RFC 7518 section 6.1, RFC 8037 section 2).
type KeyType string

// The key types.
const (
	KeyTypeRSA   KeyType = "RSA"
	KeyTypeEC    KeyType = "EC"
	KeyTypeOKP   KeyType = "OKP"
	KeyTypeOctet KeyType = "oct"
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

var signatures = map[string]Signature{
	"RS256":   {Name: "RS256", Family: RSAPKCS1, KeyType: KeyTypeRSA, Hash: crypto.SHA256},
	"RS384":   {Name: "RS384", Family: RSAPKCS1, KeyType: KeyTypeRSA, Hash: crypto.SHA384},
	"RS512":   {Name: "RS512", Family: RSAPKCS1, KeyType: KeyTypeRSA, Hash: crypto.SHA512},
	"PS256":   {Name: "PS256", Family: RSAPSS, KeyType: KeyTypeRSA, Hash: crypto.SHA256},
	"PS384":   {Name: "PS384", Family: RSAPSS, KeyType: KeyTypeRSA, Hash: crypto.SHA384},
	"PS512":   {Name: "PS512", Family: RSAPSS, KeyType: KeyTypeRSA, Hash: crypto.SHA512},
	"ES256":   {Name: "ES256", Family: ECDSA, KeyType: KeyTypeEC, Hash: crypto.SHA256, Curve: CurveP256, Size: 64},
	"ES384":   {Name: "ES384", Family: ECDSA, KeyType: KeyTypeEC, Hash: crypto.SHA384, Curve: CurveP384, Size: 96},
	"ES512":   {Name: "ES512", Family: ECDSA, KeyType: KeyTypeEC, Hash: crypto.SHA512, Curve: CurveP521, Size: 132},
	"Ed25519": {Name: "Ed25519", Family: EdDSA, KeyType: KeyTypeOKP, Curve: CurveEd25519, Size: 64},
	"HS256":   {Name: "HS256", Family: HMAC, KeyType: KeyTypeOctet, Hash: crypto.SHA256, Size: 32},
	"HS384":   {Name: "HS384", Family: HMAC, KeyType: KeyTypeOctet, Hash: crypto.SHA384, Size: 48},
	"HS512":   {Name: "HS512", Family: HMAC, KeyType: KeyTypeOctet, Hash: crypto.SHA512, Size: 64},
}

var keyManagements = map[string]KeyManagement{
	"dir":            {Name: "dir", Family: Direct, KeyType: KeyTypeOctet},
	"A128KW":         {Name: "A128KW", Family: AESKeyWrap, KeyType: KeyTypeOctet, KeySize: 128},
	"A192KW":         {Name: "A192KW", Family: AESKeyWrap, KeyType: KeyTypeOctet, KeySize: 192},
	"A256KW":         {Name: "A256KW", Family: AESKeyWrap, KeyType: KeyTypeOctet, KeySize: 256},
	"A128GCMKW":      {Name: "A128GCMKW", Family: AESGCMKeyWrap, KeyType: KeyTypeOctet, KeySize: 128},
	"A192GCMKW":      {Name: "A192GCMKW", Family: AESGCMKeyWrap, KeyType: KeyTypeOctet, KeySize: 192},
	"A256GCMKW":      {Name: "A256GCMKW", Family: AESGCMKeyWrap, KeyType: KeyTypeOctet, KeySize: 256},
	"RSA-OAEP-256":   {Name: "RSA-OAEP-256", Family: RSAOAEP, KeyType: KeyTypeRSA, Hash: crypto.SHA256},
	"RSA-OAEP-384":   {Name: "RSA-OAEP-384", Family: RSAOAEP, KeyType: KeyTypeRSA, Hash: crypto.SHA384},
	"RSA-OAEP-512":   {Name: "RSA-OAEP-512", Family: RSAOAEP, KeyType: KeyTypeRSA, Hash: crypto.SHA512},
	"ECDH-ES":        {Name: "ECDH-ES", Family: ECDHES, KeyType: KeyTypeEC},
	"ECDH-ES+A128KW": {Name: "ECDH-ES+A128KW", Family: ECDHESKeyWrap, KeyType: KeyTypeEC, KeySize: 128},
	"ECDH-ES+A192KW": {Name: "ECDH-ES+A192KW", Family: ECDHESKeyWrap, KeyType: KeyTypeEC, KeySize: 192},
	"ECDH-ES+A256KW": {Name: "ECDH-ES+A256KW", Family: ECDHESKeyWrap, KeyType: KeyTypeEC, KeySize: 256},
}

var contentEncryptions = map[string]ContentEncryption{
	"A128GCM":       {Name: "A128GCM", Family: AESGCM, KeySize: 128, IVSize: 12, TagSize: 16},
	"A192GCM":       {Name: "A192GCM", Family: AESGCM, KeySize: 192, IVSize: 12, TagSize: 16},
	"A256GCM":       {Name: "A256GCM", Family: AESGCM, KeySize: 256, IVSize: 12, TagSize: 16},
	"A128CBC-HS256": {Name: "A128CBC-HS256", Family: AESCBCHMAC, KeySize: 256, IVSize: 16, TagSize: 16, Hash: crypto.SHA256},
	"A192CBC-HS384": {Name: "A192CBC-HS384", Family: AESCBCHMAC, KeySize: 384, IVSize: 16, TagSize: 24, Hash: crypto.SHA384},
	"A256CBC-HS512": {Name: "A256CBC-HS512", Family: AESCBCHMAC, KeySize: 512, IVSize: 16, TagSize: 32, Hash: crypto.SHA512},
}

// MaxContentKeyBytes is the length of the longest content encryption key, that of A256CBC-HS512.
const MaxContentKeyBytes = 64

// refused names algorithms that are known and deliberately not supported, with the reason.
var refused = map[string]string{
	"none":               "it authenticates nothing (RFC 8725 section 3.2)",
	"RSA1_5":             "RSAES-PKCS1-v1_5 is open to padding oracles (RFC 8725 section 3.2)",
	"RSA-OAEP":           "it uses SHA-1; use RSA-OAEP-256",
	"PBES2-HS256+A128KW": "password-based encryption lets a message choose its own cost",
	"PBES2-HS384+A192KW": "password-based encryption lets a message choose its own cost",
	"PBES2-HS512+A256KW": "password-based encryption lets a message choose its own cost",
	"ES256K":             "secp256k1 is not an approved curve (SP 800-186)",
	"Ed448":              "the cryptographic module does not implement it",
	"RS1":                "it uses SHA-1",
	"X25519":             "Curve25519 key agreement is not approved (SP 800-56A)",
	"X448":               "Curve448 key agreement is not approved (SP 800-56A)",
}

// LookupSignature finds a signature algorithm by its JWA name. "EdDSA" is taken for Ed25519,
// its fully specified name (RFC 9864). Other names are an error with code unsupported_algorithm.
func LookupSignature(name string) (Signature, error) {
	if name == "EdDSA" {
		name = "Ed25519"
	}
	if s, ok := signatures[name]; ok {
		return s, nil
	}
	return Signature{}, Unsupported(name)
}

// LookupKeyManagement finds the algorithm of a JWE "alg" by its name.
// Other names are an error with code unsupported_algorithm.
func LookupKeyManagement(name string) (KeyManagement, error) {
	if k, ok := keyManagements[name]; ok {
		return k, nil
	}
	return KeyManagement{}, Unsupported(name)
}

// LookupContentEncryption finds the algorithm of a JWE "enc" by its name.
// Other names are an error with code unsupported_algorithm.
func LookupContentEncryption(name string) (ContentEncryption, error) {
	if c, ok := contentEncryptions[name]; ok {
		return c, nil
	}
	return ContentEncryption{}, Unsupported(name)
}

// Unsupported is the error for an algorithm that no table has, with the reason if it is refused by
// name. Its code is unsupported_algorithm.
func Unsupported(name string) error {
	if reason, ok := refused[name]; ok {
		return fault.New(fault.UnsupportedAlgorithm, "algorithm %q is refused: %s", name, reason)
	}
	return fault.New(fault.UnsupportedAlgorithm, "algorithm %.64q is not supported", name)
}
