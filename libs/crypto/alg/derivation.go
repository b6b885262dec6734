package alg

import "crypto"

// DerivationFamily groups algorithms that derive secrets alike.
type DerivationFamily int

// The derivation families.
const (
	HKDF      DerivationFamily = iota + 1 // RFC 5869, from a symmetric key
	Agreement                             // ECDH (SP 800-56A section 5.7.1.2), with a peer's public key
)

// Derivation is an algorithm that derives secrets from a key. No registry has names for these as the
// "alg" of a JSON Web Key; the table's own keep such a key from every other purpose.
type Derivation struct {
	Name    string
	Family  DerivationFamily
	KeyType KeyType
	Hash    crypto.Hash // of HKDF
}

// LookupDerivation finds a derivation algorithm by its name.
// Other names are an error with code unsupported_algorithm.
func LookupDerivation(name string) (Derivation, error) {
	switch name {
	case "HKDF-SHA256":
		return Derivation{Name: "HKDF-SHA256", Family: HKDF, KeyType: KeyTypeOctet, Hash: crypto.SHA256}, nil
	case "HKDF-SHA384":
		return Derivation{Name: "HKDF-SHA384", Family: HKDF, KeyType: KeyTypeOctet, Hash: crypto.SHA384}, nil
	case "HKDF-SHA512":
		return Derivation{Name: "HKDF-SHA512", Family: HKDF, KeyType: KeyTypeOctet, Hash: crypto.SHA512}, nil
	case "ECDH":
		return Derivation{Name: "ECDH", Family: Agreement, KeyType: KeyTypeEC}, nil
	default:
		return Derivation{}, Unsupported(name)
	}
}

func derivationNames() []string {
	return []string{"HKDF-SHA256", "HKDF-SHA384", "HKDF-SHA512", "ECDH"}
}
