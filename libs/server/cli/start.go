package cli

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

func startCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start --config FILE",
		Short: "Serve until the process is asked to end",
		Long: `Start serves until SIGINT, SIGTERM or the command shutdown ends it. It then refuses new
connections, finishes the requests that it has accepted, and exits with 0. SIGHUP takes
over what can change while the service runs: log level, certificates, realm.

A data directory that development mode has made is refused.`,
		Example: fmt.Sprintf(`  %[1]s start --config /etc/cryptoutil/%[2]s.yaml
  %[1]s start --config %[2]s.yaml --public-address 0.0.0.0:8443 --log-level debug`, path, p.Product),
		Args: cobra.NoArgs,
	}
	flags := addSourceFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		src, err := flags.required()
		if err != nil {
			return err
		}
		settings, err := p.Load(src)
		if err != nil {
			return err
		}
		if err := server.CheckDataDir(settings.DataDir, false); err != nil {
			return err
		}
		keepHeadroom()
		hangUps := make(chan os.Signal, 1)
		signal.Notify(hangUps, syscall.SIGHUP) // for good: one that comes while the service ends must not kill it
		reload, done := make(chan struct{}), make(chan struct{})
		defer close(done)
		go func() {
			for {
				select {
				case <-done:
					return
				case <-hangUps:
				}
				select {
				case <-done:
					return
				case reload <- struct{}{}:
				}
			}
		}()

		return p.Start(cmd.Context(), Start{
			Source: src,
			Log:    cmd.ErrOrStderr(),
			Reload: reload,
			Serving: func(s Serving) {
				mutual := ""
				if s.MTLSURL != "" {
					mutual = fmt.Sprintf("%s serves %s for client certificates\n", p.Name, s.MTLSURL)
				}
				sayf(cmd, "%s%s serves %s, administration %s, root certificate %s\n", mutual, p.Name, s.PublicURL, s.AdminURL, s.RootFile)
			},
		})
	}

	return cmd
}

func validateCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate --config FILE",
		Short: "Check a configuration",
		Long: `Validate reads a configuration as start does and lists everything that is wrong with it,
each with its file, line, key and what to do. It changes nothing and exits with 78 if
there is anything.`,
		Example: fmt.Sprintf("  %s validate --config %s.yaml", path, p.Product),
		Args:    cobra.NoArgs,
	}
	flags := addSourceFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		src, err := flags.required()
		if err != nil {
			return err
		}
		if _, err := p.Load(src); err != nil {
			return err
		}
		if p.Check != nil {
			if err := p.Check(cmd.Context(), src); err != nil {
				return err
			}
		}
		sayf(cmd, "%s is valid\n", src.File)

		return nil
	}

	return cmd
}

func migrateCommand(p Program, path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate --config FILE",
		Short: "Bring the database's schema up to date",
		Long: `Migrate applies the schema changes that the database lacks. It is safe while the service,
also in its previous version, is running, and when it is called twice at once. Start does
the same by itself where the database role may change the schema.`,
		Example: fmt.Sprintf("  %s migrate --config %s.yaml", path, p.Product),
		Args:    cobra.NoArgs,
	}
	flags := addSourceFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		src, err := flags.required()
		if err != nil {
			return err
		}
		settings, err := p.Load(src)
		if err != nil {
			return err
		}
		if err := server.CheckDataDir(settings.DataDir, false); err != nil {
			return err
		}

		return p.Migrate(cmd.Context(), src, cmd.OutOrStdout())
	}

	return cmd
}
