package clientcli

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Labels of PEM blocks (RFC 7468).
const (
	pemPublic      = "PUBLIC KEY"
	PEMPrivate     = "PRIVATE KEY"
	pemEncrypted   = "ENCRYPTED PRIVATE KEY"
	pemCertificate = "CERTIFICATE"
	pemEC          = "EC PRIVATE KEY"  // RFC 5915
	pemRSA         = "RSA PRIVATE KEY" // RFC 8017 appendix A.1.2
)

// ReadPublicKey reads a public key: a JWK, a SubjectPublicKeyInfo or a certificate in PEM.
func ReadPublicKey(cmd *cobra.Command, path string) (*jwk.Key, error) {
	content, err := ReadSmall(cmd, path)
	if err != nil {
		return nil, err
	}
	defer clear(content) // it may be a private key by mistake
	key, err := ParseKey(content)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q: %w", path, err)
	case key.IsPrivate():
		return nil, fmt.Errorf("%q holds a private key, which goes nowhere: give its public part, which `openssl pkey -in %s -pubout` writes", path, path)
	}
	return key, nil
}

// ReadPublicJWK is ReadPublicKey, as the API takes it.
func ReadPublicJWK(cmd *cobra.Command, path string) (json.RawMessage, error) {
	key, err := ReadPublicKey(cmd, path)
	if err != nil {
		return nil, err
	}
	return key.MarshalPublic()
}

// ReadPrivateKey reads the private key of somebody outside the service: a JWK, or PEM without a password.
func ReadPrivateKey(cmd *cobra.Command, path string) (*jwk.Key, error) {
	content, err := ReadSmall(cmd, path)
	if err != nil {
		return nil, err
	}
	defer clear(content)
	key, err := ParseKey(content)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q: %w", path, err)
	case !key.IsPrivate() || key.IsSymmetric():
		return nil, fmt.Errorf("%q holds no private key: name the file of the key pair's private part", path)
	}
	return key, nil
}

// ParseKey reads a key of any kind that has a text form.
func ParseKey(content []byte) (*jwk.Key, error) {
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("{")) {
		return jwk.Parse(bytes.TrimSpace(content))
	}
	block, rest := pem.Decode(content)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 && block.Type != pemCertificate {
		return nil, errors.New("neither a JWK nor one PEM block")
	}
	defer clear(block.Bytes)
	return fromPEM(block)
}

func fromPEM(block *pem.Block) (*jwk.Key, error) {
	var (
		material any
		err      error
	)
	switch block.Type {
	case pemPublic:
		return jwk.ParsePKIX(block.Bytes, jwk.Attributes{})
	case pemCertificate:
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the certificate cannot be read: %w", err)
		}
		return jwk.FromMaterial(certificate.PublicKey, jwk.Attributes{})
	case PEMPrivate:
		material, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case pemEC:
		material, err = x509.ParseECPrivateKey(block.Bytes)
	case pemRSA:
		material, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case pemEncrypted:
		return nil, errors.New("the private key has a password: `openssl pkey` writes it into another file without")
	default:
		return nil, fmt.Errorf("a PEM block %q is no key", block.Type)
	}
	if err != nil {
		return nil, errors.New("the private key cannot be read, or is of a kind that is not offered")
	}
	return jwk.FromMaterial(material, jwk.Attributes{})
}
