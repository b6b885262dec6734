package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func (c *commands) importJobs() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "jobs NAME|ID",
		Short:   "List the import jobs of a key, newest first",
		Example: "  kms-server import jobs payroll",
		Args:    clientcli.OneKey,
	}
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkList(*format, *limit); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			jobs, err := clientcli.Collect(kms.ListImportJobs(cmd.Context(), args[0]), *limit)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), client.ImportJobPage{Items: jobs})
			}
			rows := [][]string{{"ID", "WRAPPING", "STATUS", "ATTEMPTS", "VERSION", "EXPIRES"}}
			for _, job := range jobs {
				version := ""
				if job.Version != nil {
					version = clientcli.Decimal(*job.Version)
				}
				rows = append(rows, []string{job.ID, string(job.Wrapping), string(job.Status), clientcli.Decimal(job.Attempts), version, job.ExpiresAt})
			}
			return cli.WriteTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

func (c *commands) importJob() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "job NAME|ID JOB",
		Short: "Show an import job, or print its wrapping key again",
		Long: `Job shows an import job. While it is open, --format pem or jwk prints its wrapping key, as
"import start" did; the token is not told again.`,
		Example: `  kms-server import job payroll 019a4d2e-6c01-7a3b-9f10-3c5d7e9fab05
  kms-server import job payroll 019a4d2e-6c01-7a3b-9f10-3c5d7e9fab05 --format pem > key.pem`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 { //nolint:mnd // the two that the text names
				return cli.Usage("name the key and the job, which import jobs shows: %s NAME|ID JOB", cmd.CommandPath())
			}
			return nil
		},
	}
	form := cmd.Flags().String("format", "", "print the wrapping key: pem or jwk")
	format := addOutputFlag(cmd)
	clientcli.Complete(cmd, "format", formPEM, formJWK)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		if *form != "" {
			if err := clientcli.OneOf("format", *form, formPEM, formJWK); err != nil {
				return err
			}
		}
		return c.call(cmd, func(kms *client.KMS) error {
			job, err := kms.GetImportJob(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return writeJob(cmd, *form, *format, job)
		})
	}
	return cmd
}

func writeJob(cmd *cobra.Command, form, format string, job *client.ImportJob) error {
	switch {
	case form != "" && job.PublicKey == nil:
		return fmt.Errorf("the job is %s: it has no wrapping key any more; begin anew with `import start`", job.Status)
	case form == formJWK:
		return cli.WriteJSON(cmd.OutOrStdout(), job.PublicKey.JWK)
	case form == formPEM:
		return cli.WriteLine(cmd.OutOrStdout(), strings.TrimRight(job.PublicKey.PEM, "\n"))
	case format == outputJSON:
		return cli.WriteJSON(cmd.OutOrStdout(), job)
	}
	rows := [][]string{
		{"ID", job.ID},
		{"Wrapping", string(job.Wrapping)},
		{"Status", string(job.Status)},
		{"Attempts", clientcli.Decimal(job.Attempts)},
		{"Expires", job.ExpiresAt},
		{"Created", job.CreatedAt},
	}
	if job.Version != nil {
		rows = append(rows, []string{"Version", clientcli.Decimal(*job.Version)})
	}
	return cli.WriteTable(cmd.OutOrStdout(), rows)
}
