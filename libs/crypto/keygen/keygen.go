// Package keygen generates keys, on the spot with [Generate] or ahead of need with a
// [Pool], which is its main type.
package keygen

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Generate makes a private or symmetric key for the spec, with "alg" and "use" set and
// without "kid" (FIPS 186-5 sections A.1 to A.2; FIPS 203 section 7.1; SP 800-133 section 6.1 for
// symmetric keys).
// An RSA key takes from a tenth of a second to several seconds of CPU time.
func Generate(spec alg.Spec) (*jwk.Key, error) {
	material, err := generateMaterial(spec)
	if err != nil {
		return nil, fmt.Errorf("generate %s key: %w", Kind(spec), err)
	}
	key, err := jwk.FromMaterial(material, Attributes(spec))
	if err != nil {
		return nil, fmt.Errorf("generate %s key: %w", Kind(spec), err)
	}
	return key, nil
}

func generateMaterial(spec alg.Spec) (any, error) {
	switch spec.KeyType {
	case alg.KeyTypeRSA:
		if spec.KeySize < alg.MinRSABits || spec.KeySize > alg.MaxRSABits {
			return nil, fmt.Errorf("modulus of %d bits", spec.KeySize)
		}
		return rsa.GenerateKey(rand.Reader, spec.KeySize)
	case alg.KeyTypeEC:
		curve, err := ellipticCurve(spec.Curve)
		if err != nil {
			return nil, err
		}
		return ecdsa.GenerateKey(curve, rand.Reader)
	case alg.KeyTypeOKP:
		if spec.Curve != alg.CurveEd25519 {
			return nil, fmt.Errorf("curve %q", spec.Curve)
		}
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case alg.KeyTypeOctet:
		if spec.KeySize < 128 || spec.KeySize%8 != 0 {
			return nil, fmt.Errorf("symmetric key of %d bits", spec.KeySize)
		}
		secret := make([]byte, spec.KeySize/8)
		_, err := rand.Read(secret)
		return secret, err
	case alg.KeyTypeAKP:
		return decapsulationKey(spec.KEM)
	default:
		return nil, fmt.Errorf("key type %q", spec.KeyType)
	}
}

func decapsulationKey(kem string) (any, error) {
	switch kem {
	case "ML-KEM-768":
		return mlkem.GenerateKey768()
	case "ML-KEM-1024":
		return mlkem.GenerateKey1024()
	default:
		return nil, fmt.Errorf("key encapsulation %q", kem)
	}
}

func ellipticCurve(name string) (elliptic.Curve, error) {
	switch name {
	case alg.CurveP256:
		return elliptic.P256(), nil
	case alg.CurveP384:
		return elliptic.P384(), nil
	case alg.CurveP521:
		return elliptic.P521(), nil
	default:
		return nil, fmt.Errorf("curve %q", name)
	}
}

// Attributes are those of every key of the spec, generated or brought from elsewhere: "alg" and "use".
func Attributes(spec alg.Spec) jwk.Attributes {
	use := jwk.UseEncryption
	if spec.Use == alg.UseSign || spec.Use == alg.UseMAC {
		use = jwk.UseSignature
	}
	return jwk.Attributes{Algorithm: spec.KeyAlgorithm(), Use: use}
}

// Kind names the sort of key material that a spec runs on, such as "RSA-3072", "P-256",
// "Ed25519", "ML-KEM-768" or "oct-256". Specs of one kind share a stock in a [Pool].
func Kind(spec alg.Spec) string {
	switch {
	case spec.Curve != "":
		return spec.Curve
	case spec.KEM != "":
		return spec.KEM
	}
	return fmt.Sprintf("%s-%d", spec.KeyType, spec.KeySize)
}
