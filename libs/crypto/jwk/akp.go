package jwk

import (
	"bytes"
	"crypto"
	"crypto/mlkem"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
)

// kemPrivate is a decapsulation key: the one of the standard library, whose inside nobody can reach to
// overwrite it, and a copy of the seed that it was made of.
type kemPrivate struct {
	seed []byte
	key  crypto.Decapsulator
}

func kemPrivateMaterial(name string, seed []byte) (*material, error) {
	var key crypto.Decapsulator
	var err error
	switch name {
	case "ML-KEM-768":
		key, err = mlkem.NewDecapsulationKey768(seed)
	case "ML-KEM-1024":
		key, err = mlkem.NewDecapsulationKey1024(seed)
	default:
		return nil, errParameterSet(name)
	}
	if err != nil {
		return nil, fault.New(fault.InvalidKey, "%s seed must have %d bytes", name, alg.KEMSeedBytes)
	}
	return &material{
		keyType: alg.KeyTypeAKP, parameterSet: name,
		kemPrivate: &kemPrivate{seed: bytes.Clone(seed), key: key}, kemPublic: key.Encapsulator(),
	}, nil
}

func kemPublicMaterial(name string, encoded []byte) (*material, error) {
	var key crypto.Encapsulator
	var err error
	switch name {
	case "ML-KEM-768":
		key, err = mlkem.NewEncapsulationKey768(encoded)
	case "ML-KEM-1024":
		key, err = mlkem.NewEncapsulationKey1024(encoded)
	default:
		return nil, errParameterSet(name)
	}
	if err != nil {
		return nil, fault.New(fault.InvalidKey, "not an encapsulation key of %s (FIPS 203 section 7.2)", name)
	}
	return &material{keyType: alg.KeyTypeAKP, parameterSet: name, kemPublic: key}, nil
}

func errParameterSet(name string) error {
	if name == "" {
		return fault.New(fault.InvalidKey, `member "alg" is missing, which an AKP key needs (RFC 9964)`)
	}
	return alg.Unsupported(name)
}

// kemMaterial takes keys of the standard library. What it has not made itself, a nil or an empty one, makes its methods panic.
func kemMaterial(keyMaterial any) (*material, error) {
	switch v := keyMaterial.(type) {
	case *mlkem.DecapsulationKey768:
		if v != nil && *v != (mlkem.DecapsulationKey768{}) {
			return kemPrivateMaterial("ML-KEM-768", v.Bytes())
		}
	case *mlkem.DecapsulationKey1024:
		if v != nil && *v != (mlkem.DecapsulationKey1024{}) {
			return kemPrivateMaterial("ML-KEM-1024", v.Bytes())
		}
	case *mlkem.EncapsulationKey768:
		if v != nil && *v != (mlkem.EncapsulationKey768{}) {
			return kemPublicMaterial("ML-KEM-768", v.Bytes())
		}
	case *mlkem.EncapsulationKey1024:
		if v != nil && *v != (mlkem.EncapsulationKey1024{}) {
			return kemPublicMaterial("ML-KEM-1024", v.Bytes())
		}
	}
	return nil, fault.New(fault.InvalidKey, "ML-KEM key without its material")
}

// parseAKP reads the members of RFC 9964, of which "alg" is one, for the algorithms of
// draft-ietf-jose-pqc-kem: "priv" is the seed d||z.
func parseAKP(p *parsed) (*material, error) {
	kem, err := alg.LookupKEM(p.attributes.Algorithm)
	if err != nil {
		return nil, errParameterSet(p.attributes.Algorithm)
	}
	public, err := p.bytes("pub", p.pub, kem.EncapsulationKeySize)
	if err != nil {
		return nil, err
	}
	if p.priv == nil {
		return kemPublicMaterial(kem.Name, public)
	}
	seed, err := p.bytes("priv", p.priv, alg.KEMSeedBytes)
	if err != nil {
		return nil, err
	}
	defer clear(seed)
	m, err := kemPrivateMaterial(kem.Name, seed)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(m.kemPublic.Bytes(), public) {
		return nil, fault.New(fault.InvalidKey, "%s private and public part do not match", kem.Name)
	}
	return m, nil
}
