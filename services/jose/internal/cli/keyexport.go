package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

func (c *commands) keyExport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export NAME|ID --recipient NAME|ID",
		Short: "Export a version of a key, encrypted",
		Long: `Export writes a version of a key as a JWK encrypted to another key of your tenant (RFC 7517
section 7): a line of text that "key import" takes where the recipient's private key is. The
recipient may be a public key of somebody else's, which "key import" brought. The key must have
been created --exportable.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: `  jose-server key export tokens --recipient backup --out tokens.jwe
  jose-server key export tokens --recipient partner --version 1 --out tokens.jwe`,
		Args: clientcli.OneKey,
	}
	var (
		recipient = cmd.Flags().String("recipient", "", "name or id of the key that it is encrypted to")
		version   = cmd.Flags().Int64("version", 0, "version of the key (default the active one)")
		out       = cmd.Flags().String("out", "", "file to write (default standard output)")
		output    = cli.AddOutputFlag(cmd)
	)
	clientcli.Require(cmd, "recipient")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *version < 0 {
			return cli.Usage("--version must be 1 or more")
		}
		return c.callFresh(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				exported, err := jose.ExportKey(cmd.Context(), args[0], *version, *recipient)
				if err != nil {
					return err
				}
				return writeText(to, *output, exported.Jwe, exported)
			})
		})
	}
	return cmd
}

func (c *commands) keyExportSet() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export-set NAME|ID... --recipient NAME|ID",
		Short: "Export all versions of keys as one encrypted set",
		Long: `Export-set writes all versions of up to 100 keys as a JWK Set encrypted to another key of your
tenant: a line of text. Signature keys and shared secrets do not mix in one set. Each of the
keys must have been created --exportable.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: `  jose-server key export-set tokens letters --recipient backup --out keys.jwe`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usage("name the keys, by their names or ids: %s NAME|ID...", cmd.CommandPath())
			}
			return nil
		},
	}
	var (
		recipient = cmd.Flags().String("recipient", "", "name or id of the key that it is encrypted to")
		out       = cmd.Flags().String("out", "", "file to write (default standard output)")
		output    = cli.AddOutputFlag(cmd)
	)
	clientcli.Require(cmd, "recipient")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.callFresh(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				exported, err := jose.ExportKeys(cmd.Context(), args, *recipient)
				if err != nil {
					return err
				}
				return writeText(to, *output, exported.Jwe, exported)
			})
		})
	}
	return cmd
}

// writeText writes a message or token as a line, or with all that was answered as JSON.
func writeText(to *clientcli.Destination, output cli.Output, text string, answer any) error {
	if output == cli.OutputJSON {
		return cli.WriteJSON(to, answer)
	}
	return cli.WriteLine(to, text)
}
