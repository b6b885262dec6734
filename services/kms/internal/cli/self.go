package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// self is the command that shows who the service takes the caller for.
func (c *commands) self() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "self",
		Short:   "Show who the KMS takes you for",
		Long:    "Self shows the tenant, identity, scopes and expiry behind your credential.",
		Example: "  kms-server self",
		Args:    cobra.NoArgs,
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			self, err := kms.Self(cmd.Context())
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), self)
			}
			rows := [][]string{{"Tenant", self.Tenant}, {"Kind", self.Kind}, {"ID", self.ID}}
			for _, row := range [][]string{
				{"Name", self.Name}, {"Roles", strings.Join(self.Roles, " ")}, {"Scopes", strings.Join(self.Scopes, " ")}, {"Expires", self.ExpiresAt},
			} {
				if row[1] != "" {
					rows = append(rows, row)
				}
			}
			return cli.WriteTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}
