package kms

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// SetupCommands are the commands that work on files, not on a running service: init and credential. path is what stands before them on the
// command line.
func SetupCommands(path string) []*cobra.Command {
	return []*cobra.Command{initCommand(path), credentialCommand(path)}
}

func initCommand(path string) *cobra.Command {
	var s Setup
	var mode string
	cmd := &cobra.Command{
		Use:   "init --data DIR",
		Short: "Make a data directory for a real deployment",
		Long: `Init makes a data directory with everything that start needs: secrets, a realm with one
API token that may do everything, kms.yaml, and context.yaml for client commands on this
machine. With --unseal shamir it writes unseal shares instead of an unseal secret: hand
them to different people and delete the files.

What is there is never overwritten; a directory whose making was cut off is completed.`,
		Example: fmt.Sprintf(`  %[1]s init --data /var/lib/cryptoutil
  %[1]s init --data /var/lib/cryptoutil --unseal shamir --shares 5 --threshold 3
  %[1]s init --data /var/lib/cryptoutil \
    --postgres-url postgres://kms@db.example.net/kms --postgres-password-file /run/secrets/kms-db`, path),
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
		// What kms.yaml makes of the flags must be sound before anybody relies on it.
		if _, err := Load(config.Source{File: files.Config}, false); err != nil {
			return err
		}
		context, err := writeContext(files, defaultPublic, defaultAdmin)
		if err != nil {
			return err
		}
		return describeSetup(cmd.OutOrStdout(), path, files, context)
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
func writeContext(files Files, public, admin string) (string, error) {
	file := filepath.Join(filepath.Dir(files.Config), cli.ContextName)
	return file, cli.WriteContext(file, cli.Context{
		RootCertificate: config.Path(files.Root),
		Services:        map[string]cli.Endpoint{Product: files.Endpoint("https://"+public, "https://"+admin)},
	})
}

// Endpoint is the context's entry for a KMS of this data directory.
func (f Files) Endpoint(public, admin string) cli.Endpoint {
	return cli.Endpoint{URL: public, AdminURL: admin, Credential: fileReference(f.Credential), AdminToken: fileReference(f.AdminToken)}
}

func describeSetup(w io.Writer, path string, files Files, context string) error {
	text := fmt.Sprintf("configuration     %s\ncredential        %s\ncontext           %s\n", files.Config, files.Credential, context)
	for i, share := range files.Shares {
		text += fmt.Sprintf("unseal share %-4d %s\n", i+1, share)
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

func credentialCommand(path string) *cobra.Command {
	return commandTree(&cobra.Command{
		Use:   "credential",
		Short: "Add and remove callers in the realm file",
		Args:  cobra.NoArgs,
	}, credentialAdd(path), credentialRemove(path))
}

// credentialFlags name an entry of a realm.
type credentialFlags struct {
	config, kind, tenant, id string
}

func (f *credentialFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "configuration file (YAML) that names the realm")
	flags.StringVar(&f.kind, "kind", "token", "token (Bearer) or client (Basic)")
	flags.StringVar(&f.tenant, "tenant", DefaultTenant, "tenant that it belongs to")
	flags.StringVar(&f.id, "id", "", "its id, unique in the tenant: a-z, 0-9, dots, hyphens, underscores")
}

// open resolves the flags.
func (f *credentialFlags) open() (Config, credential.Kind, error) {
	kinds := map[string]credential.Kind{"token": credential.APIToken, "client": credential.ClientSecret}
	kind, known := kinds[f.kind]
	switch {
	case f.config == "":
		return Config{}, "", cli.Usage("name the configuration with --config FILE")
	case f.id == "":
		return Config{}, "", cli.Usage("name the caller with --id ID")
	case !known:
		return Config{}, "", cli.Usage("--kind is token or client")
	}
	cfg, err := Load(config.Source{File: f.config}, isDev(f.config))
	return cfg, kind, err
}

func credentialAdd(path string) *cobra.Command {
	var f credentialFlags
	var name string
	var scopes []string
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use:   "add --config FILE --id ID --scopes SCOPE,...",
		Short: "Add a caller and print its credential, once",
		Long: `Add writes an API token or a client into the realm file and prints its credential. Only a
hash is kept: a lost credential is replaced, not recovered. A running service knows the
new caller within a second.

Scopes: kms:read, kms:write, kms:encrypt, kms:decrypt, kms:sign, kms:verify, and
kms:admin, which allows everything.`,
		Example: fmt.Sprintf(`  %[1]s credential add --config kms.yaml --id ci --scopes kms:encrypt --expires-in 2160h
  %[1]s credential add --config kms.yaml --kind client --id billing --scopes kms:sign`, path),
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().StringVar(&name, "name", "", "a name for people")
	cmd.Flags().StringSliceVar(&scopes, "scopes", nil, "what it may do")
	cmd.Flags().DurationVar(&lifetime, "expires-in", 0, "how long it works, such as 2160h; 0 is for ever")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, kind, err := f.open()
		if err != nil {
			return err
		}
		if len(scopes) == 0 {
			return cli.Usage("say what it may do with --scopes")
		}
		for _, scope := range scopes {
			if known := knownScopes(); !slices.Contains(known, scope) {
				return cli.Usage("--scopes: there is no scope %q; there are %s", scope, strings.Join(known, ", "))
			}
		}
		if lifetime < 0 {
			return cli.Usage("--expires-in is not negative")
		}
		hashes, err := OpenHashes(cfg)
		if err != nil {
			return err
		}
		ask := auth.NewEntry{Kind: kind, Tenant: f.tenant, ID: f.id, Name: name, Scopes: scopes}
		if lifetime > 0 {
			ask.ExpiresAt = time.Now().Add(lifetime).UTC().Truncate(time.Second)
		}
		made, err := auth.Add(cfg.Realm.File.String(), hashes, ask)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), made.Text())
		return err
	}
	return cmd
}

// knownScopes are the scopes that mean something to the KMS.
func knownScopes() []string {
	scopes := []string{keyring.ScopeAdmin}
	for _, op := range []keyring.Operation{
		keyring.OpRead, keyring.OpCreate, keyring.OpEncrypt, keyring.OpDecrypt, keyring.OpSign, keyring.OpVerify,
	} {
		scopes = append(scopes, op.Scope())
	}
	return scopes
}

func credentialRemove(path string) *cobra.Command {
	var f credentialFlags
	cmd := &cobra.Command{
		Use:   "remove --config FILE --id ID",
		Short: "Remove a caller",
		Long:  "Remove takes an API token or a client out of the realm file. A running service refuses it within\na second.",
		Example: fmt.Sprintf("  %[1]s credential remove --config kms.yaml --id ci\n"+
			"  %[1]s credential remove --config kms.yaml --kind client --id billing", path),
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.RunE = func(_ *cobra.Command, _ []string) error {
		cfg, kind, err := f.open()
		if err != nil {
			return err
		}
		hashes, err := OpenHashes(cfg)
		if err != nil {
			return err
		}
		err = auth.Remove(cfg.Realm.File.String(), hashes, kind, f.tenant, f.id)
		if errors.Is(err, auth.ErrAbsent) {
			return fmt.Errorf("%w; --kind and --tenant are part of its name", err)
		}
		return err
	}
	return cmd
}
