package keyimport

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
)

// parse makes a private or symmetric key of material. Material that is a JSON object is a JWK; other
// material is the bytes of a symmetric key, or PKCS#8.
func parse(spec alg.Spec, material []byte) (*jwk.Key, error) {
	symmetric := spec.KeyType == alg.KeyTypeOctet
	if bytes.HasPrefix(material, []byte("{")) && (!symmetric || len(material) != spec.KeySize/8 || isJWK(material)) {
		return parseJWK(spec, material)
	}
	if symmetric {
		return finish(spec, material)
	}
	key, err := parsePKCS8(material)
	if err != nil {
		return nil, err
	}
	return finish(spec, key)
}

// isJWK tells a JWK from the bytes of a key that happens to begin like one.
func isJWK(material []byte) bool {
	_, err := jwk.Parse(material)
	return err == nil
}

func parseJWK(spec alg.Spec, text []byte) (*jwk.Key, error) {
	parsed, err := jwk.Parse(text)
	if err != nil {
		return nil, refused(err)
	}
	key, err := fromJWK(spec, parsed)
	if err != nil || parsed.IsSymmetric() { // a symmetric key was copied; the other kinds belong to both
		parsed.Zero()
	}
	return key, err
}

func fromJWK(spec alg.Spec, parsed *jwk.Key) (*jwk.Key, error) {
	if !parsed.IsPrivate() {
		return nil, fault.New(fault.ImportMismatch, "the JWK is a public key; its private part is missing")
	}
	if err := checkPurpose(spec, parsed); err != nil {
		return nil, err
	}
	return finish(spec, parsed.Material())
}

// checkPurpose refuses a JWK that says it is for something else.
func checkPurpose(spec alg.Spec, parsed *jwk.Key) error {
	if err := checkKind(spec, parsed.Material()); err != nil {
		return err
	}
	own := parsed.Algorithm
	if own != "" && own != spec.KeyAlgorithm() && (own != "dir" || spec.KeyManagement != "dir") {
		return fault.New(fault.ImportMismatch, `the "alg" of the JWK is not %s`, spec.KeyAlgorithm())
	}
	attributes := jwk.Attributes{Algorithm: spec.KeyAlgorithm(), Use: parsed.Use, Operations: parsed.Operations}
	if _, err := jwk.FromMaterial(parsed.Material(), attributes); err != nil {
		return fault.New(fault.ImportMismatch, `the "use" or "key_ops" of the JWK do not fit %s`, spec.Algorithm)
	}
	return nil
}

// finish checks material of the standard library and makes the key.
func finish(spec alg.Spec, material any) (*jwk.Key, error) {
	if err := checkKind(spec, material); err != nil {
		return nil, err
	}
	if err := checkStrength(material); err != nil {
		return nil, err
	}
	key, err := jwk.FromMaterial(material, keygen.Attributes(spec))
	if err != nil {
		return nil, refused(err)
	}
	if err := checkPrimes(material); err != nil {
		return nil, err
	}
	return key, nil
}

// refused gives an error of package jwk the code that it has here.
func refused(err error) error {
	var coded interface{ ErrorCode() string }
	switch {
	case errors.Is(err, jwk.ErrWeak):
		return fault.New(fault.ImportWeak, "%w", err)
	case errors.As(err, &coded) && coded.ErrorCode() == fault.UnsupportedAlgorithm:
		return fault.New(fault.ImportMismatch, "%w", err).WithDetail("the key is for an algorithm that is not supported")
	default:
		return fault.New(fault.ImportMalformed, "the key: %w", err)
	}
}

// checkKind refuses material of another type, size, curve or parameter set than the spec's. That an RSA
// modulus is too short to be of any is for [checkStrength] to say.
func checkKind(spec alg.Spec, material any) error {
	is, needs := kindOf(material), kind{spec.KeyType, spec.KeySize, spec.Curve, spec.KEM}
	if is == needs || is.keyType == alg.KeyTypeRSA && needs.keyType == alg.KeyTypeRSA && is.size < alg.MinRSABits {
		return nil
	}
	return fault.New(fault.ImportMismatch, "the material is %s, but %s needs %s", is, spec.Algorithm, needs)
}

// kind is what a spec says about key material.
type kind struct {
	keyType      alg.KeyType
	size         int
	curve        string
	parameterSet string
}

func kindOf(material any) kind {
	switch v := material.(type) {
	case *rsa.PrivateKey:
		return kind{keyType: alg.KeyTypeRSA, size: v.N.BitLen()}
	case *rsa.PublicKey:
		return kind{keyType: alg.KeyTypeRSA, size: v.N.BitLen()}
	case *ecdsa.PrivateKey:
		return kind{keyType: alg.KeyTypeEC, curve: v.Curve.Params().Name}
	case *ecdsa.PublicKey:
		return kind{keyType: alg.KeyTypeEC, curve: v.Curve.Params().Name}
	case ed25519.PrivateKey, ed25519.PublicKey:
		return kind{keyType: alg.KeyTypeOKP, curve: alg.CurveEd25519}
	case *mlkem.DecapsulationKey768, *mlkem.EncapsulationKey768:
		return kind{keyType: alg.KeyTypeAKP, parameterSet: "ML-KEM-768"}
	case *mlkem.DecapsulationKey1024, *mlkem.EncapsulationKey1024:
		return kind{keyType: alg.KeyTypeAKP, parameterSet: "ML-KEM-1024"}
	case []byte:
		return kind{keyType: alg.KeyTypeOctet, size: len(v) * 8}
	default:
		return kind{}
	}
}

// String names the kind in a sentence.
func (k kind) String() string {
	switch k.keyType {
	case alg.KeyTypeRSA:
		return fmt.Sprintf("an RSA key of %d bits", k.size)
	case alg.KeyTypeOctet:
		return fmt.Sprintf("a symmetric key of %d bits", k.size)
	case alg.KeyTypeAKP:
		return fmt.Sprintf("an %s key", k.parameterSet)
	case alg.KeyTypeOKP:
		return fmt.Sprintf("an %s key", k.curve)
	default:
		return fmt.Sprintf("an EC key on %s", k.curve)
	}
}
