package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// keyVersion is the command that holds those about versions of keys.
func (c *commands) keyVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "List, change and end the versions of keys",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(
		c.versionList(), c.versionGet(), c.versionCreate(), c.versionDestroy(),
		c.versionMove(&cobra.Command{
			Use:     "enable NAME|ID VERSION",
			Short:   "Make a disabled version usable again",
			Example: "  kms-server key version enable payroll 2",
		}, (*client.KMS).EnableVersion),
		c.versionMove(&cobra.Command{
			Use:     "disable NAME|ID VERSION",
			Short:   "Make a version unusable until it is enabled again",
			Example: "  kms-server key version disable payroll 2",
		}, (*client.KMS).DisableVersion),
		c.versionMove(&cobra.Command{
			Use:     "set-primary NAME|ID VERSION",
			Short:   "Make a version the one that encrypts and signs",
			Long:    "Set-primary makes a version the one that encrypts and signs. An older one can be that again.",
			Example: "  kms-server key version set-primary payroll 1",
		}, (*client.KMS).SetPrimary),
		c.versionMove(&cobra.Command{
			Use:   "mark-compromised NAME|ID VERSION",
			Short: "Say that somebody else knows a version",
			Long: `Mark-compromised says that somebody else knows a version. It encrypts and signs nothing
any more, and what it made is read only with the scope kms:use-compromised. THERE IS NO
WAY BACK. Of the primary version, rotate the key first.`,
			Example: "  kms-server key version mark-compromised payroll 1",
		}, (*client.KMS).MarkCompromised),
		c.versionMove(&cobra.Command{
			Use:   "restore NAME|ID VERSION",
			Short: "Keep a version that was to be destroyed",
			Long: `Restore keeps a version that was to be destroyed. It is disabled then, or compromised
again if it was that.`,
			Example: "  kms-server key version restore payroll 1",
		}, (*client.KMS).RestoreVersion),
	)
	return cmd
}

// versionCreate is "key rotate", where somebody looks for what is done with versions.
func (c *commands) versionCreate() *cobra.Command {
	cmd := c.adding("create", (*client.KMS).CreateVersion)
	cmd.Long = `Create does what "key rotate" does: it adds a version to the key, makes it the primary one
and prints its number.`
	cmd.Example = "  kms-server key version create payroll"
	return cmd
}

// versionChange is a change of a version's state.
type versionChange func(*client.KMS, context.Context, string, int64) (*client.MaterialKey, error)

// versionMove completes a command that changes a version's state.
func (c *commands) versionMove(cmd *cobra.Command, to versionChange) *cobra.Command {
	cmd.Args = clientcli.OneVersion
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		number, err := clientcli.ParseVersion(args[1])
		if err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			version, err := to(kms, cmd.Context(), args[0], number)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), version)
			}
			return writeVersion(cmd, args[0], *version)
		})
	}
	return cmd
}

// writeVersion says in which state a version is.
func writeVersion(cmd *cobra.Command, key string, version client.MaterialKey) error {
	text := fmt.Sprintf("version %d of key %s is %s", version.Version, key, version.Status)
	if version.Primary {
		text += " and primary"
	}
	return cli.WriteLine(cmd.OutOrStdout(), cli.Printable(text))
}

func (c *commands) destroyNow(cmd *cobra.Command, key string, number int64, approval, format string) error {
	return c.callFresh(cmd, func(kms *client.KMS) error {
		version, err := kms.DestroyNow(cmd.Context(), key, number, approval)
		if err != nil {
			return err
		}
		if format == outputJSON {
			return cli.WriteJSON(cmd.OutOrStdout(), version)
		}
		return writeVersion(cmd, key, *version)
	})
}

func (c *commands) versionGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get NAME|ID VERSION",
		Short:   "Show a version, and how much it was used",
		Example: "  kms-server key version get payroll 1",
		Args:    clientcli.OneVersion,
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		number, err := clientcli.ParseVersion(args[1])
		if err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			version, err := kms.GetVersion(cmd.Context(), args[0], number)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), version)
			}
			rows := [][]string{
				{"ID", version.ID},
				{"KID", version.KID},
				{"Status", string(version.Status)},
				{"Primary", strconv.FormatBool(version.Primary)},
				{"Origin", string(version.Origin)},
				{"Exportable", strconv.FormatBool(version.Exportable)},
				{"Uses", clientcli.Decimal(version.Uses.Count)},
				{"Bytes", clientcli.Decimal(version.Uses.Bytes)},
				{"Last used", orNever(version.Uses.LastUsedAt)},
				{"Created", version.CreatedAt},
			}
			if version.DestroyAt != nil {
				rows = append(rows, []string{"Destroyed at", *version.DestroyAt})
			}
			if version.ExpiresAt != nil {
				rows = append(rows, []string{"Expires", *version.ExpiresAt})
			}
			return cli.WriteTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

func (c *commands) versionDestroy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "destroy NAME|ID VERSION",
		Short: "Destroy a version after a wait",
		Long: `Destroy ends a version, and with it all that only this version decrypts, after a wait in
days. Until then it does nothing, and "key version restore" keeps it. --dry-run shows
what would happen. --now ends the wait, if the key's quorum has approved that ("approval
request").

It takes a fresh authentication: the client certificate in the context file.`,
		Example: `  kms-server key version destroy payroll 1 --dry-run
  kms-server key version destroy payroll 1 --wait-days 7`,
		Args: clientcli.OneVersion,
	}
	end := addEnd(cmd)
	at := addEarly(cmd)
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		number, err := clientcli.ParseVersion(args[1])
		if err != nil {
			return err
		}
		if err := checkEnd(cmd, end); err != nil {
			return err
		}
		if at.now {
			return c.destroyNow(cmd, args[0], number, at.approval, *format)
		}
		return c.callFresh(cmd, func(kms *client.KMS) error {
			plan, err := kms.ScheduleDestruction(cmd.Context(), args[0], number, *end)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), plan)
			}
			return cli.WriteTable(cmd.OutOrStdout(), [][]string{
				{"Key", args[0]},
				{"Version", clientcli.Decimal(plan.Version.Version)},
				{"Status", string(plan.Version.Status)},
				{"Destroyed at", plan.DestroyAt},
				{"Last used", orNever(plan.Version.Uses.LastUsedAt)},
				{"Safe", safeText(plan.Safe, "it is primary, or was used in the last 30 days")},
				{"Done", doneText(plan.DryRun)},
			})
		})
	}
	return cmd
}

func (c *commands) versionList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [NAME|ID]",
		Short: "List the versions of a key, or of all keys",
		Long: `List shows the versions of a key, newest first. Without a key it shows those of all
keys, in order of creation, and takes --status and --algorithm.`,
		Example: `  kms-server key version list payroll
  kms-server key version list --status compromised`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return clientcli.OneKey(cmd, args)
			}
			return nil
		},
	}
	var filter client.VersionFilter
	cmd.Flags().StringVar((*string)(&filter.Status), "status", "", "of all keys: only versions in this state, such as compromised")
	cmd.Flags().StringVar(&filter.Algorithm, "algorithm", "", "of all keys: only versions of keys of this algorithm")
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	format := addOutputFlag(cmd)
	clientcli.Complete(cmd, "status", "pending_import", "enabled", "disabled", "compromised", "destroy_scheduled", "destroyed")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkList(*format, *limit); err != nil {
			return err
		}
		if len(args) == 1 && filter != (client.VersionFilter{}) {
			return cli.Usage("--status and --algorithm select among the versions of all keys: leave out the key")
		}
		return c.call(cmd, func(kms *client.KMS) error {
			list := kms.AllVersions(cmd.Context(), filter)
			if len(args) == 1 {
				list = kms.ListVersions(cmd.Context(), args[0])
			}
			versions, err := clientcli.Collect(list, *limit)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), client.MaterialKeyPage{Items: versions})
			}
			return cli.WriteTable(cmd.OutOrStdout(), versionRows(versions))
		})
	}
	return cmd
}

func versionRows(versions []client.MaterialKey) [][]string {
	rows := [][]string{{"VERSION", "STATUS", "PRIMARY", "KID", "CREATED"}}
	for _, version := range versions {
		primary, status := "", string(version.Status)
		if version.Primary {
			primary = "primary"
		}
		if version.DestroyAt != nil {
			status += " " + *version.DestroyAt
		}
		rows = append(rows, []string{clientcli.Decimal(version.Version), status, primary, version.KID, version.CreatedAt})
	}
	return rows
}
