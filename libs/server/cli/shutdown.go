package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

func shutdownCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "shutdown",
		Short: "End the service in good order",
		Long: `Shutdown has the service refuse new connections, finish the requests that it has accepted,
and exit. With --wait it returns when the service has gone.`,
		Example: fmt.Sprintf(`  %[1]s shutdown --config %[2]s.yaml
  %[1]s shutdown --config %[2]s.yaml --wait 40s`, path, p.Product),
		Args: cobra.NoArgs,
	}
	flags := addTargetFlags(p, cmd)
	wait := cmd.Flags().Duration("wait", 0, "wait this long for the service to be gone")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t, err := flags.open()
		if err != nil {
			return err
		}
		var report server.Report
		if err := t.order(cmd.Context(), http.MethodPost, "/shutdown", nil, &report); err != nil {
			return err
		}
		sayf(cmd, "%s\n", report.Status)
		if *wait <= 0 {
			return nil
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *wait)
		defer cancel()

		return t.awaitEnd(ctx)
	}

	return cmd
}

// awaitInterval is how often awaitEnd looks.
const awaitInterval = 100 * time.Millisecond

// awaitEnd returns when nothing listens any more.
func (t *target) awaitEnd(ctx context.Context) error {
	tick := time.NewTicker(awaitInterval)
	defer tick.Stop()
	for {
		var report server.Report
		if _, err := t.ask(ctx, "/livez", &report); errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("the service is still there; its log says what it waits for")
		case <-tick.C:
		}
	}
}
