package alg

import (
	"slices"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// Use is what a key is for. A key has exactly one.
type Use string

// The uses.
const (
	UseEncrypt Use = "encrypt"
	UseSign    Use = "sign"
	UseMAC     Use = "mac"
	UseKEM     Use = "kem"
	UseDerive  Use = "derive"
)

// Spec is an algorithm together with the kind of key it runs on.
type Spec struct {
	// Algorithm is "enc/alg" for encryption, such as "A256GCM/ECDH-ES+A256KW",
	// or the name of a signature, a key encapsulation or a derivation, such as "ES256".
	Algorithm string
	Use       Use
	KeyType   KeyType
	// KeySize is the length of an RSA modulus or of a symmetric key in bits; 0 where Curve or KEM says it.
	KeySize int
	// Curve is set for the key types EC and OKP.
	Curve string
	// ContentEncryption and KeyManagement are the parts of Algorithm for encryption.
	ContentEncryption string
	KeyManagement     string
	// Signature is the name for signatures and MACs.
	Signature string
	// KEM is the name for key encapsulation.
	KEM string
	// Derivation is the name for algorithms that derive secrets.
	Derivation string
	// DirectUse says that the stored key itself encrypts under random nonces, message after
	// message (dir and AES-GCM key wrap): its uses must be counted and it must rotate well before
	// 2^32 of them (SP 800-38D section 8.3).
	DirectUse bool
}

// KeyAlgorithm is the "alg" of a JSON Web Key of this spec. For dir it is the content
// encryption, as in RFC 7520 section 5.6.1, because that alone says how long the key is.
func (s Spec) KeyAlgorithm() string {
	switch {
	case s.Use == UseKEM || s.Use == UseDerive:
		return s.Algorithm
	case s.Signature != "":
		return s.Signature
	case s.KeyManagement == "dir":
		return s.ContentEncryption
	default:
		return s.KeyManagement
	}
}

// ParseSpec resolves an algorithm, given as "enc/alg" or by its name in one of the other tables, for a
// key of keySize bits (0 for the default) on the given curve (empty for the default). A size or curve
// that the algorithm cannot have is an error, as is an algorithm that is not supported; both carry
// the code unsupported_algorithm.
func ParseSpec(algorithm string, keySize int, curve string) (Spec, error) {
	if enc, mgmt, found := strings.Cut(algorithm, "/"); found {
		return encryptionSpec(enc, mgmt, keySize, curve)
	}
	switch {
	case slices.Contains(kemNames(), algorithm):
		return kemSpec(algorithm, keySize, curve)
	case slices.Contains(derivationNames(), algorithm):
		return derivationSpec(algorithm, keySize, curve)
	default:
		return signatureSpec(algorithm, keySize, curve)
	}
}

func kemSpec(name string, keySize int, curve string) (Spec, error) {
	kem, err := LookupKEM(name)
	if err != nil {
		return Spec{}, err
	}
	spec := Spec{Algorithm: kem.Name, Use: UseKEM, KeyType: kem.KeyType, KEM: kem.Name}
	return spec.fit(keySize, nil, curve, nil)
}

func derivationSpec(name string, keySize int, curve string) (Spec, error) {
	derivation, err := LookupDerivation(name)
	if err != nil {
		return Spec{}, err
	}
	spec := Spec{Algorithm: derivation.Name, Use: UseDerive, KeyType: derivation.KeyType, Derivation: derivation.Name}
	if derivation.Family == HKDF {
		return spec.fit(keySize, []int{derivation.Hash.Size() * 8}, curve, nil)
	}
	return spec.fit(keySize, nil, curve, agreementCurves())
}

func signatureSpec(name string, keySize int, curve string) (Spec, error) {
	sig, err := LookupSignature(name)
	if err != nil {
		return Spec{}, err
	}
	spec := Spec{Algorithm: sig.Name, Use: UseSign, KeyType: sig.KeyType, Signature: sig.Name}
	var sizes []int
	var curves []string
	switch sig.Family {
	case RSAPKCS1, RSAPSS:
		sizes = RSASizes()
	case ECDSA, EdDSA:
		curves = []string{sig.Curve}
	case HMAC:
		spec.Use = UseMAC
		sizes = []int{sig.Hash.Size() * 8}
	}
	return spec.fit(keySize, sizes, curve, curves)
}

func encryptionSpec(enc, mgmt string, keySize int, curve string) (Spec, error) {
	content, err := LookupContentEncryption(enc)
	if err != nil {
		return Spec{}, err
	}
	management, err := LookupKeyManagement(mgmt)
	if err != nil {
		return Spec{}, err
	}
	spec := Spec{
		Algorithm: content.Name + "/" + management.Name, Use: UseEncrypt, KeyType: management.KeyType,
		ContentEncryption: content.Name, KeyManagement: management.Name,
		DirectUse: management.Family == Direct || management.Family == AESGCMKeyWrap,
	}
	var sizes []int
	var curves []string
	switch management.Family {
	case Direct:
		sizes = []int{content.KeySize}
	case AESKeyWrap, AESGCMKeyWrap:
		sizes = []int{management.KeySize}
	case RSAOAEP:
		sizes = RSASizes()
	case ECDHES, ECDHESKeyWrap:
		curves = agreementCurves()
	}
	return spec.fit(keySize, sizes, curve, curves)
}

// fit fills in the size and the curve, or refuses them.
func (s Spec) fit(keySize int, sizes []int, curve string, curves []string) (Spec, error) {
	switch {
	case keySize == 0 && s.KeyType == KeyTypeRSA:
		keySize = DefaultRSABits
	case keySize == 0 && len(sizes) > 0:
		keySize = sizes[0]
	case keySize != 0 && !slices.Contains(sizes, keySize):
		return Spec{}, fault.New(fault.UnsupportedAlgorithm, "algorithm %q has no key size %d", s.Algorithm, keySize)
	}
	switch {
	case curve == "" && len(curves) > 0:
		curve = curves[0]
	case curve != "" && !slices.Contains(curves, curve):
		return Spec{}, fault.New(fault.UnsupportedAlgorithm, "algorithm %q has no curve %.16q", s.Algorithm, curve).WithDetail("the algorithm has no such curve")
	}
	s.KeySize, s.Curve = keySize, curve
	return s, nil
}

// Specs returns every algorithm with every key size and curve it can have, in a stable order.
func Specs() []Spec {
	algorithms := signatureNames()
	for _, enc := range contentEncryptionNames() {
		for _, management := range keyManagementNames() {
			algorithms = append(algorithms, enc+"/"+management)
		}
	}
	algorithms = slices.Concat(algorithms, kemNames(), derivationNames())
	var specs []Spec
	for _, algorithm := range algorithms {
		first, err := ParseSpec(algorithm, 0, "")
		if err != nil {
			continue // every name stands in its table
		}
		switch {
		case first.KeyType == KeyTypeRSA:
			for _, size := range RSASizes() {
				first.KeySize = size
				specs = append(specs, first)
			}
		case first.KeyType == KeyTypeEC && first.Use != UseSign:
			for _, curve := range agreementCurves() {
				first.Curve = curve
				specs = append(specs, first)
			}
		default:
			specs = append(specs, first)
		}
	}
	return specs
}

// agreementCurves are the curves of ECDH-ES and ECDH, the default first.
func agreementCurves() []string { return []string{CurveP256, CurveP384, CurveP521} }
