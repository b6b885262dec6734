package cli

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Labels of PEM blocks (RFC 7468).
const (
	pemPublic      = "PUBLIC KEY"
	pemPrivate     = "PRIVATE KEY"
	pemEncrypted   = "ENCRYPTED PRIVATE KEY"
	pemCertificate = "CERTIFICATE"
	pemEC          = "EC PRIVATE KEY"  // RFC 5915
	pemRSA         = "RSA PRIVATE KEY" // RFC 8017 appendix A.1.2
)

// readPublicKey reads a public key: a JWK, a SubjectPublicKeyInfo or a certificate in PEM.
func readPublicKey(cmd *cobra.Command, path string) (*jwk.Key, error) {
	content, err := readSmall(cmd, path)
	if err != nil {
		return nil, err
	}
	defer clear(content) // it may be a private key by mistake
	key, err := parseKey(content)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q: %w", path, err)
	case key.IsPrivate():
		return nil, fmt.Errorf("%q holds a private key, which goes nowhere: give its public part, which `openssl pkey -in %s -pubout` writes", path, path)
	}
	return key, nil
}

// readPublicJWK is readPublicKey, as the API takes it.
func readPublicJWK(cmd *cobra.Command, path string) (json.RawMessage, error) {
	key, err := readPublicKey(cmd, path)
	if err != nil {
		return nil, err
	}
	return key.MarshalPublic()
}

// readPrivateKey reads the private key of somebody outside the service: a JWK, or PEM without a password.
func readPrivateKey(cmd *cobra.Command, path string) (*jwk.Key, error) {
	content, err := readSmall(cmd, path)
	if err != nil {
		return nil, err
	}
	defer clear(content)
	key, err := parseKey(content)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q: %w", path, err)
	case !key.IsPrivate() || key.IsSymmetric():
		return nil, fmt.Errorf("%q holds no private key: name the file of the key pair's private part", path)
	}
	return key, nil
}

// parseKey reads a key of any kind that has a text form.
func parseKey(content []byte) (*jwk.Key, error) {
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
	case pemPrivate:
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

// addKeyForm gives a command --format for keys.
func addKeyForm(cmd *cobra.Command, what string) *string {
	form := cmd.Flags().String("format", "", "form of "+what+": raw, hex or base64url of octets, jwk or pem of a key pair (default raw, or jwk)")
	complete(cmd, "format", append(octetForms(), formJWK, formPEM)...)
	return form
}

func checkKeyForm(form string) error {
	if form == "" {
		return nil
	}
	return oneOf("format", form, append(octetForms(), formJWK, formPEM)...)
}

// writeOctetKey writes octets that are a key.
func writeOctetKey(w io.Writer, form string, octets []byte) error {
	if form == formJWK || form == formPEM {
		return fmt.Errorf("the key is %d octets, not a key pair, and is not written as %s: choose --format raw, hex or base64url", len(octets), form)
	}
	return writeOctets(w, form, octets)
}

// writePrivateJWK writes a private or symmetric JWK in the form that was asked for.
func writePrivateJWK(w io.Writer, form string, text json.RawMessage) error {
	if form == "" || form == formJWK {
		return writeLine(w, string(text))
	}
	key, err := jwk.Parse(text)
	if err != nil {
		return fmt.Errorf("key in the answer: %w", err)
	}
	defer key.Zero()
	if key.IsSymmetric() {
		secret := key.Secret()
		defer clear(secret)
		return writeOctetKey(w, form, secret)
	}
	if form != formPEM {
		return fmt.Errorf("a key pair has no form %s: choose --format jwk or pem", form)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.Material())
	if err != nil {
		return fmt.Errorf("a key of this kind (%s) has no PEM here: choose --format jwk", key.Algorithm)
	}
	defer clear(der)
	return pem.Encode(w, &pem.Block{Type: pemPrivate, Bytes: der})
}

// writePublicJWK writes a public JWK in the form that was asked for.
func writePublicJWK(w io.Writer, form string, text json.RawMessage) error {
	if form != formPEM {
		return writeLine(w, string(text))
	}
	key, err := jwk.Parse(text)
	if err != nil {
		return fmt.Errorf("public key in the answer: %w", err)
	}
	block, err := key.MarshalPEM()
	if err != nil {
		return err
	}
	_, err = w.Write(block)
	return err
}
