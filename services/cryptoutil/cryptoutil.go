// Package cryptoutil is the suite: every service in one binary, and development mode, which starts them all with everything generated.
package cryptoutil

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"

	"github.com/cryptoutil/cryptoutil/services/ca"
	"github.com/cryptoutil/cryptoutil/services/jose"
	"github.com/cryptoutil/cryptoutil/services/kms"
)

// name is the suite's command.
const name = "cryptoutil"

// Main runs the command line of cryptoutil and returns its exit code.
func Main(args []string) int {
	root := Command()
	root.SetArgs(args)
	return cli.Main(context.Background(), root)
}

// Command is the command line.
func Command() *cobra.Command {
	root := &cobra.Command{
		Use:   name,
		Short: "Keys, certificates, tokens and identity from one binary",
		Long: `cryptoutil is a suite of cryptographic services. Begin with "cryptoutil dev", which starts
them on this machine with everything generated.`,
		Args: cobra.NoArgs,
	}
	kmsPath, josePath, caPath := name+" "+kms.Product, name+" "+jose.Product, name+" "+ca.Product
	root.AddCommand(
		devCommand(),
		product(kms.Product, "Keys that encrypt and sign, and never leave", kms.Service().Program(), kms.Commands(kmsPath)...),
		product(jose.Product, "Signs, encrypts and issues tokens for applications that hold no keys", jose.Service().Program(), jose.Commands(josePath)...),
		product(ca.Product, "Issues certificates, and tells what became of them", ca.Service().Program(), ca.Commands(caPath)...),
		cli.Audit(name),
		cli.SuiteStatus(name, kms.Service().Program(), jose.Service().Program(), ca.Service().Program()),
		cli.Version(name),
	)
	return root
}

// product is the command under which all of one product's commands stand.
func product(use, short string, p cli.Program, more ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs}
	cmd.AddCommand(cli.Commands(p, name+" "+use)...)
	cmd.AddCommand(more...)
	return cmd
}
