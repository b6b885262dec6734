package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

func (c *commands) keyImport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import --name NAME",
		Short: "Import a key and print its id",
		Long: `Import stores a key that you bring, as version 1 of a new key, and prints its id. The file
holds a JWK, PEM without a password, or what "key export" wrote for a key of this installation.
It sees by itself which of them it is.

A public key verifies or encrypts, and gets no further versions here. PEM does not say what a
key is for: it takes --algorithm.

The material crosses the network inside TLS alone, unless the file is an encrypted key.`,
		Example: `  jose-server key import --name partner --in partner.pem --algorithm ES256
  jose-server key import --name tokens --in tokens.jwk --exportable
  jose-server key import --name moved --in tokens.jwe`,
		Args: clientcli.NoArguments,
	}
	var (
		spec       client.ImportKey
		in         = cmd.Flags().String("in", "", "file with the key (default standard input)")
		algorithm  = cmd.Flags().String("algorithm", "", "algorithm of the key, as in key create (default that of the JWK)")
		exportable = cmd.Flags().Bool("exportable", false, "versions may leave, encrypted; this cannot be changed later")
		settings   = addKeySettings(cmd)
		output     = cli.AddOutputFlag(cmd)
	)
	cmd.Flags().StringVar(&spec.Name, "name", "", "name of the key: a-z 0-9 . _ -, at most 63 characters")
	clientcli.Require(cmd, "name")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settings.Complete(cmd, &spec); err != nil {
			return err
		}
		spec.Exportable, spec.Algorithm = given(*exportable), given(*algorithm)
		content, err := clientcli.ReadSmall(cmd, *in)
		if err != nil {
			return err
		}
		defer clear(content)
		if err := material(&spec, content); err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			created, err := jose.ImportKey(cmd.Context(), spec)
			if err != nil {
				return err
			}
			return writeID(cmd, *output, created.ID, created)
		})
	}
	return cmd
}

// separators is how many full stops a compact JWE has (RFC 7516 section 3.1).
const separators = 4

// material completes an import with the key that a file holds.
func material(spec *client.ImportKey, content []byte) error {
	text := bytes.TrimSpace(content)
	if bytes.HasPrefix(text, []byte("{")) { // as it is: the service reads members that are unknown here
		spec.JWK = new(json.RawMessage(text))
		return nil
	}
	if strings.Count(string(text), ".") == separators && !bytes.Contains(text, []byte("-----")) {
		spec.Jwe = new(string(text))
		return nil
	}
	key, err := clientcli.ParseKey(content)
	if err != nil {
		return fmt.Errorf("the file holds no key: %w; give a JWK, PEM, or what `key export` wrote", err)
	}
	defer key.Zero()
	if spec.Algorithm == nil {
		return cli.Usage("PEM does not say what the key is for: add --algorithm, such as ES256")
	}
	marshal := key.MarshalPublic
	if key.IsPrivate() {
		marshal = key.MarshalPrivate
	}
	encoded, err := marshal()
	if err != nil {
		return fmt.Errorf("the key has no JWK: %w", err)
	}
	spec.JWK = new(json.RawMessage(encoded))
	return nil
}
