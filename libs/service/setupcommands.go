package service

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// SetupCommands are the commands that work on files, not on a running service: init, credential, user and doctor. path is what stands before them on the
// command line.
func (s Service[C]) SetupCommands(path string) []*cobra.Command {
	c := setupCommands{Description: s.Description, path: path, load: func(file string) (*Config, error) {
		cfg, err := s.Load(config.Source{File: file}, isDev(file))
		return common(&cfg), err
	}}
	return []*cobra.Command{c.init(), c.credential(), c.user(), c.doctor()}
}

// Merge puts two lists of commands together; commands of one name become one, with the subcommands of both.
func Merge(commands, more []*cobra.Command) []*cobra.Command {
	all := append([]*cobra.Command{}, commands...)
	for _, one := range more {
		at := slices.IndexFunc(all, func(other *cobra.Command) bool { return other.Name() == one.Name() })
		if at < 0 {
			all = append(all, one)
			continue
		}
		all[at].AddCommand(one.Commands()...)
	}
	return all
}

// setupCommands are those of one service.
type setupCommands struct {
	Description

	path string
	load func(file string) (*Config, error)
}

func (c setupCommands) init() *cobra.Command {
	s := Setup{Service: c.Description, Operator: FirstOperator}
	var mode string
	cmd := &cobra.Command{
		Use:   "init --data DIR",
		Short: "Make a data directory for a real deployment",
		Long: `Init makes a data directory with everything that start needs: secrets, the configuration, a
realm with an API token, a person and a client certificate that may do everything, and
context.yaml for client commands on this machine. With --unseal shamir it writes unseal shares
instead of an unseal secret: hand them to different people and delete the files.

What is there is never overwritten; a directory whose making was cut off is completed.`,
		Example: fmt.Sprintf(`  %[1]s init --data /var/lib/cryptoutil
  %[1]s init --data /var/lib/cryptoutil --unseal shamir --shares 5 --threshold 3
  %[1]s init --data /var/lib/cryptoutil \
    --postgres-url postgres://%[2]s@db.example.net/%[2]s --postgres-password-file /run/secrets/%[2]s-db`, c.path, c.Product),
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&s.Dir, "data", "", "data directory to make")
	flags.StringVar(&s.Tenant, "tenant", DefaultTenant, "the first tenant")
	flags.StringVar(&mode, "unseal", string(unseal.Derive), "how the barrier is opened: derive (secret file) or shamir (shares)")
	flags.IntVar(&s.Shares, "shares", 5, "with --unseal shamir: how many shares there are")
	flags.IntVar(&s.Threshold, "threshold", 3, "with --unseal shamir: how many shares unseal")
	flags.StringVar(&s.PostgresURL, "postgres-url", "", "use PostgreSQL: postgres://user@host:port/database, without password")
	flags.StringVar(&s.PostgresPassword, "postgres-password-file", "", "file that holds the PostgreSQL password")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s.UnsealMode = unseal.Mode(mode)
		if s.UnsealMode != unseal.Shamir && (flags.Changed("shares") || flags.Changed("threshold")) {
			return cli.Usage("--shares and --threshold go with --unseal shamir")
		}
		if err := s.check(); err != nil {
			return err
		}
		files, existed, err := s.Prepare()
		if err != nil {
			return err
		}
		if existed {
			return fmt.Errorf("%s exists already; nothing was changed; start it, or name another directory with --data", files.Config)
		}
		// What the configuration makes of the flags must be sound before anybody relies on it.
		if _, err := c.load(files.Config); err != nil {
			return err
		}
		context, err := c.writeContext(files)
		if err != nil {
			return err
		}
		return describeSetup(cmd.OutOrStdout(), c.path, files, context)
	}
	return cmd
}

// check refuses what no installation could be made from, before anything is made.
func (s Setup) check() error {
	switch {
	case s.Dir == "":
		return cli.Usage("name the directory with --data DIR")
	case s.UnsealMode != unseal.Derive && s.UnsealMode != unseal.Shamir:
		return cli.Usage("--unseal is derive or shamir")
	case s.UnsealMode == unseal.Shamir && (s.Threshold < secretshare.MinThreshold || s.Threshold > s.Shares || s.Shares > secretshare.MaxShares):
		return cli.Usage("--threshold is %d to the number of --shares, which is at most %d", secretshare.MinThreshold, secretshare.MaxShares)
	case !credential.ValidTenant(s.Tenant):
		return cli.Usage("--tenant is 1 to 31 of a-z, 0-9 and hyphens, the first no hyphen")
	case (s.PostgresURL == "") != (s.PostgresPassword == ""):
		return cli.Usage("--postgres-url and --postgres-password-file go together")
	case s.PostgresURL == "":
		return nil
	}
	file, err := filepath.Abs(s.PostgresPassword)
	if err != nil {
		return err
	}
	password, err := config.NewSecret(fileReference(file), config.Policy{})
	if err == nil {
		_, err = password.ReadText()
	}
	if err != nil {
		return fmt.Errorf("--postgres-password-file: %w", err)
	}
	database := database.Config{Engine: database.EnginePostgres, URL: s.PostgresURL, Password: password}
	if problems := database.Validate(); len(problems) > 0 {
		return cli.Usage("--postgres-url: %s; write it as %s", problems[0].Message, problems[0].Suggestion)
	}
	return nil
}

// writeContext writes context.yaml for client commands on this machine.
func (c setupCommands) writeContext(files Files) (string, error) {
	file := filepath.Join(filepath.Dir(files.Config), cli.ContextName)
	return file, cli.WriteContext(file, cli.Context{
		RootCertificate: config.Path(files.Root),
		Services:        map[string]cli.Endpoint{c.Product: files.Endpoint("https://"+c.Public, "https://"+c.MTLS, "https://"+c.Admin)},
	})
}

// Endpoint is the context's entry for the service of this data directory.
func (f Files) Endpoint(public, mutual, admin string) cli.Endpoint {
	endpoint := cli.Endpoint{URL: public, AdminURL: admin, Credential: fileReference(f.Credential), AdminToken: fileReference(f.AdminToken)}
	if f.ClientCertificate != "" {
		endpoint.MTLSURL, endpoint.ClientCertificate, endpoint.ClientKey = mutual, config.Path(f.ClientCertificate), fileReference(f.ClientKey)
	}
	return endpoint
}

func describeSetup(w io.Writer, path string, files Files, context string) error {
	rows := [][2]string{
		{"configuration", files.Config},
		{"credential", files.Credential},
		{"context", context},
		{"password of " + files.Operator, files.Password},
		{"client certificate", files.ClientCertificate},
	}
	for i, share := range files.Shares {
		rows = append(rows, [2]string{fmt.Sprintf("unseal share %d", i+1), share})
	}
	text := ""
	for _, row := range rows {
		if row[1] != "" {
			text += fmt.Sprintf("%-20s %s\n", row[0], row[1])
		}
	}
	text += fmt.Sprintf("\nNext:\n  %s start --config %s\n", path, files.Config)
	if len(files.Shares) > 0 {
		text += fmt.Sprintf("  %s unseal --context %s --share-file SHARE\n", path, context)
	}
	text += fmt.Sprintf("  %s self --context %s\n", path, context)
	if len(files.Shares) > 0 {
		text += "\nUnseal is called once by each holder of a share, until the service is open. Hand the shares\nto different people, then delete the files.\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
