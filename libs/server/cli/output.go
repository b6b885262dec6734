package cli

import (
	"bytes"
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
	if *o == OutputJSON {
		return WriteJSON(w, value)
	}

	return WriteTable(w, rows)
}

// WriteJSON writes a resource, indented, as the API carries it.
func WriteJSON(w io.Writer, resource any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")

	return written(encoder.Encode(resource))
}

// WriteTable writes rows, the first of them the heading where there is one, in aligned columns.
func WriteTable(w io.Writer, rows [][]string) error {
	var aligned bytes.Buffer
	table := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = Printable(cell)
		}
		_, _ = fmt.Fprintln(table, strings.Join(cells, "\t")) // an error stays for Flush
	}
	err := table.Flush()
	for line := range strings.Lines(aligned.String()) { // an empty last cell leaves the blanks that align it
		if err == nil {
			_, err = fmt.Fprintln(w, strings.TrimRight(line, " \n"))
		}
	}

	return written(err)
}

// WriteLine writes a line of text as it is.
func WriteLine(w io.Writer, text string) error {
	_, err := fmt.Fprintln(w, text)

	return written(err)
}

// written is the error of a result that could not be written.
func written(err error) error {
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}

	return nil
}

// sayf prints a sentence of the result. Where standard output has gone there is nobody to tell.
func sayf(cmd *cobra.Command, format string, args ...any) {
	_, _ = fmt.Fprintf(cmd.OutOrStdout(), format, args...)
}

// Printable replaces what would move the cursor or color the screen: names and details come from elsewhere.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}

		return unicode.ReplacementChar
	}, text)
}
