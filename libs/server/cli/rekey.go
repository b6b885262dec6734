package cli

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

func rekeyCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rekey",
		Short: "Change the shares or the secret that open the barrier",
		Long: `Rekey changes the unseal material in steps, while the service serves: start, share (by the
holders of the old shares), verify (with the new ones), commit. From the staging to the commit the
old material and the new one both open the barrier; cancel ends the new one, commit the old one.`,
	}
	cmd.AddCommand(
		rekeyStartCommand(p, path),
		rekeyStep(p, path, "share", "Authorize the rekeying with one more old share",
			`Share gives one share of the unseal material in force, or a recovery share, from --share-file or
standard input. The one that reaches the threshold gets the new shares: --share-dir keeps each in a
file, otherwise they are printed. They are shown once.`, needsShare),
		rekeyStep(p, path, "verify", "Prove the new unseal material",
			`Verify gives one of the new shares, from --share-file or standard input; a threshold of them proves
that they open the barrier. Where the new material is no shares, the service proves it by itself.`, maybeShare),
		rekeyStep(p, path, "commit", "Put the new unseal material in force", `Commit ends the old unseal material, which must be verified. Change the configuration of
every replica to the new material before its next start.`, noShare),
		rekeyStep(p, path, "cancel", "End a rekeying that is not committed", `Cancel ends the new unseal material; the old one stays in force.`, noShare),
		rekeyStep(p, path, "status", "Show how far a rekeying is", `Status shows which step comes next.`, noShare),
	)

	return cmd
}

func rekeyStartCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Begin to change the unseal material",
		Long: `Start says what the new unseal material is. --mode shamir makes new shares, of which a threshold
opens the barrier. --mode derive takes a file of 32 random bytes, --mode jwk a private JWK, and
--mode kms the other installation that the configuration names; the service reads the files.

Where the material in force is shares, they must authorize it then; otherwise it is staged at once.`,
		Example: fmt.Sprintf(`  %[1]s rekey start --mode shamir --shares 5 --threshold 3 --config %[2]s.yaml
  %[1]s rekey start --mode derive --secret file:///run/secrets/unseal-2`, path, p.Product),
		Args: cobra.NoArgs,
	}
	flags := addTargetFlags(p, cmd)
	format := AddOutputFlag(cmd)
	var request server.BarrierRequest
	cmd.Flags().StringVar(&request.Mode, "mode", "", "shamir, derive, jwk or kms")
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"shamir", "derive", "jwk", "kms"}, cobra.ShellCompDirectiveNoFileComp)) // as in AddOutputFlag
	cmd.Flags().IntVar(&request.Shares, "shares", 0, "how many shares to make, for mode shamir")
	cmd.Flags().IntVar(&request.Threshold, "threshold", 0, "how many of them open the barrier")
	cmd.Flags().StringVar(&request.Secret, "secret", "", "file of 32 random bytes, file:///path, for mode derive")
	cmd.Flags().StringVar(&request.JWK, "jwk", "", "file with a private JWK, file:///path, for mode jwk")
	dir := addShareDirFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if request.Mode == "" {
			return Usage("say what the new material is with --mode shamir, derive, jwk or kms")
		}

		return stepRekey(cmd, flags, format, *dir, "start", request)
	}

	return cmd
}

// How a step of a rekeying takes shares.
const (
	noShare = iota
	maybeShare
	needsShare
)

func rekeyStep(p Program, path, name, short, long string, share int) *cobra.Command {
	cmd := &cobra.Command{
		Use: name, Short: short, Long: long,
		Example: fmt.Sprintf("  %s rekey %s --config %s.yaml", path, name, p.Product),
		Args:    cobra.NoArgs,
	}
	flags := addTargetFlags(p, cmd)
	format := AddOutputFlag(cmd)
	shareFile, dir := new(string), new(string)
	if share != noShare {
		shareFile = addShareFlag(cmd)
		cmd.Example += fmt.Sprintf("\n  %s rekey %s --share-file /media/usb/share-1", path, name)
	}
	if share == needsShare {
		dir = addShareDirFlag(cmd)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var request server.BarrierRequest
		var err error
		switch {
		case share == needsShare:
			request.Share, err = readShare(cmd, *shareFile)
		case share == maybeShare:
			request.Share, err = wantedShare(cmd, flags, *shareFile)
		}
		if err != nil {
			return err
		}

		return stepRekey(cmd, flags, format, *dir, name, request)
	}

	return cmd
}

// wantedShare reads a share if the new material is shares.
func wantedShare(cmd *cobra.Command, flags *targetFlags, file string) (string, error) {
	t, err := flags.open()
	if err != nil {
		return "", err
	}
	var report server.RekeyReport
	if err := t.order(cmd.Context(), http.MethodGet, "/barrier/rekey", nil, &report); err != nil {
		return "", err
	}
	if report.Mode != "shamir" {
		return optionalShare(cmd, file)
	}

	return readShare(cmd, file)
}

// stepRekey orders one step and shows where the rekeying is.
func stepRekey(cmd *cobra.Command, flags *targetFlags, format *Output, dir, name string, request server.BarrierRequest) error {
	t, err := flags.open()
	if err != nil {
		return err
	}
	method, at, body := http.MethodPost, "/barrier/rekey/"+name, any(request)
	if name == "status" {
		method, at, body = http.MethodGet, "/barrier/rekey", nil
	}
	var report server.RekeyReport
	if dir != "" {
		if err := prepareShareDir(dir); err != nil {
			return err
		}
	}
	if err := t.order(cmd.Context(), method, at, body, &report); err != nil {
		return err
	}
	files, err := keepShares(dir, report.NewShares)
	if err != nil {
		return err
	}
	if dir != "" {
		report.NewShares = nil
	}
	rows := [][]string{{"State", report.State}}
	if report.Mode != "" {
		rows = append(rows, []string{"New mode", report.Mode}, []string{"New unseal key", report.UnsealKeyID})
	}
	if report.Wanted > 0 {
		rows = append(rows, []string{"Shares", fmt.Sprintf("%d of %d", report.Submitted, report.Wanted)})
	}
	for _, text := range append(files, report.NewShares...) {
		rows = append(rows, []string{"New share", text})
	}
	if next := map[string]string{
		"authorizing": "rekey share, by the holders of the old shares", "staged": "rekey verify", "verified": "rekey commit",
	}[report.State]; next != "" {
		rows = append(rows, []string{"Next", next})
	}

	return format.Write(cmd.OutOrStdout(), report, rows)
}

func recoveryCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recovery",
		Short: "Make or verify recovery shares",
		Long: `Recovery makes shares that open the barrier when its secret file, its JWK or the other
installation is lost (unseal --recovery). They replace those before once a threshold of them has
been verified: with --verify, each holder gives a share from --share-file or standard input.
A rekeying ends them: make new ones then.`,
		Example: fmt.Sprintf(`  %[1]s barrier recovery --shares 5 --threshold 3 --share-dir /mnt/usb --config %[2]s.yaml
  %[1]s barrier recovery --verify --share-file /media/usb/share-1`, path, p.Product),
		Args: cobra.NoArgs,
	}
	flags := addTargetFlags(p, cmd)
	format := AddOutputFlag(cmd)
	verify := cmd.Flags().Bool("verify", false, "give a recovery share to prove the set")
	shares := cmd.Flags().Int("shares", 0, "how many shares to make")
	threshold := cmd.Flags().Int("threshold", 0, "how many of them open the barrier")
	shareFile, dir := addShareFlag(cmd), addShareDirFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("verify", "shares")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t, err := flags.open()
		if err != nil {
			return err
		}
		at, request := "/barrier/recovery", server.BarrierRequest{Shares: *shares, Threshold: *threshold}
		if *verify {
			at = "/barrier/recovery/verify"
			if request.Share, err = readShare(cmd, *shareFile); err != nil {
				return err
			}
		} else if *dir != "" {
			if err := prepareShareDir(*dir); err != nil {
				return err
			}
		}
		var report server.RecoveryReport
		if err := t.order(cmd.Context(), http.MethodPost, at, request, &report); err != nil {
			return err
		}
		files, err := keepShares(*dir, report.NewShares)
		if err != nil {
			return err
		}
		if *dir != "" {
			report.NewShares = nil
		}
		rows := [][]string{{"Threshold", strconv.Itoa(report.Threshold)}, {"Submitted", strconv.Itoa(report.Submitted)}, {"Verified", strconv.FormatBool(report.Verified)}}
		for _, text := range append(files, report.NewShares...) {
			rows = append(rows, []string{"New share", text})
		}

		return format.Write(cmd.OutOrStdout(), report, rows)
	}

	return cmd
}

func addShareFlag(cmd *cobra.Command) *string {
	file := cmd.Flags().String("share-file", "", "file with a share; - is standard input")
	_ = cmd.MarkFlagFilename("share-file") // as in AddOutputFlag

	return file
}

func addShareDirFlag(cmd *cobra.Command) *string {
	dir := cmd.Flags().String("share-dir", "", "write each new share to a file share-N here, in place of printing it")
	_ = cmd.MarkFlagDirname("share-dir") // as in AddOutputFlag

	return dir
}

// optionalShare reads a share if a file was named.
func optionalShare(cmd *cobra.Command, file string) (string, error) {
	if file == "" {
		return "", nil
	}

	return readShare(cmd, file)
}

// prepareShareDir refuses a directory where shares could not be kept, before they are made.
func prepareShareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep new shares: %w", err)
	}
	if taken, err := filepath.Glob(filepath.Join(dir, "share-*")); err != nil || len(taken) > 0 {
		return errors.Join(err, Usage("%s holds shares already: name another --share-dir", dir))
	}

	return nil
}

// keepShares writes each share to a file of its own, and returns their names.
func keepShares(dir string, shares []string) (files []string, err error) {
	if dir == "" {
		return nil, nil
	}
	for i, share := range shares {
		name := filepath.Join(dir, "share-"+strconv.Itoa(i+1))
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_, err = file.WriteString(share + "\n")
			err = errors.Join(err, file.Sync(), file.Close())
		}
		if err != nil {
			return nil, fmt.Errorf("keep new share %d: %w; the shares are lost: cancel and begin again", i+1, err)
		}
		files = append(files, name)
	}

	return files, nil
}
