package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// report is the command that holds those about all keys at once.
func (c *commands) report() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Report about all keys at once",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(c.reportAlgorithms())
	return cmd
}

func (c *commands) reportAlgorithms() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "algorithms",
		Short: "Show which algorithms are still in use",
		Long: `Algorithms shows for each algorithm and size how many keys there are, how many of their
versions are enabled, how many old ones can still read, how much they were used and when
last. It is where leaving an algorithm begins.`,
		Example: "  kms-server report algorithms\n  kms-server report algorithms --output json",
		Args:    cobra.NoArgs,
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			report, err := kms.ReportAlgorithms(cmd.Context())
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), report)
			}
			rows := [][]string{{"ALGORITHM", "KEYS", "ENABLED", "OLD, READING", "COMPROMISED", "USES", "BYTES", "LAST USED"}}
			for _, use := range report.Items {
				rows = append(rows, []string{
					useText(use), clientcli.Decimal(use.Keys), clientcli.Decimal(use.Versions.Enabled), clientcli.Decimal(use.OldVersionsReading), clientcli.Decimal(use.Versions.Compromised),
					clientcli.Decimal(use.UseCount), clientcli.Decimal(use.ByteCount), orNever(use.LastUsedAt),
				})
			}
			return cli.WriteTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

// useText is an algorithm with the size or curve that completes it.
func useText(use client.AlgorithmUse) string {
	switch {
	case use.KeySize != nil:
		return use.Algorithm + " " + strconv.Itoa(*use.KeySize)
	case use.Curve != nil:
		return use.Algorithm + " " + *use.Curve
	default:
		return use.Algorithm
	}
}
