package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// updateAgain is how often a change is tried again where somebody else changed the key at the same time: a command names
// the members that it sets, and none depends on what was there.
const updateAgain = 3

func (c *commands) keyUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "update NAME|ID",
		Short: "Change what a key says of itself",
		Long: `Update changes what the flags name and leaves the rest. An empty list or 0 takes a
member away: --operations "" allows every operation again.

--min-decrypt-version and --min-encrypt-version are floors: a version below is of no
use for that any more, though it is enabled. 0 stands for any.

What weakens the quorum takes that quorum's approval: see "approval request".`,
		Example: `  kms-server key update payroll --description "salaries of 2027" --rotate-every 90d
  kms-server key update payroll --operations encrypt,decrypt --roles payroll-app
  kms-server key update payroll --min-decrypt-version 3
  kms-server key update payroll --quorum 2 --approvers alice,bob,carol`,
		Args: clientcli.OneKey,
	}
	settings := addSettings(cmd)
	for _, floor := range []struct{ flag, member, usage string }{
		{"min-decrypt-version", "min_decrypt_version", "lowest version that decrypts and verifies; 0 for any"},
		{"min-encrypt-version", "min_encrypt_version", "lowest version that may encrypt and sign; 0 for any"},
	} {
		value := cmd.Flags().Int64(floor.flag, 0, floor.usage)
		settings.Add(clientcli.Setting{Flag: floor.flag, Member: floor.member, Value: func() (any, error) {
			if *value < 0 {
				return nil, cli.Usage("--%s must be 0 or more", floor.flag)
			}
			return *value, nil
		}})
	}
	approved := cmd.Flags().String("approval", "", "id of the approved request, where the quorum is weakened")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		patch, err := settings.Change(cmd)
		if err != nil {
			return err
		}
		return c.update(cmd, args[0], *approved, *format, patch)
	}
	return cmd
}

func (c *commands) keyTag() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tag NAME|ID [TAG=VALUE]...",
		Short: "Set and remove tags of a key",
		Long: `Tag sets the tags that are given, removes those of --remove and leaves the rest.
"key list --tag" finds keys by them.`,
		Example: `  kms-server key tag payroll team=payroll env=production
  kms-server key tag payroll --remove env`,
		Args: cobra.ArbitraryArgs,
	}
	remove := cmd.Flags().StringSlice("remove", nil, "tags to remove")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		if len(args) == 0 {
			return clientcli.OneKey(cmd, args)
		}
		set, err := parsePairs("the tag", args[1:])
		if err != nil {
			return err
		}
		tags := map[string]any{}
		for name, value := range set {
			tags[name] = value
		}
		for _, name := range *remove {
			if _, both := set[name]; both {
				return cli.Usage("the tag %q is to be set and to be removed", name)
			}
			tags[name] = nil
		}
		if len(tags) == 0 {
			return cli.Usage("say which tags to set, TAG=VALUE, or to --remove")
		}
		return c.update(cmd, args[0], "", *format, client.Patch{"tags": tags})
	}
	return cmd
}

// update applies a patch to a key and shows what it is then. An approval is used by whoever asked for it.
func (c *commands) update(cmd *cobra.Command, key, approved, format string, patch client.Patch) error {
	connect := c.connect
	if approved != "" {
		connect = c.administer
	}
	return with(connect, cmd, func(kms *client.KMS) error {
		changed, err := kms.UpdateKeyApproved(cmd.Context(), key, approved, updateAgain, func(client.ElasticKey) (client.Patch, error) { return patch, nil })
		if err != nil {
			return err
		}
		return writeKey(cmd, format, *changed)
	})
}

// writeKey shows a key.
func writeKey(cmd *cobra.Command, format string, key client.ElasticKey) error {
	if format == outputJSON {
		return cli.WriteJSON(cmd.OutOrStdout(), key)
	}
	return cli.WriteTable(cmd.OutOrStdout(), keyRows(key))
}
