package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// updateAgain is how often a change is tried again where somebody else changed the resource at the same time: a command names the members that
// it sets, and none depends on what was there.
const updateAgain = 3

func (c *commands) keyUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "update NAME|ID",
		Short: "Change what a key says of itself",
		Long:  "Update changes what the flags name and leaves the rest.",
		Example: `  jose-server key update tokens --description "access tokens of the shop"
  jose-server key update tokens --published=false --token-lifetime 30m`,
		Args: clientcli.OneKey,
	}
	settings := addKeySettings(cmd)
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		patch, err := settings.Change(cmd)
		if err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			key, err := jose.UpdateKey(cmd.Context(), args[0], updateAgain, func(client.Key) (client.Patch, error) { return patch, nil })
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), key, keyRows(*key))
		})
	}
	return cmd
}
