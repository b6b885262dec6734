package keyimport

import (
	"bytes"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/internal/fault"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// ParsePublic makes a public key for the spec, with the attributes that a generated key has, of a
// SubjectPublicKeyInfo (DER, or one PEM block "PUBLIC KEY") or of a public JWK. A key that comes with
// its private part is refused: who sent it like that must regard it as disclosed.
func ParsePublic(spec alg.Spec, text []byte) (*jwk.Key, error) {
	if spec.KeyType == alg.KeyTypeOctet {
		return nil, fault.New(fault.ImportMismatch, "import: %s needs a symmetric key, which has no public part", spec.Algorithm)
	}
	if len(text) > MaxWrapped {
		return nil, fault.New(fault.ImportMalformed, "import: the public key is longer than %d bytes", MaxWrapped)
	}
	parsed, err := readPublic(text)
	if err != nil {
		return nil, fmt.Errorf("import: %w", refused(err))
	}
	if parsed.IsPrivate() {
		return nil, fault.New(fault.ImportMismatch, "import: the key comes with its private part; regard it as disclosed, and wrap private keys")
	}
	if err := checkPurpose(spec, parsed); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	key, err := finish(spec, parsed.Material())
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	return key, nil
}

func readPublic(text []byte) (*jwk.Key, error) {
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		return jwk.Parse(text)
	case bytes.HasPrefix(text, []byte("-----BEGIN ")):
		return jwk.ParsePEM(text, jwk.Attributes{})
	default:
		return jwk.ParsePKIX(text, jwk.Attributes{})
	}
}
