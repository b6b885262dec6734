package cli

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// The forms in which bytes and keys are read and written.
const (
	formRaw       = "raw"
	formHex       = "hex"
	formBase64URL = "base64url"
	formJWK       = "jwk"
	formPEM       = "pem"
)

func octetForms() []string { return []string{formRaw, formHex, formBase64URL} }

// addOctetForm gives a command --format for bytes.
func addOctetForm(cmd *cobra.Command, what, otherwise string) *string {
	form := cmd.Flags().String("format", otherwise, "form of "+what+": raw (the bytes themselves), hex or base64url")
	clientcli.Complete(cmd, "format", octetForms()...)
	return form
}

// writeOctets writes bytes: raw ones as they are, others as a line of text.
func writeOctets(w io.Writer, form string, octets []byte) error {
	switch form {
	case formHex:
		return cli.WriteLine(w, hex.EncodeToString(octets))
	case formBase64URL:
		return cli.WriteLine(w, client.EncodeBytes(octets))
	default:
		_, err := w.Write(octets)
		return err
	}
}

// readOctets reads what writeOctets writes.
func readOctets(what, form string, content []byte) ([]byte, error) {
	var (
		octets []byte
		err    error
	)
	switch form {
	case formHex:
		octets, err = hex.DecodeString(strings.TrimSpace(string(content)))
	case formBase64URL:
		octets, err = client.DecodeBytes(strings.TrimSpace(string(content)))
	default:
		octets = content
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not %s: say in which form it is with --format", what, form)
	}
	return octets, nil
}

// fromFile reads the small file of a flag, nil where the flag names none.
func fromFile(cmd *cobra.Command, path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	return clientcli.ReadSmall(cmd, path)
}
