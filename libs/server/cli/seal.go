package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

func sealCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "seal",
		Short: "Close the barrier: no key works until it is unsealed",
		Long: `Seal closes the barrier of the running service and drops the keys from its memory. Until
unseal opens it again, every business request is answered with 503.`,
		Example: fmt.Sprintf("  %s seal --config %s.yaml", path, p.Product),
		Args:    cobra.NoArgs,
	}
	flags := addTargetFlags(p, cmd)
	format := AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t, err := flags.open()
		if err != nil {
			return err
		}
		var status server.SealStatus
		if err := t.order(cmd.Context(), http.MethodPost, "/seal", nil, &status); err != nil {
			return err
		}

		return writeSeal(cmd, format, status)
	}

	return cmd
}

func unsealCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unseal",
		Short: "Open the barrier with one more share",
		Long: `Unseal gives the running service one unseal share, from --share-file or from standard
input: a terminal is asked without echo. It is called once by each holder of a share until
the threshold is reached. A service whose unseal key comes from a file takes no share; it
is only told to open; if its file is lost, --recovery has it take recovery shares.

--rehearse checks a share without opening anything: whether it is intact, and of the set
that this service was sealed with.

Exits with 0 once the barrier is open, and with 1 while it waits for more shares.`,
		Example: fmt.Sprintf(`  %[1]s unseal --config %[2]s.yaml
  %[1]s unseal --config %[2]s.yaml --share-file /media/usb/share-1
  cat share-2 | %[1]s unseal
  %[1]s unseal --rehearse --share-file /media/usb/share-1`, path, p.Product),
		Args: cobra.NoArgs,
	}
	flags := addTargetFlags(p, cmd)
	format := AddOutputFlag(cmd)
	shareFile := cmd.Flags().String("share-file", "", "file with the share; - is standard input (default)")
	_ = cmd.MarkFlagFilename("share-file") // as in AddOutputFlag
	rehearse := cmd.Flags().Bool("rehearse", false, "only check the share")
	recovery := cmd.Flags().Bool("recovery", false, "the share is a recovery share")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t, err := flags.open()
		if err != nil {
			return err
		}
		if *rehearse {
			return rehearseShare(cmd, t, format, *shareFile)
		}
		var before, status server.SealStatus
		if err := t.order(cmd.Context(), http.MethodGet, "/seal", nil, &before); err != nil {
			return err
		}
		body := map[string]string{}
		if before.Mode == string(unseal.Shamir) || *recovery {
			if body["share"], err = readShare(cmd, *shareFile); err != nil {
				return err
			}
		} else if *shareFile != "" {
			return Usage("this service opens in mode %s and takes no share; a recovery share needs --recovery", before.Mode)
		}
		if err := t.order(cmd.Context(), http.MethodPost, "/unseal", body, &status); err != nil {
			return err
		}
		if err := writeSeal(cmd, format, status); err != nil {
			return err
		}
		if status.Sealed {
			return ErrNegative
		}

		return nil
	}

	return cmd
}

// rehearseShare has a share checked; an error says what is wrong with it.
func rehearseShare(cmd *cobra.Command, t *target, format *Output, file string) error {
	share, err := readShare(cmd, file)
	if err != nil {
		return err
	}
	var answer server.Rehearsal
	if err := t.order(cmd.Context(), http.MethodPost, "/unseal/rehearse", server.BarrierRequest{Share: share}, &answer); err != nil {
		return err
	}

	return format.Write(cmd.OutOrStdout(), answer, [][]string{{"Fits", strconv.FormatBool(answer.Fits)}})
}

// maxShare bounds a share's text in bytes; one has a few hundred.
const maxShare = 8 << 10

// readShare reads a share, never from an argument: others could see it among the processes.
func readShare(cmd *cobra.Command, file string) (string, error) {
	text, err := readShareText(cmd, file)
	if err != nil {
		return "", fmt.Errorf("read share: %w", err)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 || len(text) > maxShare {
		return "", errors.New("read share: there is none; give it on standard input or with --share-file FILE")
	}

	return string(text), nil
}

func readShareText(cmd *cobra.Command, file string) ([]byte, error) {
	if file != "" && file != "-" {
		return os.ReadFile(file)
	}
	if terminal, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(terminal.Fd())) {
		cmd.PrintErr("Unseal share: ")
		text, err := term.ReadPassword(int(terminal.Fd()))
		cmd.PrintErrln()

		return text, err
	}

	return io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxShare+1))
}

func writeSeal(cmd *cobra.Command, format *Output, status server.SealStatus) error {
	rows := [][]string{{"Sealed", strconv.FormatBool(status.Sealed)}, {"Mode", status.Mode}}
	if status.Threshold > 0 {
		rows = append(rows, []string{"Shares", fmt.Sprintf("%d of %d", status.Submitted, status.Threshold)}, []string{"Set", status.SetID})
	}
	if status.Reason != "" {
		rows = append(rows, []string{"Reason", status.Reason})
	}

	return format.Write(cmd.OutOrStdout(), status, rows)
}
