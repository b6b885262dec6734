package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/envelope"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// What becomes of a restore with a key in its way.
const (
	conflictRefuse = "refuse"
	conflictSkip   = "skip"
)

// restoring completes a command that restores, or rehearses that.
func (c *commands) restoring(cmd *cobra.Command, rehearsal bool) *cobra.Command {
	cmd.Args = cobra.NoArgs
	options := client.RestoreOptions{DryRun: rehearsal}
	in := cmd.Flags().String("in", "", "backup, a file")
	private := cmd.Flags().String("private-key", "", "file with the private key of a recipient, a JWK or PEM; - for standard input")
	conflict := cmd.Flags().String("on-conflict", conflictRefuse, "what becomes of keys in whose way something is: refuse restores nothing, skip leaves them out")
	cmd.Flags().StringVar(&options.FromTenant, "from-tenant", "", "tenant that the backup is of, where that is not yours")
	format := addOutputFlag(cmd)
	clientcli.Require(cmd, "in", "private-key")
	clientcli.Complete(cmd, "on-conflict", conflictRefuse, conflictSkip)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		if err := clientcli.OneOf("on-conflict", *conflict, conflictRefuse, conflictSkip); err != nil {
			return err
		}
		options.Skip = *conflict == conflictSkip
		open, err := reopened(*in)
		if err != nil {
			return err
		}
		key, err := clientcli.ReadPrivateKey(cmd, *private)
		if err != nil {
			return err
		}
		defer key.Zero()
		return c.callFresh(cmd, func(kms *client.KMS) error {
			report, err := kms.Restore(cmd.Context(), open, key, options)
			if err != nil {
				return explainBackup(err)
			}
			if *format == outputJSON {
				err = cli.WriteJSON(cmd.OutOrStdout(), report)
			} else {
				err = writeReport(cmd.OutOrStdout(), report)
			}
			if err == nil && rehearsal && !options.Skip && report.Skipped > 0 {
				err = fmt.Errorf("the restore would be refused: %d keys are in its way; --on-conflict skip leaves them out", report.Skipped)
			}
			return err
		})
	}
	return cmd
}

// reopened opens a file as often as it is wanted, which standard input cannot be.
func reopened(path string) (func() (io.ReadCloser, error), error) {
	if path == clientcli.Stdio {
		return nil, cli.Usage("--in must be a file: the backup is read twice, to find it whole before anything is done")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("no file %q", path)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%q is no regular file: the backup is read twice", path)
	}
	return func() (io.ReadCloser, error) { return os.Open(path) }, nil
}

func writeReport(w io.Writer, report *client.RestoreReport) error {
	restored, done := "Restored", "yes"
	if report.DryRun {
		restored, done = "To restore", "nothing: this was a rehearsal"
	}
	rows := [][]string{
		{"From tenant", report.FromTenant},
		{"From instance", report.FromInstance},
		{"Backup created", report.BackupCreatedAt},
		{"Keys", strconv.Itoa(report.Keys)},
		{"Versions", strconv.Itoa(report.Versions)},
		{restored, strconv.Itoa(report.Restored)},
		{"Here already", strconv.Itoa(report.Present)},
		{"Skipped", strconv.Itoa(report.Skipped)},
		{"Done", done},
	}
	for _, conflict := range report.Conflicts {
		rows = append(rows, []string{"In the way", conflict.Name + " (" + conflict.KeyID + "): " + conflict.Reason})
	}
	return cli.WriteTable(w, rows)
}

// explainBackup adds to the error of a backup that does not open what can be done.
func explainBackup(err error) error {
	var problem *client.Problem
	switch {
	case errors.As(err, &problem) && problem.Code == "conflict":
		return errors.New(err.Error() + "; `backup rehearse` lists them, --on-conflict skip leaves them out")
	case errors.As(err, &problem): // explained by its code
		return err
	case errors.Is(err, jwe.ErrDecryption):
		return fmt.Errorf("%w; take the private key of a recipient that the backup was made for", err)
	case errors.Is(err, envelope.ErrTruncated):
		return fmt.Errorf("%w; the file was cut, take another copy", err)
	default:
		return err
	}
}
