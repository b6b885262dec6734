package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

func (c *commands) keyList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List keys",
		Long: `List shows the keys of your tenant in order of creation, all of them unless --limit says
otherwise.`,
		Example: `  jose-server key list
  jose-server key list --algorithm ES256 --status disabled --output json`,
		Args: clientcli.NoArguments,
	}
	var filter client.KeyFilter
	cmd.Flags().StringVar(&filter.Name, "name", "", "only the key of this name")
	cmd.Flags().StringVar(&filter.Algorithm, "algorithm", "", "only keys of this algorithm")
	cmd.Flags().StringVar((*string)(&filter.Status), "status", "", "only keys in this state: active, disabled or destroyed")
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	output := cli.AddOutputFlag(cmd)
	clientcli.Complete(cmd, "status", states()...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.CheckLimit(*limit); err != nil {
			return err
		}
		if filter.Status != "" {
			if err := clientcli.OneOf("status", string(filter.Status), states()...); err != nil {
				return err
			}
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			keys, err := clientcli.Collect(jose.ListKeys(cmd.Context(), filter), *limit)
			if err != nil {
				return err
			}
			rows := [][]string{{"NAME", "ID", "ALGORITHM", "USE", "STATUS", "VERSIONS", "CREATED"}}
			for _, key := range keys {
				rows = append(rows, []string{
					key.Name, key.ID, algorithmText(key), string(key.Use), string(key.Status), clientcli.Decimal(key.VersionCount), key.CreatedAt,
				})
			}
			return output.Write(cmd.OutOrStdout(), client.KeyPage{Items: keys}, rows)
		})
	}
	return cmd
}

// states are those of keys.
func states() []string {
	return []string{string(client.KeyStatusActive), string(client.KeyStatusDisabled), string(client.KeyStatusDestroyed)}
}
