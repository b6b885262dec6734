package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

func (c *commands) keyAdopt() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "adopt --name NAME --kms-key KEY",
		Short: "Use a key that a federated KMS keeps, and print its id",
		Long: `Adopt makes a key of one whose private part a federated KMS keeps: the KMS signs with it, and
its public part is published and verified by here. Rotating the key rotates it there, and
destroying it ends its use here alone.

In the KMS it is a key for signatures, with the tag jose-tenant=TENANT, which says for whom it
is, and a grant to read and sign for the credential that this service has there.`,
		Example: `  jose-server key adopt --name releases --kms-key releases
  jose-server key adopt --name releases --kms-key releases --token-lifetime 12h`,
		Args: clientcli.NoArguments,
	}
	var (
		spec     client.AdoptKMSKey
		settings = addKeySettings(cmd)
		output   = cli.AddOutputFlag(cmd)
	)
	cmd.Flags().StringVar(&spec.Name, "name", "", "name of the key here: a-z 0-9 . _ -, at most 63 characters")
	cmd.Flags().StringVar(&spec.KmsKey, "kms-key", "", "name or id of the key in the KMS")
	clientcli.Require(cmd, "name", "kms-key")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settings.Complete(cmd, &spec); err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			created, err := jose.AdoptKMSKey(cmd.Context(), spec)
			if err != nil {
				return err
			}
			return writeID(cmd, *output, created.ID, created)
		})
	}
	return cmd
}
