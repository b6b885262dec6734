package clientcli

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// NoArguments is for a command that takes flags alone. Whoever names a file or a resource without one is told how.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	how := "everything is given by flags"
	for _, one := range [...][2]string{{"in", "a file is named by --in"}, {"name", "a name is given by --name"}} {
		if cmd.Flags().Lookup(one[0]) != nil {
			how = one[1]
			break
		}
	}
	return cli.Usage("%q is not expected after %s: %s", args[0], cmd.CommandPath(), how)
}

// OneKey is the argument of a command about a key.
func OneKey(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return cli.Usage("name one key, by its name or id: %s NAME|ID", cmd.CommandPath())
	}
	return nil
}

// OneVersion is the arguments of a command about a version of a key.
func OneVersion(cmd *cobra.Command, args []string) error {
	if len(args) != 2 { //nolint:mnd // the two that the text names
		return cli.Usage("name one key and one version: %s NAME|ID VERSION", cmd.CommandPath())
	}
	return nil
}

// ParseVersion reads the number of a version.
func ParseVersion(text string) (int64, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 1 {
		return 0, cli.Usage("%q is no version: they are numbers from 1, which key version list shows", text)
	}
	return number, nil
}

// Require marks flags without which a command is a mistake.
func Require(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		_ = cmd.MarkFlagRequired(flag) // fails only for a flag that the command lacks
	}
}

// Complete offers values for a flag to the shell.
func Complete(cmd *cobra.Command, flag string, values ...string) {
	// It fails only for a flag that the command lacks, which shows at the first completion.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// OneOf refuses a flag's value that is not among those allowed.
func OneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return cli.Usage("--%s is %q: it must be one of %s", flag, value, strings.Join(allowed, ", "))
}

// CheckLimit refuses a --limit below 0, which stands for all.
func CheckLimit(limit int) error {
	if limit < 0 {
		return cli.Usage("--limit must be 1 or more")
	}
	return nil
}

// Collect takes the first items of a list, all if limit is 0.
func Collect[T any](list iter.Seq2[T, error], limit int) ([]T, error) {
	items := []T{} // an empty list is [] in JSON
	for item, err := range list {
		if err != nil {
			return nil, err
		}
		if items = append(items, item); len(items) == limit {
			break
		}
	}
	return items, nil
}

// ParseDays reads a duration as Go writes it, or whole days, such as 90d.
func ParseDays(text string) (time.Duration, error) {
	const longest = 100 * 365
	if number, isDays := strings.CutSuffix(text, "d"); isDays {
		days, err := strconv.Atoi(number)
		if err != nil || days > longest || days < 0 {
			return 0, fmt.Errorf("%q is no number of days", text)
		}
		return time.Duration(days) * 24 * time.Hour, nil
	}
	return time.ParseDuration(text)
}

// DaysText writes seconds as days where they are whole ones.
func DaysText(seconds int64) string {
	const day = 24 * 60 * 60
	if seconds%day == 0 {
		return Decimal(seconds/day) + "d"
	}
	return (time.Duration(seconds) * time.Second).String()
}

// Decimal writes a number.
func Decimal(n int64) string { return strconv.FormatInt(n, 10) }

// TextOf is what a pointer points to, or nothing.
func TextOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
