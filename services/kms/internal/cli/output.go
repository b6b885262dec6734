package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
)

const (
	outputTable = "table"
	outputJSON  = "json"
)

// addOutputFlag gives a command --output.
func addOutputFlag(cmd *cobra.Command) *string {
	format := cmd.Flags().String("output", outputTable, "form of the result: table or json")
	clientcli.Complete(cmd, "output", outputTable, outputJSON)
	return format
}
