package cli

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
)

// addKeyForm gives a command --format for keys.
func addKeyForm(cmd *cobra.Command, what string) *string {
	form := cmd.Flags().String("format", "", "form of "+what+": raw, hex or base64url of octets, jwk or pem of a key pair (default raw, or jwk)")
	clientcli.Complete(cmd, "format", append(octetForms(), formJWK, formPEM)...)
	return form
}

func checkKeyForm(form string) error {
	if form == "" {
		return nil
	}
	return clientcli.OneOf("format", form, append(octetForms(), formJWK, formPEM)...)
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
		return cli.WriteLine(w, string(text))
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
	return pem.Encode(w, &pem.Block{Type: clientcli.PEMPrivate, Bytes: der})
}

// writePublicJWK writes a public JWK in the form that was asked for.
func writePublicJWK(w io.Writer, form string, text json.RawMessage) error {
	if form != formPEM {
		return cli.WriteLine(w, string(text))
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
