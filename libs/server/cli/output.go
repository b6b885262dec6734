package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
)

// Output is the form of a result: "table" for people, "json" for programs. It is a flag's value.
type Output string

// The forms.
const (
	OutputTable Output = "table"
	OutputJSON  Output = "json"
)

// AddOutputFlag gives a command --output.
func AddOutputFlag(cmd *cobra.Command) *Output {
	o := OutputTable
	cmd.Flags().Var(&o, "output", "form of the result: table or json")
	// It fails only for a flag that the command lacks.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(OutputTable), string(OutputJSON)}, cobra.ShellCompDirectiveNoFileComp))

	return &o
}

// Set implements pflag.Value.
func (o *Output) Set(text string) error {
	if !slices.Contains([]Output{OutputTable, OutputJSON}, Output(text)) {
		return fmt.Errorf("it must be %s or %s", OutputTable, OutputJSON)
	}
	*o = Output(text)

	return nil
}

// String implements pflag.Value.
func (o *Output) String() string { return string(*o) }

// Type implements pflag.Value.
func (*Output) Type() string { return "form" }

// Write prints value as JSON, or rows as a table with aligned columns.
func (o *Output) Write(w io.Writer, value any, rows [][]string) error {
	var err error
	if *o == OutputJSON {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(value)
	} else {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, row := range rows {
			cells := make([]string, len(row))
			for i, cell := range row {
				cells[i] = printable(cell)
			}
			_, _ = fmt.Fprintln(table, strings.TrimRight(strings.Join(cells, "\t"), "\t")) // an error stays for Flush
		}
		err = table.Flush()
	}
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}

	return nil
}

// sayf prints a sentence of the result. Where standard output has gone there is nobody to tell.
func sayf(cmd *cobra.Command, format string, args ...any) {
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), format, args...)
}

// printable replaces what would move the cursor or color the screen: names and details come from elsewhere.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}

		return unicode.ReplacementChar
	}, text)
}
