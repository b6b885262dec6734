package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// jwks is the command that shows what anybody may know of the tenant's keys.
func (c *commands) jwks() *cobra.Command {
	return &cobra.Command{
		Use:   "jwks",
		Short: "Print the public keys of your tenant as a JWK Set",
		Long: `Jwks prints the public parts of all enabled versions of keys that are published ("key
update --published"), as a JWK Set (RFC 7517). Anybody reads the same set, without a
credential, at /t/TENANT/kms/jwks.json of the service.`,
		Example: "  kms-server jwks > jwks.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.call(cmd, func(kms *client.KMS) error {
				set, err := kms.KeySet(cmd.Context())
				if err != nil {
					return err
				}
				return cli.WriteJSON(cmd.OutOrStdout(), set)
			})
		},
	}
}
