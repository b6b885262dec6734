package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// keyVersion is the command that holds those about versions of keys.
func (c *commands) keyVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "List and end the versions of keys",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(c.versionList(), c.versionGet(), c.versionDestroy())
	return cmd
}

func (c *commands) versionList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list NAME|ID",
		Short:   "List the versions of a key",
		Long:    "List shows the versions of a key, newest first, and from when to when each is used.",
		Example: "  jose-server key version list tokens",
		Args:    clientcli.OneKey,
	}
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.CheckLimit(*limit); err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			versions, err := clientcli.Collect(jose.ListVersions(cmd.Context(), args[0]), *limit)
			if err != nil {
				return err
			}
			rows := [][]string{{"VERSION", "STATUS", "KID", "ACTIVE FROM", "RETIRED FROM", "PUBLISHED UNTIL"}}
			for _, v := range versions {
				rows = append(rows, []string{
					clientcli.Decimal(v.Version), string(v.Status), v.KID, v.ActivateAt, clientcli.TextOf(v.RetireAt), clientcli.TextOf(v.PublishedUntil),
				})
			}
			return output.Write(cmd.OutOrStdout(), client.KeyVersionPage{Items: versions}, rows)
		})
	}
	return cmd
}

func (c *commands) versionGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get NAME|ID VERSION",
		Short:   "Show a version of a key",
		Example: "  jose-server key version get tokens 1",
		Args:    clientcli.OneVersion,
	}
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		number, err := clientcli.ParseVersion(args[1])
		if err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			version, err := jose.GetVersion(cmd.Context(), args[0], number)
			if err != nil {
				return err
			}
			rows := [][]string{
				{"ID", version.ID},
				{"KID", version.KID},
				{"Status", string(version.Status)},
				{"Origin", string(version.Origin)},
				{"Active from", version.ActivateAt},
			}
			if version.KmsVersion != nil {
				rows = append(rows, []string{"Version in the KMS", clientcli.Decimal(*version.KmsVersion)})
			}
			for _, row := range [][]string{
				{"Retired from", clientcli.TextOf(version.RetireAt)}, {"Published until", clientcli.TextOf(version.PublishedUntil)}, {"Created", version.CreatedAt},
			} {
				if row[1] != "" {
					rows = append(rows, row)
				}
			}
			return output.Write(cmd.OutOrStdout(), version, append(rows, certificateRows(version.Certificate)...))
		})
	}
	return cmd
}

func (c *commands) versionDestroy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "destroy NAME|ID VERSION --yes",
		Short: "Destroy a version that is not in use",
		Long: `Destroy ends a version that is not in use at once, and with it all that only this version
decrypts or verifies. THERE IS NO WAY BACK: it asks for --yes. Of a pending version the
predecessor stays in use.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: "  jose-server key version destroy tokens 1 --yes",
		Args:    clientcli.OneVersion,
	}
	sure := addSure(cmd)
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		number, err := clientcli.ParseVersion(args[1])
		if err != nil {
			return err
		}
		if err := sure("a version that is destroyed never comes back"); err != nil {
			return err
		}
		return c.callFresh(cmd, func(jose *client.JOSE) error {
			version, err := jose.DestroyVersion(cmd.Context(), args[0], number)
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), version, [][]string{{fmt.Sprintf("version %d of key %s is %s", version.Version, args[0], version.Status)}})
		})
	}
	return cmd
}
