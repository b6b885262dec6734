package cli

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// SuiteStatus is the command that asks every service of the context file, and is well only if all are ready. path is the suite's command.
func SuiteStatus(path string, programs ...Program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask every configured service whether it is ready",
		Long: `Status asks each service of the context file for its readiness, prints a line for each, and
exits with 0 only if all are ready.`,
		Example: fmt.Sprintf("  %[1]s status\n  %[1]s status --output json", path),
		Args:    cobra.NoArgs,
	}
	file := AddContextFlag(cmd)
	format := AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := LoadContext(*file)
		if err != nil {
			return err
		}
		all := suiteReport{Status: server.StatusOK, Services: []serviceReport{}}
		rows := [][]string{{"SERVICE", "STATUS", "URL", "DETAIL"}}
		for _, p := range programs {
			endpoint, configured := c.Services[p.Product]
			if !configured {
				continue
			}
			one := serviceReport{Service: p.Product, URL: endpoint.URL, Status: server.StatusFailing}
			one.ask(cmd, p, c)
			if one.Status == server.StatusFailing || one.Status == server.StatusDraining {
				all.Status = server.StatusFailing
			}
			all.Services = append(all.Services, one)
			rows = append(rows, []string{one.Service, one.Status, one.URL, one.Detail})
		}
		if len(all.Services) == 0 {
			return fmt.Errorf("the context file names no service of this suite")
		}
		if err := format.Write(cmd.OutOrStdout(), all, rows); err != nil {
			return err
		}
		if all.Status != server.StatusOK {
			return ErrNegative
		}

		return nil
	}

	return cmd
}

// suiteReport is what SuiteStatus prints.
type suiteReport struct {
	Status   string          `json:"status"`
	Services []serviceReport `json:"services"`
}

type serviceReport struct {
	Service string `json:"service"`
	Status  string `json:"status"`
	URL     string `json:"url"`
	Detail  string `json:"detail,omitempty"`
}

// ask fills the report from the service's readyz. That it cannot be asked is an answer.
func (r *serviceReport) ask(cmd *cobra.Command, p Program, c Context) {
	t, err := targetOf(p, c)
	if err != nil {
		r.Detail = err.Error()

		return
	}
	var report server.Report
	status, err := t.ask(cmd.Context(), "/readyz", &report)
	if err != nil {
		r.Detail = err.Error()

		return
	}
	r.Status = report.Status
	for _, check := range report.Checks {
		if check.Status != server.StatusOK {
			r.Detail += check.Name + ": " + check.Detail + " "
		}
	}
	if status != http.StatusOK && r.Status == server.StatusOK {
		r.Status = server.StatusFailing
	}
}
