package cli

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
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
	forget := context.AfterFunc(ctx, stop)
	defer forget()

	entered := prepare(root)
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

// prepare has every command note when it begins, which the result tells: errors before that are the command line's. A command that only
// holds others refuses what it does not hold, at every level.
func prepare(cmd *cobra.Command) (entered *bool) {
	entered = new(bool)
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		switch run := cmd.RunE; {
		case run != nil:
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				*entered = true

				return run(cmd, args)
			}
		case cmd.HasSubCommands() && !cmd.Runnable():
			cmd.Args, cmd.RunE, cmd.DisableFlagsInUseLine = cobra.ArbitraryArgs, help, true
		}
		for _, child := range cmd.Commands() {
			visit(child)
		}
	}
	visit(cmd)

	return entered
}

func help(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	text := ""
	near := cmd.SuggestionsFor(args[0])
	if len(near) == 0 {
		cmd.SuggestionsMinimumDistance = 2 // of Levenshtein: a letter or two are mistyped
		near = cmd.SuggestionsFor(args[0])
	}
	if len(near) > 0 {
		text = "; did you mean " + strings.Join(near, " or ") + "?"
	}

	return Usage("unknown command %q for %q%s", args[0], cmd.CommandPath(), text)
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
