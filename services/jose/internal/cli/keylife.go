package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// keyCall is an operation on a key that answers the key.
type keyCall func(*client.JOSE, context.Context, string) (*client.Key, error)

// aboutKey completes a command that performs an everyday operation on a key and shows rows of it.
func (c *commands) aboutKey(cmd *cobra.Command, do keyCall, rows func(client.Key) [][]string) *cobra.Command {
	cmd.Args = clientcli.OneKey
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(jose *client.JOSE) error {
			key, err := do(jose, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), key, rows(*key))
		})
	}
	return cmd
}

// keyState is one sentence about a key.
func keyState(key client.Key) [][]string {
	return [][]string{{fmt.Sprintf("key %s is %s", key.Name, key.Status)}}
}

func (c *commands) keyEnable() *cobra.Command {
	return c.aboutKey(&cobra.Command{
		Use:     "enable NAME|ID",
		Short:   "Make a disabled key usable again",
		Example: "  jose-server key enable tokens",
	}, (*client.JOSE).EnableKey, keyState)
}

func (c *commands) keyDisable() *cobra.Command {
	return c.aboutKey(&cobra.Command{
		Use:     "disable NAME|ID",
		Short:   "Make a key unusable until it is enabled again",
		Long:    "Disable makes a key unusable until \"key enable\", and takes it out of the tenant's key set.",
		Example: "  jose-server key disable tokens",
	}, (*client.JOSE).DisableKey, keyState)
}

func (c *commands) keyRotate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate NAME|ID",
		Short: "Add a version to a key and print its number",
		Long: `Rotate adds a version to the key and prints its number. A version that others verify by is
published first and takes over when nobody can have a key set without it any more; "key version
list" tells when. --immediate takes it into use at once, for when the present one can no longer
be trusted: who still has the old key set refuses what it signs until they fetch the new one.

Older versions still verify and decrypt.`,
		Example: "  jose-server key rotate tokens\n  jose-server key rotate tokens --immediate",
		Args:    clientcli.OneKey,
	}
	immediate := cmd.Flags().Bool("immediate", false, "take the version into use at once")
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(jose *client.JOSE) error {
			version, err := jose.RotateKey(cmd.Context(), args[0], *immediate)
			if err != nil {
				return err
			}
			return writeID(cmd, *output, clientcli.Decimal(version.Version), version)
		})
	}
	return cmd
}

func (c *commands) keyDestroy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "destroy NAME|ID --yes",
		Short: "Destroy a key and all its versions",
		Long: `Destroy ends a key at once, and with it all that only this key decrypts or verifies. THERE IS
NO WAY BACK: it asks for --yes. Its name is free again. "key disable" makes a key unusable and
keeps it.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: "  jose-server key destroy tokens --yes",
		Args:    clientcli.OneKey,
	}
	sure := addSure(cmd)
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := sure("a key that is destroyed never comes back"); err != nil {
			return err
		}
		return c.callFresh(cmd, func(jose *client.JOSE) error {
			key, err := jose.DestroyKey(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), key, [][]string{{fmt.Sprintf("key %s is %s", args[0], key.Status)}}) // its name is gone already
		})
	}
	return cmd
}

// addSure gives a command --yes. What it returns refuses to go on without.
func addSure(cmd *cobra.Command) func(why string) error {
	yes := cmd.Flags().Bool("yes", false, "do it: there is no way back")
	return func(why string) error {
		if !*yes {
			return cli.Usage("nothing was done: %s; if that is what you want, add --yes", why)
		}
		return nil
	}
}
