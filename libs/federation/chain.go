package federation

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// maxChain is how many certificates a chain has, as in a header (RFC 7515 section 4.1.6).
const maxChain = 10

// theChain is the name of the one key that stands at the URL of a chain.
const theChain = "chain"

// Chain returns the certificates at a URL, DER, that of the signer first (RFC 7515 section 4.1.5). They are kept as key sets are. Nothing says
// yet that they are trusted.
func (s *KeySets) Chain(ctx context.Context, address string) ([][]byte, error) {
	if err := s.Check(address); err != nil {
		return nil, fmt.Errorf("get certificates at %s: %w", address, err)
	}
	key, err := s.set(address, chainForm()).Key(ctx, theChain)
	if err != nil {
		return nil, err
	}
	return key.Certificates, nil
}

func chainForm() form {
	return form{name: "x5u", accept: "application/pem-certificate-chain, application/x-pem-file, */*;q=0.1", read: readChain}
}

// readChain reads certificates in PEM, one after the other and nothing between them but white space, as a set of the first one's key.
func readChain(text []byte) (*jwk.Set, error) {
	var chain [][]byte
	for len(bytes.TrimSpace(text)) > 0 {
		if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN CERTIFICATE-----")) {
			return nil, errors.New("what stands there is no chain of certificates in PEM")
		}
		block, rest := pem.Decode(text)
		if block == nil || len(chain) == maxChain {
			return nil, fmt.Errorf("what stands there is no chain of at most %d certificates in PEM", maxChain)
		}
		chain, text = append(chain, block.Bytes), rest
	}
	if len(chain) == 0 {
		return nil, errors.New("nothing stands there")
	}
	signer, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, errors.New("the first certificate cannot be parsed")
	}
	key, err := jwk.FromMaterial(signer.PublicKey, jwk.Attributes{ID: theChain, Certificates: chain})
	if err != nil {
		return nil, fmt.Errorf("the first certificate: %w", err)
	}
	return &jwk.Set{Keys: []*jwk.Key{key}}, nil
}
