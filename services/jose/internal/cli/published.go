package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// jwks is the command that shows the tenant's key set.
func (c *commands) jwks() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jwks",
		Short: "Print the public keys of your tenant as a JWK Set",
		Long: `Jwks prints the public keys by which others verify what your tenant signs, as a JWK Set (RFC
7517). Anybody reads the same set, without a credential, at /.well-known/jwks.json of the
service, and that of another tenant than the default one at /t/TENANT/.well-known/jwks.json.`,
		Example: "  jose-server jwks > jwks.json",
		Args:    clientcli.NoArguments,
	}
	out := cmd.Flags().String("out", "", "file to write (default standard output)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.call(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				set, err := jose.KeySet(cmd.Context())
				if err != nil {
					return err
				}
				return cli.WriteJSON(to, set)
			})
		})
	}
	return cmd
}

// thumbprint is the command that names a public key by its thumbprint.
func (c *commands) thumbprint() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "thumbprint",
		Short: "Print the thumbprint of a public key",
		Long: `Thumbprint prints the SHA-256 thumbprint of a public key (RFC 7638), or with --uri its URI (RFC
9278). The key is a JWK, PEM or a certificate.`,
		Example: `  jose-server thumbprint --in partner.pem
  jose-server key public tokens --format jwk | jose-server thumbprint --uri`,
		Args: clientcli.NoArguments,
	}
	in := cmd.Flags().String("in", "", "file with the public key (default standard input)")
	uri := cmd.Flags().Bool("uri", false, "print the URI")
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		public, err := clientcli.ReadPublicJWK(cmd, *in)
		if err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			thumbprint, err := jose.Thumbprint(cmd.Context(), public)
			switch {
			case err != nil:
				return err
			case *output == cli.OutputJSON:
				return cli.WriteJSON(cmd.OutOrStdout(), thumbprint)
			case *uri:
				return cli.WriteLine(cmd.OutOrStdout(), thumbprint.URI)
			default:
				return cli.WriteLine(cmd.OutOrStdout(), thumbprint.Thumbprint)
			}
		})
	}
	return cmd
}
