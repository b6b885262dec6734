package cli

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

func healthCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the service whether it is well, for probes",
		Long: `Health asks the service's own admin listener and exits with 0 if the answer is yes, else
with 1: a probe for images without a shell. It verifies the listener's certificate with
the service's own root.

--probe readyz (default) asks whether requests may be sent, livez whether the process
serves, healthz about everything.`,
		Example: fmt.Sprintf(`  %[1]s health --config /etc/cryptoutil/%[2]s.yaml
  %[1]s health --config %[2]s.yaml --probe livez`, path, p.Product),
		Args: cobra.NoArgs,
	}
	flags := addTargetFlags(p, cmd)
	probes := []string{"livez", "readyz", "healthz"}
	probe := cmd.Flags().String("probe", "readyz", "what to ask: livez, readyz or healthz")
	_ = cmd.RegisterFlagCompletionFunc("probe", cobra.FixedCompletions(probes, cobra.ShellCompDirectiveNoFileComp)) // as in AddOutputFlag
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !slices.Contains(probes, *probe) {
			return Usage("--probe must be livez, readyz or healthz")
		}
		t, err := flags.open()
		if err != nil {
			return err
		}
		var report server.Report
		status, err := t.ask(cmd.Context(), "/"+*probe, &report)
		if err != nil {
			return err
		}
		sayf(cmd, "%s\n", report.Status)
		for _, check := range report.Checks {
			if check.Status != server.StatusOK {
				sayf(cmd, "%s\n", Printable(check.Name+": "+check.Detail))
			}
		}

		return answer(status)
	}

	return cmd
}

// answer is yes for 200.
func answer(status int) error {
	if status != http.StatusOK {
		return ErrNegative
	}

	return nil
}

func statusCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the service depends on and how that is",
		Long: `Status prints the outcome of each of the service's checks, and exits with 0 if the service
is ready; a failing check that is not required leaves it degraded, but ready.`,
		Example: fmt.Sprintf(`  %[1]s status
  %[1]s status --config %[2]s.yaml --output json`, path, p.Product),
		Args: cobra.NoArgs,
	}
	flags := addTargetFlags(p, cmd)
	format := AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t, err := flags.open()
		if err != nil {
			return err
		}
		var report server.Report
		status, err := t.ask(cmd.Context(), "/healthz", &report)
		if err != nil {
			return err
		}
		rows := [][]string{{"CHECK", "STATUS", "REQUIRED", "MS", "DETAIL"}}
		for _, check := range report.Checks {
			rows = append(rows, []string{
				check.Name, check.Status, strconv.FormatBool(check.Required), strconv.FormatFloat(check.LatencyMS, 'f', 1, 64), check.Detail,
			})
		}
		rows = append(rows, []string{p.Product, report.Status})
		if err := format.Write(cmd.OutOrStdout(), report, rows); err != nil {
			return err
		}

		return answer(status)
	}

	return cmd
}
