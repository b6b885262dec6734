package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func (c *commands) keyExport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export NAME|ID --recipient FILE",
		Short: "Export a version of a key to somebody's public key",
		Long: `Export writes a version of a key, encrypted to the public key of a recipient: a line of text,
a compact JWE, that the recipient alone opens ("recipient open"). The key must have been
created --exportable. The recipient is a JWK or PEM: RSA of at least 3072 bits, or EC, such as
"recipient create" makes; the wrapping key of another installation's "import start --wrapping
ECDH-ES+A256KW" is one too, and what export writes is then what its "import finish" takes.

It takes a fresh authentication: the client certificate in the context file. A key with a
quorum takes the quorum's approval:

  kms-server approval request exportElasticKey payroll --version 1 --recipient bob.pem \
    --reason "bob leaves"`,
		Example: `  kms-server key export payroll --recipient bob.pem --out payroll.jwe
  kms-server key export payroll --recipient bob.pem --version 1 \
    --approval 019a4d2e-6c01-7a3b-9f10-3c5d7e9fab01`,
		Args: clientcli.OneKey,
	}
	var (
		what      client.Export
		recipient = cmd.Flags().String("recipient", "", "file with the recipient's public key, a JWK or PEM")
		out       = cmd.Flags().String("out", "", "file to write (default standard output)")
	)
	cmd.Flags().Int64Var(&what.Version, "version", 0, "version of the key (default the primary one)")
	cmd.Flags().StringVar(&what.Approval, "approval", "", "id of the approved request, where the key has a quorum")
	clientcli.Require(cmd, "recipient")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := checkVersion(what.Version); err != nil {
			return err
		}
		if what.Recipient, err = clientcli.ReadPublicJWK(cmd, *recipient); err != nil {
			return err
		}
		return c.callFresh(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				exported, err := kms.Export(cmd.Context(), args[0], what)
				if err != nil {
					return err
				}
				return cli.WriteLine(to, exported.Jwe)
			})
		})
	}
	return cmd
}
