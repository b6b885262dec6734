package alg

// KEM is a key encapsulation mechanism (FIPS 203).
type KEM struct {
	Name    string
	KeyType KeyType
	// EncapsulationKeySize and CiphertextSize are in bytes (FIPS 203 table 3). Shared secrets have
	// [KEMSecretBytes] and seeds [KEMSeedBytes] with every parameter set.
	EncapsulationKeySize int
	CiphertextSize       int
}

const (
	// KEMSeedBytes is the length in bytes of the seed d||z of a decapsulation key (FIPS 203 algorithm 19).
	KEMSeedBytes = 64
	// KEMSecretBytes is the length in bytes of a shared secret (FIPS 203 table 3).
	KEMSecretBytes = 32
)

// LookupKEM finds a key encapsulation mechanism by its name.
// Other names are an error with code unsupported_algorithm.
func LookupKEM(name string) (KEM, error) {
	switch name {
	case "ML-KEM-768":
		return KEM{Name: "ML-KEM-768", KeyType: KeyTypeAKP, EncapsulationKeySize: 1184, CiphertextSize: 1088}, nil
	case "ML-KEM-1024":
		return KEM{Name: "ML-KEM-1024", KeyType: KeyTypeAKP, EncapsulationKeySize: 1568, CiphertextSize: 1568}, nil
	default:
		return KEM{}, Unsupported(name)
	}
}

func kemNames() []string { return []string{"ML-KEM-768", "ML-KEM-1024"} }
