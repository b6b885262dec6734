package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

func barrierCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "barrier",
		Short: "Rotate the barrier's keys and move what they protect",
		Long: `Barrier shows and rotates the keys that protect what the service stores: the root key, an
intermediate key and content keys for each tenant. All of it works while the service serves.`,
	}
	cmd.AddCommand(barrierStatusCommand(p, path), rotateCommand(p, path), rewrapCommand(p, path), recoveryCommand(p, path))

	return cmd
}

func barrierStatusCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the versions of the barrier's keys",
		Long: `Status shows the mode of unsealing, the unseal key in force, the versions of the root key,
with --tenant those of a tenant's keys too, a rekeying under way, and recovery shares.`,
		Example: fmt.Sprintf(`  %[1]s barrier status --config %[2]s.yaml
  %[1]s barrier status --tenant default --output json`, path, p.Product),
		Args: cobra.NoArgs,
	}
	flags := addTargetFlags(p, cmd)
	format := AddOutputFlag(cmd)
	tenant := cmd.Flags().String("tenant", "", "show this tenant's keys too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t, err := flags.open()
		if err != nil {
			return err
		}
		query := ""
		if *tenant != "" {
			query = "?" + url.Values{"tenant": {*tenant}}.Encode()
		}
		var report server.BarrierReport
		if err := t.order(cmd.Context(), http.MethodGet, "/barrier"+query, nil, &report); err != nil {
			return err
		}
		rows := [][]string{{"Sealed", strconv.FormatBool(report.Sealed)}, {"Mode", report.Mode}, {"Unseal key", report.UnsealKeyID}, {"Rekeying", report.Rekey.State}}
		for _, r := range report.Recovery {
			rows = append(rows, []string{"Recovery", fmt.Sprintf("%d of %d shares, set %s, verified: %t", r.Threshold, r.Shares, r.SetID, r.Verified)})
		}
		for _, key := range report.Keys {
			rows = append(rows, []string{"Key", fmt.Sprintf("%s %d, made %s, under %s", key.Level, key.Version, time.Time(key.CreatedAt).Format(time.RFC3339), key.ParentID)})
		}

		return format.Write(cmd.OutOrStdout(), report, rows)
	}

	return cmd
}

func rotateCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new root, intermediate or content key",
		Long: `Rotate makes a new version of a key. What older versions wrapped stays readable; rewrap moves
it under the new one.

The root key takes the unseal key: where that comes from shares, rotate is called once by each
holder of a share until the threshold is reached, and exits with 1 while it waits for more. An
intermediate or content key belongs to a tenant: name it with --tenant, or all with --all-tenants.`,
		Example: fmt.Sprintf(`  %[1]s barrier rotate --level root --config %[2]s.yaml
  %[1]s barrier rotate --level root --share-file /media/usb/share-1
  %[1]s barrier rotate --level content --tenant default
  %[1]s barrier rotate --level intermediate --all-tenants`, path, p.Product),
		Args: cobra.NoArgs,
	}
	flags := addTargetFlags(p, cmd)
	format := AddOutputFlag(cmd)
	level := cmd.Flags().String("level", "", "root, intermediate or content")
	_ = cmd.RegisterFlagCompletionFunc("level", cobra.FixedCompletions([]string{"root", "intermediate", "content"}, cobra.ShellCompDirectiveNoFileComp)) // as in AddOutputFlag
	tenant := cmd.Flags().String("tenant", "", "the tenant whose key rotates")
	all := cmd.Flags().Bool("all-tenants", false, "rotate the key of every tenant")
	shareFile := addShareFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		root := *level == "root"
		if root == (*tenant != "" || *all) || *all && *tenant != "" {
			return Usage("--level intermediate and content need --tenant or --all-tenants, --level root neither")
		}
		t, err := flags.open()
		if err != nil {
			return err
		}
		request := server.BarrierRequest{Level: *level, Tenant: *tenant}
		if request.Share, err = optionalShare(cmd, *shareFile); err != nil {
			return err
		}
		report, err := rotate(cmd.Context(), t, request)
		if err != nil {
			return err
		}
		rows := [][]string{{"Level", report.Level}, {"Rotated", strconv.FormatBool(report.Done)}}
		if report.Wanted > 0 {
			rows = append(rows, []string{"Shares", fmt.Sprintf("%d of %d", report.Submitted, report.Wanted)})
		}
		if !root {
			rows = append(rows, []string{"Tenants", strconv.Itoa(report.Tenants)})
		}
		if err := format.Write(cmd.OutOrStdout(), report, rows); err != nil {
			return err
		}
		if !report.Done {
			return ErrNegative
		}

		return nil
	}

	return cmd
}

// rotate goes on until all tenants have had their turn.
func rotate(ctx context.Context, t *target, request server.BarrierRequest) (total server.RotateReport, err error) {
	for {
		var report server.RotateReport
		if err := t.order(ctx, http.MethodPost, "/barrier/rotate", request, &report); err != nil {
			if total.Tenants > 0 {
				err = fmt.Errorf("after %d tenants, the last one %q: %w", total.Tenants, request.After, err)
			}

			return total, err
		}
		report.Tenants += total.Tenants
		total = report
		if report.Next == "" {
			return total, nil
		}
		request.After = report.Next
	}
}

func rewrapCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rewrap",
		Short: "Move what is stored under the newest keys",
		Long: `Rewrap puts intermediate keys under the newest root key, content keys under the newest
intermediate key, and values under the newest content key of their tenant. The service does it
in the background, throttled; after a crash it goes on where it was. Old root and intermediate
keys that wrap nothing any more are removed at the end, two days after they were superseded.

--retire also removes old content keys, if every value could be moved. --wait returns at the end and
exits with 1 if something could not be moved.`,
		Example: fmt.Sprintf(`  %[1]s barrier rewrap --config %[2]s.yaml --wait 1h
  %[1]s barrier rewrap --retire
  %[1]s barrier rewrap --status`, path, p.Product),
		Args: cobra.NoArgs,
	}
	flags := addTargetFlags(p, cmd)
	format := AddOutputFlag(cmd)
	retire := cmd.Flags().Bool("retire", false, "remove old content keys too")
	only := cmd.Flags().Bool("status", false, "start nothing, show how far it is")
	wait := cmd.Flags().Duration("wait", 0, "wait this long for the end")
	cmd.MarkFlagsMutuallyExclusive("status", "retire")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t, err := flags.open()
		if err != nil {
			return err
		}
		var report server.RewrapReport
		if *only {
			err = t.order(cmd.Context(), http.MethodGet, "/barrier/rewrap", nil, &report)
		} else {
			err = t.order(cmd.Context(), http.MethodPost, "/barrier/rewrap", server.BarrierRequest{Retire: *retire}, &report)
		}
		if err == nil && *wait > 0 {
			ctx, cancel := context.WithTimeout(cmd.Context(), *wait)
			defer cancel()
			err = awaitRewrap(ctx, t, &report)
		}
		if err != nil {
			return err
		}

		return writeRewrap(cmd, format, report)
	}

	return cmd
}

// rewrapInterval is how often awaitRewrap looks.
const rewrapInterval = 500 * time.Millisecond

func awaitRewrap(ctx context.Context, t *target, report *server.RewrapReport) error {
	tick := time.NewTicker(rewrapInterval)
	defer tick.Stop()
	for !report.Finished {
		select {
		case <-ctx.Done():
			return nil // the report says that it is not finished
		case <-tick.C:
		}
		if err := t.order(ctx, http.MethodGet, "/barrier/rewrap", nil, report); err != nil && ctx.Err() == nil {
			return err
		}
	}

	return nil
}

func writeRewrap(cmd *cobra.Command, format *Output, report server.RewrapReport) error {
	rows := [][]string{{"SOURCE", "SCANNED", "MOVED", "FAILED", "FINISHED", "FAILURE"}}
	failed := false
	for _, s := range report.Sources {
		failed = failed || s.Failed > 0
		rows = append(rows, []string{
			s.Source, strconv.FormatInt(s.Scanned, 10), strconv.FormatInt(s.Rewrapped, 10), strconv.FormatInt(s.Failed, 10), strconv.FormatBool(s.FinishedAt != nil), s.Failure,
		})
	}
	if err := format.Write(cmd.OutOrStdout(), report, rows); err != nil {
		return err
	}
	if failed {
		return ErrNegative
	}

	return nil
}
