package cryptoutil

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

func devCommand() *cobra.Command {
	var dir string
	var ephemeral bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Start every service on this machine with everything generated",
		Long: `Dev starts the suite on SQLite and on loopback. What it needs (certificates, secrets, a
credential that may do everything) it makes once in the data directory and uses again: keys
survive a restart. It prints where everything is, and writes context.yaml, by which client
commands find the services.

It is for trying out: the secrets lie beside the data. For a real deployment see
"cryptoutil kms init".`,
		Example: `  cryptoutil dev
  cryptoutil dev --data ./try --ephemeral-ports`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&dir, "data", "", "data directory (default $XDG_DATA_HOME/cryptoutil, else ~/.local/share/cryptoutil)")
	cmd.Flags().BoolVar(&ephemeral, "ephemeral-ports", false, "listen on any free ports instead of 8080, 8089 and 9090")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if dir == "" {
			var err error
			if dir, err = cli.DefaultDir(); err != nil {
				return fmt.Errorf("find a data directory: %w; name one with --data DIR", err)
			}
		}
		return dev(cmd.Context(), dir, ephemeral, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// dev prepares the directory and serves until ctx ends.
func dev(ctx context.Context, dir string, ephemeral bool, out, logOut io.Writer) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := mark(dir); err != nil {
		return err
	}
	files, existed, err := service.Setup{Service: kms.Service().Description, Dir: dir, UnsealMode: unseal.Dev, Operator: service.FirstOperator}.Prepare()
	if err != nil {
		return err
	}
	overrides := map[string]string{}
	if ephemeral {
		for _, listener := range []string{"public", "mtls", "admin"} {
			overrides[listener+".address"] = "127.0.0.1:0"
		}
	}
	cfg, err := kms.Service().Load(config.Source{File: files.Config, Overrides: overrides}, true)
	if err != nil {
		return err
	}
	if err := localOnly(cfg); err != nil {
		return err
	}
	instance, err := kms.Service().Open(ctx, cfg, true, logOut)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = instance.Run(ctx, func(k *service.Instance) {
		if err := announce(dir, existed, files, k, out); err != nil {
			cancel(err)
		}
	})
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; if it is another cryptoutil dev, --ephemeral-ports lets both run", err)
	}
	return err
}

// mark makes the directory and leaves the marker of development mode in it. A directory that was made for a real deployment is refused.
func mark(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w; name another one with --data", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("open data directory: %w", err)
	}
	isMarker := func(entry fs.DirEntry) bool { return entry.Name() == server.DevMarker }
	if slices.ContainsFunc(entries, isMarker) {
		return nil
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty and was not made by dev; name another directory with --data", dir)
	}
	text := "Made by cryptoutil dev. The secrets in here protect nothing.\n"
	if err := os.WriteFile(filepath.Join(dir, server.DevMarker), []byte(text), 0o600); err != nil {
		return fmt.Errorf("mark data directory: %w", err)
	}
	return nil
}

// localOnly holds development mode to this machine, whatever somebody has written into its configuration.
func localOnly(cfg kms.Config) error {
	const instead = "see `cryptoutil kms init` for a real deployment"
	host, _, err := net.SplitHostPort(cfg.Public.Address)
	if err != nil {
		return fmt.Errorf("public.address: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("public.address is %s: dev listens on loopback only; %s", cfg.Public.Address, instead)
	}
	if cfg.Database.Engine != database.EngineSQLite {
		return fmt.Errorf("database.engine is %s: dev keeps its data in a SQLite file; %s", cfg.Database.Engine, instead)
	}
	return nil
}

// announce writes the context file and says where everything is.
func announce(dir string, existed bool, files service.Files, k *service.Instance, out io.Writer) error {
	public, err := localhost(k.URL())
	if err != nil {
		return err
	}
	mutual, err := localhost(k.MTLSURL())
	if err != nil {
		return err
	}
	file := filepath.Join(dir, cli.ContextName)
	err = cli.WriteContext(file, cli.Context{
		RootCertificate: config.Path(k.RootFile()),
		Services:        map[string]cli.Endpoint{kms.Product: files.Endpoint(public, mutual, k.AdminURL())},
	})
	if err != nil {
		return err
	}
	state := "made"
	if existed {
		state = "reused"
	}
	_, err = fmt.Fprintf(out, `cryptoutil is ready (development mode, data %s)

  KMS                 %s
  KMS administration  %s
  root certificate    %s
  credential          %s
  context             %s
  data directory      %s
%s
Try:
  cryptoutil kms key create --name demo --algorithm A256GCM/A256KW%s
Stop with Ctrl-C; keys survive.
`, state, public, k.AdminURL(), k.RootFile(), files.Credential, file, dir, loginHint(public, files), contextHint(file))
	return err
}

// loginHint says how a person gets in; empty for a directory without one.
func loginHint(public string, files service.Files) string {
	if files.Operator == "" {
		return ""
	}
	return fmt.Sprintf("\n  log in at           %s/browser/login\n  as                  %s, password in %s\n", public, files.Operator, files.Password)
}

// contextHint is the flag that client commands need when the context file is not where they look by themselves.
func contextHint(file string) string {
	if found, err := cli.ContextFile(""); err == nil && found == file {
		return ""
	}
	return " --context " + file
}

// localhost is a loopback URL by name, as the certificate and browsers like it.
func localhost(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	u.Host = net.JoinHostPort("localhost", u.Port())
	return u.String(), nil
}
