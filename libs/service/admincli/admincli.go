// Package admincli is the command line for the administration of a running service: people, clients, API tokens, roles, grants, tenants, sessions
// and the audit trail, through the platform's API (libs/auth/api). Its entry is [Commands].
//
// The commands are one table (resources), an entry for each operation of the API; everything else works on the table. What they present is the
// client certificate that the context file names, because sensitive operations want a credential that is bound to its sender, or else the
// credential.
package admincli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// Config says for which service the commands are.
type Config struct {
	// Product is the service's name in the context file, "kms".
	Product string
	// Path is what stands before the commands on the command line: "kms-server", "cryptoutil kms".
	Path string
	// Kind is the kind of its resources that grants are about, "elastic-key".
	Kind string
}

// Commands are the commands about users, clients and so on.
func Commands(c Config) []*cobra.Command {
	var all []*cobra.Command
	for _, r := range resources() {
		parent := &cobra.Command{Use: r.name, Short: r.short, Args: cobra.NoArgs}
		for _, o := range r.operations {
			parent.AddCommand(c.command(r, o))
		}
		all = append(all, parent)
	}
	for _, parent := range all {
		if parent.Name() == "audit" {
			parent.AddCommand(c.export())
			parent.AddCommand(cli.Audit(c.Path).Commands()...)
		}
	}
	return all
}

// command is the command of one operation.
func (c Config) command(r resource, o operation) *cobra.Command {
	path := c.Path + " " + r.name + " " + o.verb
	cmd := &cobra.Command{Use: o.use(), Short: o.short, Long: o.long(), Args: cobra.NoArgs}
	if o.object != "" {
		cmd.Args = oneArgument(o.object)
	}
	var examples []string
	for _, example := range o.examples {
		examples = append(examples, "  "+strings.TrimRight(path+" "+example, " "))
	}
	cmd.Example = strings.NewReplacer("PRODUCT:", c.Product+":", "KIND", c.Kind).Replace(strings.Join(examples, "\n"))
	cmd.Long = strings.ReplaceAll(cmd.Long, "PRODUCT:", c.Product+":")
	run := &run{config: c, operation: o, context: cli.AddContextFlag(cmd), format: cli.AddOutputFlag(cmd)}
	run.addFlags(cmd)
	cmd.RunE = run.do
	return cmd
}

func (o operation) use() string {
	text := strings.TrimRight(o.verb+" "+o.object, " ")
	for _, f := range o.fields {
		if f.required {
			text += " --" + f.flag + " " + strings.ToUpper(strings.ReplaceAll(f.flag, "-", "_"))
		}
	}
	return text
}

func (o operation) long() string {
	text := o.about
	if text == "" {
		text = o.short + "."
	}
	if o.answer == answerSecret {
		text += "\n\nThe " + strings.ReplaceAll(o.secret, "_", " ") + " is shown once: only its hash is kept. --secret-file writes it into a file of mode 0600\ninstead of showing it."
	}
	if o.stepUp {
		text += "\n\nThis wants a client certificate in the context file (see credential certificate)."
	}
	return text
}

func oneArgument(object string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("name one %s: %s", object, cmd.UseLine())
		}
		return nil
	}
}
