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
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
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
	cmd.Flags().BoolVar(&ephemeral, "ephemeral-ports", false, "listen on any free ports instead of 8080, 8089, 9090, 9443, 9449, 9093, 8443, 8449 and 9092")
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
	overrides := map[string]string{}
	if ephemeral {
		for _, listener := range []string{"public", "mtls", "admin"} {
			overrides[listener+".address"] = "127.0.0.1:0"
		}
	}
	all, existed := members(), true
	for _, m := range all {
		there, err := m.prepare(dir, overrides)
		if err != nil {
			return err
		}
		existed = existed && there
	}
	err = serve(ctx, all, logOut, func() error { return announce(dir, existed, all, out) })
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

// announce writes the context file and says where everything is.
func announce(dir string, existed bool, all []*member, out io.Writer) error {
	file := filepath.Join(dir, cli.ContextName)
	place := cli.Context{RootCertificate: config.Path(all[0].instance.RootFile()), Services: map[string]cli.Endpoint{}}
	var services, people strings.Builder
	for _, m := range all {
		endpoint, err := m.endpoint()
		if err != nil {
			return err
		}
		place.Services[m.product] = endpoint
		fmt.Fprintf(&services, "  %-19s %s\n  %-19s %s\n  %-19s %s\n",
			m.title, endpoint.URL, m.title+" administration", endpoint.AdminURL, m.title+" credential", m.files.Credential)
		people.WriteString(loginHint(m, endpoint.URL))
	}
	if err := cli.WriteContext(file, place); err != nil {
		return err
	}
	state := "made"
	if existed {
		state = "reused"
	}
	hint := contextHint(file)
	_, err := fmt.Fprintf(out, `cryptoutil is ready (development mode, data %s)

%s  root certificate    %s
  context             %s
  data directory      %s
%s
Try:
  cryptoutil kms key create --name demo --algorithm A256GCM/A256KW%s
Stop with Ctrl-C; keys survive.
`, state, services.String(), place.RootCertificate, file, dir, people.String(), hint)
	return err
}

// loginHint says how a person gets in; empty for a directory without one.
func loginHint(m *member, public string) string {
	if m.files.Operator == "" {
		return ""
	}
	return fmt.Sprintf("\n  log in at           %s/browser/login\n  as                  %s, password in %s\n", public, m.files.Operator, m.files.Password)
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
