package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// change is a change of a key's state.
type change func(*client.KMS, context.Context, string) (*client.ElasticKey, error)

func (c *commands) keyEnable() *cobra.Command {
	return c.keyMove(&cobra.Command{
		Use:     "enable NAME|ID",
		Short:   "Make a disabled key usable again",
		Example: "  kms-server key enable payroll",
	}, (*client.KMS).EnableKey)
}

func (c *commands) keyDisable() *cobra.Command {
	return c.keyMove(&cobra.Command{
		Use:     "disable NAME|ID",
		Short:   "Make a key unusable until it is enabled again",
		Example: "  kms-server key disable payroll",
	}, (*client.KMS).DisableKey)
}

func (c *commands) keyRetry() *cobra.Command {
	return c.keyMove(&cobra.Command{
		Use:   "retry-generation NAME|ID",
		Short: "Have a key generated whose generation has failed",
		Long: `Retry-generation begins anew with a key that is generate_failed. "key get" tells when it is
active.`,
		Example: "  kms-server key retry-generation letters",
	}, (*client.KMS).RetryGeneration)
}

func (c *commands) keyCancelDeletion() *cobra.Command {
	return c.keyMove(&cobra.Command{
		Use:     "cancel-deletion NAME|ID",
		Short:   "Keep a key that was to be deleted",
		Long:    `Cancel-deletion keeps a key that was to be deleted. It is disabled then: "key enable" follows.`,
		Example: "  kms-server key cancel-deletion payroll",
	}, (*client.KMS).CancelDeletion)
}

// keyMove completes a command that changes a key's state.
func (c *commands) keyMove(cmd *cobra.Command, to change) *cobra.Command {
	cmd.Args = clientcli.OneKey
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			key, err := to(kms, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), key)
			}
			return cli.WriteLine(cmd.OutOrStdout(), cli.Printable(fmt.Sprintf("key %s is %s", key.Name, key.Status)))
		})
	}
	return cmd
}

func (c *commands) keyDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete NAME|ID",
		Short: "Delete a key after a wait",
		Long: `Delete ends a key, and with it all that only this key decrypts, after a wait in days.
Until then it does nothing, attempts to use it are counted ("key get" shows them), and
"key cancel-deletion" keeps it. --dry-run shows what would happen: whether the key was
used of late, and when it would be gone. --now ends the wait, if the key's quorum has
approved that ("approval request").

It takes a fresh authentication: the client certificate in the context file.`,
		Example: `  kms-server key delete payroll --dry-run
  kms-server key delete payroll --wait-days 7`,
		Args: clientcli.OneKey,
	}
	end := addEnd(cmd)
	at := addEarly(cmd)
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		if err := checkEnd(cmd, end); err != nil {
			return err
		}
		if at.now {
			return c.deleteNow(cmd, args[0], at.approval, *format)
		}
		return c.callFresh(cmd, func(kms *client.KMS) error {
			plan, err := kms.ScheduleDeletion(cmd.Context(), args[0], *end)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), plan)
			}
			return cli.WriteTable(cmd.OutOrStdout(), [][]string{
				{"Key", args[0]},
				{"Status", string(plan.Status)},
				{"Deleted at", plan.DeleteAt},
				{"Last used", orNever(plan.LastUsedAt)},
				{"Safe", safeText(plan.Safe, "a version was used in the last 30 days")},
				{"Versions", fmt.Sprint(len(plan.Versions))},
				{"Done", doneText(plan.DryRun)},
			})
		})
	}
	return cmd
}

func (c *commands) deleteNow(cmd *cobra.Command, name, approval, format string) error {
	return c.callFresh(cmd, func(kms *client.KMS) error {
		key, err := kms.DeleteNow(cmd.Context(), name, approval)
		if err != nil {
			return err
		}
		if format == outputJSON {
			return cli.WriteJSON(cmd.OutOrStdout(), key)
		}
		return cli.WriteLine(cmd.OutOrStdout(), cli.Printable(fmt.Sprintf("key %s is %s", key.Name, key.Status)))
	})
}

// The bounds of a wait, which the service has too.
const (
	minWaitDays = 7
	maxWaitDays = 30
)

// addEnd gives a command the flags of what ends after a wait.
func addEnd(cmd *cobra.Command) *client.End {
	end := new(client.End)
	cmd.Flags().IntVar(&end.WaitDays, "wait-days", maxWaitDays, "days until then, 7 to 30; your tenant may have a longer shortest wait")
	cmd.Flags().BoolVar(&end.DryRun, "dry-run", false, "only show what would happen")
	return end
}

func checkEnd(cmd *cobra.Command, end *client.End) error {
	if end.WaitDays < minWaitDays || end.WaitDays > maxWaitDays {
		return cli.Usage("--wait-days must be %d to %d", minWaitDays, maxWaitDays)
	}
	if !cmd.Flags().Changed("wait-days") {
		end.WaitDays = 0 // the service's default
	}
	return nil
}

func orNever(at *string) string {
	if at == nil {
		return "never"
	}
	return *at
}

func safeText(safe bool, whyNot string) string {
	if safe {
		return "yes"
	}
	return "no: " + whyNot
}

func doneText(dryRun bool) string {
	if dryRun {
		return "nothing: this was a dry run"
	}
	return "it is scheduled"
}
