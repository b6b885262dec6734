// Package jwk holds keys: RSA, elliptic curve, Ed25519, ML-KEM and symmetric ones, private or public,
// with the attributes of a JSON Web Key. Its main type is [Key]. [Parse] reads the JSON form of
// RFC 7517, RFC 7518 section 6, RFC 8037 and RFC 9964 strictly; [FromMaterial] takes keys of the
// standard library; [ParsePKIX] and [ParsePEM] read public keys.
//
// A key says by itself nothing about its private part: fmt, slog and encoding/json show the public
// part only. [Key.MarshalPrivate] is the one way to get at the rest as text.
package jwk

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rsa"
	"errors"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// Attributes are what a key carries beside its key material. All are optional.
type Attributes struct {
	// ID is the "kid".
	ID string
	// Algorithm is the "alg": a signature, a key management algorithm, or for direct encryption the
	// content encryption; a key encapsulation, which an ML-KEM key always names; a derivation of the
	// table of package alg. "EdDSA" becomes "Ed25519" (RFC 9864).
	Algorithm string
	// Use is "sig" or "enc".
	Use string
	// Operations are the "key_ops" (RFC 7517 section 4.3).
	Operations []string
	// Certificates are the "x5c": DER certificates, the first of which certifies this key.
	Certificates [][]byte
}

// Values of Use.
const (
	UseSignature  = "sig"
	UseEncryption = "enc"
)

// ErrWeak is the cause of the errors that refuse a key for what it is, not for how it is written: one that is too short, or that an
// attacker can find out.
var ErrWeak = errors.New("the key is weak")

// Key is a private, public or symmetric key with its attributes. It is safe for concurrent use as
// long as nobody changes its fields or calls Zero. Copies share the key material.
type Key struct {
	Attributes
	m *material

	sign SignFunc // of a public key whose private part is elsewhere; otherwise nil
}

// FromMaterial makes a key of *rsa.PrivateKey, *rsa.PublicKey, *ecdsa.PrivateKey, *ecdsa.PublicKey,
// *ecdh.PrivateKey, *ecdh.PublicKey, ed25519.PrivateKey, ed25519.PublicKey, *mlkem.DecapsulationKey768,
// *mlkem.DecapsulationKey1024, *mlkem.EncapsulationKey768, *mlkem.EncapsulationKey1024 or []byte (a
// symmetric key), with the same checks as [Parse]. Byte slices are copied; the other kinds belong to
// the key from then on. Errors carry the code invalid_jwk or unsupported_algorithm.
func FromMaterial(keyMaterial any, attributes Attributes) (*Key, error) {
	m, err := newMaterial(keyMaterial)
	if err != nil {
		return nil, err
	}
	return newKey(m, attributes)
}

func newKey(m *material, attributes Attributes) (*Key, error) {
	switch {
	case attributes.Algorithm == "EdDSA":
		attributes.Algorithm = "Ed25519"
	case attributes.Algorithm == "" && m.parameterSet != "":
		attributes.Algorithm = m.parameterSet
	}
	k := &Key{Attributes: attributes, m: m}
	if err := k.checkPurpose(); err != nil {
		return nil, err
	}
	if err := k.checkCertificates(); err != nil {
		return nil, err
	}
	return k, nil
}

func newMaterial(keyMaterial any) (*material, error) {
	switch v := keyMaterial.(type) {
	case *rsa.PrivateKey:
		return rsaPrivateMaterial(v)
	case *rsa.PublicKey:
		return rsaPublicMaterial(v)
	case *ecdsa.PrivateKey:
		return ecPrivateMaterial(v)
	case *ecdsa.PublicKey:
		return ecPublicMaterial(v)
	case *ecdh.PrivateKey:
		return ecdhPrivateMaterial(v)
	case *ecdh.PublicKey:
		return ecdhPublicMaterial(v)
	case ed25519.PrivateKey:
		return edPrivateMaterial(v)
	case ed25519.PublicKey:
		return edPublicMaterial(v)
	case *mlkem.DecapsulationKey768, *mlkem.DecapsulationKey1024, *mlkem.EncapsulationKey768, *mlkem.EncapsulationKey1024:
		return kemMaterial(v)
	case []byte:
		return octetMaterial(slices.Clone(v))
	default:
		return nil, fault.New(fault.InvalidKey, "key material of type %T is not supported", keyMaterial)
	}
}

// Material returns the key material: *rsa.PrivateKey, *rsa.PublicKey, *ecdsa.PrivateKey,
// *ecdsa.PublicKey, ed25519.PrivateKey, ed25519.PublicKey, *mlkem.DecapsulationKey768,
// *mlkem.DecapsulationKey1024, *mlkem.EncapsulationKey768, *mlkem.EncapsulationKey1024 or []byte. It is
// the key's own, not a copy, and must not be changed.
func (k *Key) Material() any {
	switch {
	case k.m.rsaPrivate != nil:
		return k.m.rsaPrivate
	case k.m.rsaPublic != nil:
		return k.m.rsaPublic
	case k.m.ecPrivate != nil:
		return k.m.ecPrivate
	case k.m.ecPublic != nil:
		return k.m.ecPublic
	case k.m.edPrivate != nil:
		return ed25519.PrivateKey(k.m.edPrivate.bytes)
	case k.m.edPublic != nil:
		return k.m.edPublic
	case k.m.kemPrivate != nil && k.m.kemPrivate.key != nil:
		return k.m.kemPrivate.key
	case k.m.kemPublic != nil:
		return k.m.kemPublic
	default:
		return k.m.secret.bytes
	}
}

// Secret returns the bytes of a symmetric key, its own and not a copy, and nil for others.
func (k *Key) Secret() []byte {
	if k.m.secret == nil {
		return nil
	}
	return k.m.secret.bytes
}

// Type returns the key type.
func (k *Key) Type() alg.KeyType { return k.m.keyType }

// Curve returns the curve of an EC or OKP key and "" for others.
func (k *Key) Curve() string { return k.m.curve }

// Size returns the length in bits of an RSA modulus or a symmetric key, and 0 for others.
func (k *Key) Size() int { return k.m.size }

// ParameterSet returns the parameter set of an ML-KEM key, such as "ML-KEM-768", and "" for others.
func (k *Key) ParameterSet() string { return k.m.parameterSet }

// IsPrivate says whether the key can decrypt or sign: a private or a symmetric key.
func (k *Key) IsPrivate() bool {
	return k.m.rsaPrivate != nil || k.m.ecPrivate != nil || k.m.edPrivate != nil || k.m.kemPrivate != nil || k.m.secret != nil
}

// IsSymmetric says whether the key is a shared secret.
func (k *Key) IsSymmetric() bool { return k.m.keyType == alg.KeyTypeOctet }

// Public returns the public part with the same attributes, the operations turned into those of the
// other side. A symmetric key has none: that is an error with code key_mismatch.
func (k *Key) Public() (*Key, error) {
	if k.IsSymmetric() {
		return nil, fault.New(fault.KeyMismatch, "a symmetric key has no public part")
	}
	attributes := k.Attributes
	attributes.Operations = publicOperations(k.Operations, k.IsPrivate())
	return &Key{Attributes: attributes, m: k.m.public()}, nil
}

// Zero overwrites the private part as far as this code can reach it; copies inside the standard
// library's prepared keys and ciphers stay until they are collected. Nobody may use the key meanwhile
// or afterwards.
func (k *Key) Zero() { k.m.zero() }
