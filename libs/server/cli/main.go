package cli

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// Exit codes.
const (
	ExitFailure = 1
	ExitUsage   = 2
	ExitConfig  = 78
)

// usageError is a mistake in the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// ExitCode makes it ExitUsage.
func (*usageError) ExitCode() int { return ExitUsage }

// Usage makes the error of a mistake in the command line.
func Usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// quietError is a negative answer that has been printed.
type quietError struct{}

func (quietError) Error() string { return "the answer is no" }

// ErrNegative ends a command whose answer, already printed, is no: it exits with ExitFailure and prints nothing more.
var ErrNegative error = quietError{}

// Main runs the command line of root and returns the exit code. SIGINT and SIGTERM end the command's context; a second one ends the
// process at once. An error with a method ExitCode() int says its own code.
func Main(ctx context.Context, root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()

	entered := markEntry(root)
	root.SilenceErrors, root.SilenceUsage = true, true
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	code := exitCode(err, *entered)
	if !errors.Is(err, ErrNegative) {
		cmd.PrintErrln("Error: " + err.Error())
	}
	if code == ExitUsage {
		cmd.PrintErrf("Run \"%s --help\" for usage.\n", cmd.CommandPath())
	}

	return code
}

// markEntry tells by its result whether any command began: errors before that are the command line's.
func markEntry(root *cobra.Command) *bool {
	entered := new(bool)
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if run := cmd.RunE; run != nil {
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				*entered = true

				return run(cmd, args)
			}
		}
		for _, child := range cmd.Commands() {
			visit(child)
		}
	}
	visit(root)

	return entered
}

func exitCode(err error, entered bool) int {
	var own interface{ ExitCode() int }
	var problems config.Problems
	switch {
	case errors.As(err, &own):
		return own.ExitCode()
	case errors.As(err, &problems):
		return ExitConfig
	case !entered:
		return ExitUsage
	default:
		return ExitFailure
	}
}
