package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// reference is the reference of every command below root, Markdown.
func reference(root *cobra.Command) []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "# The command line of %s\n\n", root.Name())
	text.WriteString("Written from the help texts by `scripts/generate.sh`; change those. `--help` of each command shows the same.\n\n")
	text.WriteString("Exit codes: 0 it is done; 1 it failed, or the answer is no; 2 the command line is wrong; 78 the configuration is wrong.\n\n")
	text.WriteString("| command | what it does |\n|---|---|\n")
	visit(root, func(cmd *cobra.Command) {
		if cmd.Runnable() && !cmd.HasSubCommands() {
			fmt.Fprintf(&text, "| [`%s`](#%s) | %s |\n", cmd.CommandPath(), anchor(cmd), cell(cmd.Short))
		}
	})
	visit(root, func(cmd *cobra.Command) {
		if cmd.Runnable() && !cmd.HasSubCommands() {
			section(&text, cmd)
		}
	})
	return text.Bytes()
}

// visit calls do for every command that is shown, in order of their names.
func visit(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, child := range cmd.Commands() {
		if child.IsAvailableCommand() && child.Name() != "help" && child.Name() != "completion" {
			visit(child, do)
		}
	}
}

// anchor is the link that Markdown makes of a heading.
func anchor(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func section(text *bytes.Buffer, cmd *cobra.Command) {
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	fmt.Fprintf(text, "\n## %s\n\n```text\n%s\n\nUsage: %s\n", cmd.CommandPath(), strings.TrimSpace(long), cmd.UseLine())
	if cmd.Example != "" {
		fmt.Fprintf(text, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	text.WriteString("```\n\n| flag | meaning |\n|---|---|\n")
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		if kind = kinds(kind); kind != "" {
			kind = " " + kind
		}
		fmt.Fprintf(text, "| `--%s%s` | %s%s |\n", f.Name, kind, cell(usage), preset(f))
	})
}

// kinds names the kind of a flag's value; of texts, which most are, the usage says enough.
func kinds(kind string) string {
	switch kind {
	case "string", "stringArray", "strings", "form":
		return ""
	}
	return kind
}

// preset is the default, where the usage does not say it.
func preset(f *pflag.Flag) string {
	if f.DefValue == "" || f.DefValue == "false" || f.DefValue == "0" || f.DefValue == "0s" || f.DefValue == "[]" || strings.Contains(f.Usage, "default") {
		return ""
	}
	return " (default " + f.DefValue + ")"
}

// cell is text in a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(text)
}
