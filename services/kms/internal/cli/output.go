package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
)

const (
	outputTable = "table"
	outputJSON  = "json"
)

// addOutputFlag gives a command --output.
func addOutputFlag(cmd *cobra.Command) *string {
	format := cmd.Flags().String("output", outputTable, "form of the result: table or json")
	complete(cmd, "output", outputTable, outputJSON)
	return format
}

// complete offers values for a flag to the shell.
func complete(cmd *cobra.Command, flag string, values ...string) {
	// It fails only for a flag that the command lacks, which shows at the first completion.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// oneOf refuses a flag's value that is not among those allowed.
func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return usage("--%s is %q: it must be one of %s", flag, value, strings.Join(allowed, ", "))
}

// writeJSON writes a resource, indented, as the API carries it.
func writeJSON(w io.Writer, resource any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(resource); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// writeTable writes rows, the first of them the heading, in aligned columns.
func writeTable(w io.Writer, rows [][]string) error {
	var aligned bytes.Buffer
	table := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t")) // an error stays for Flush
	}
	err := table.Flush()
	for line := range strings.Lines(aligned.String()) { // an empty last cell leaves the blanks that align it
		if err == nil {
			_, err = fmt.Fprintln(w, strings.TrimRight(line, " \n"))
		}
	}
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// printable replaces what would move the cursor or color the screen: names and
// descriptions come from others.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
