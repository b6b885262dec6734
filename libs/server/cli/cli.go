// Package cli is the command line that every service shares: start, validate, migrate, health, status, seal, unseal, barrier, rekey,
// shutdown and version. Its entries are [Root], for the binary of one service, [Commands], for a binary of several, and [Main], which runs either.
//
// Exit codes: 0 it is done; 1 it failed, or the answer is no; 2 the command line is wrong; 78 the configuration is wrong
// (EX_CONFIG of sysexits.h). Errors go to standard error and say what to do.
package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// Program is what a service contributes to its command line.
//
// Its configuration has the keys public.address, mtls.address, admin.address, data_dir and telemetry.log_level, which flags override.
type Program struct {
	// Name is the service's own binary, "kms-server".
	Name string
	// Product is the service's name in the context file, "kms".
	Product string
	// Summary says in one line what the service is.
	Summary string
	// Load reads and checks the configuration. What is wrong with it is [config.Problems].
	Load func(src config.Source) (Settings, error)
	// Check looks at what a configuration names beyond what Load does, without changing anything; nil for nothing.
	Check func(ctx context.Context, src config.Source) error
	// Start serves until ctx ends or an operator asks for the end, and returns nil when everything that was accepted is done.
	Start func(ctx context.Context, s Start) error
	// Migrate brings the database's schema up to date and tells what it did on out.
	Migrate func(ctx context.Context, src config.Source, out io.Writer) error
}

// Settings are what the commands need to know of a configuration.
type Settings struct {
	// DataDir holds admin.token.
	DataDir string
	// AdminAddress is where the admin listener is.
	AdminAddress string
	// RootFile is the PEM file by which the listeners' certificate is known.
	RootFile string
}

// Start is what a service starts with.
type Start struct {
	Source config.Source
	// Dev is set by development mode alone.
	Dev bool
	// Log takes the service's log; it is standard error.
	Log io.Writer
	// Reload has a value whenever somebody asks to take over what can change while the service runs (SIGHUP).
	Reload <-chan struct{}
	// Serving is to be called once both listeners accept.
	Serving func(Serving)
}

// Serving tells where a service is reached.
type Serving struct {
	PublicURL, AdminURL, RootFile string
	// MTLSURL is for programs with a client certificate; empty where there is no such listener.
	MTLSURL string
}

// Root is the command of the service's own binary; more are its client commands.
func Root(p Program, more ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use:   p.Name,
		Short: p.Summary,
		Long:  p.Summary + ".",
	}
	root.AddCommand(Commands(p, p.Name)...)
	root.AddCommand(Version(p.Name))
	root.AddCommand(more...)

	return root
}

// Commands are the service's commands, to stand below path ("kms-server", "cryptoutil kms").
func Commands(p Program, path string) []*cobra.Command {
	return []*cobra.Command{
		startCommand(p, path), validateCommand(p, path), migrateCommand(p, path),
		healthCommand(p, path), statusCommand(p, path), sealCommand(p, path), unsealCommand(p, path),
		barrierCommand(p, path), rekeyCommand(p, path), shutdownCommand(p, path),
	}
}
