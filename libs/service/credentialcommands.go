package service

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

func (c setupCommands) credential() *cobra.Command {
	parent := &cobra.Command{
		Use:   "credential",
		Short: "Add and remove callers in the realm file",
		Args:  cobra.NoArgs,
	}
	parent.AddCommand(c.credentialAdd(), c.credentialRemove(), c.credentialCertificate())
	return parent
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
func (f *credentialFlags) open(c setupCommands) (*Config, credential.Kind, error) {
	kinds := map[string]credential.Kind{"token": credential.APIToken, "client": credential.ClientSecret}
	kind, known := kinds[f.kind]
	switch {
	case f.config == "":
		return nil, "", cli.Usage("name the configuration with --config FILE")
	case f.id == "":
		return nil, "", cli.Usage("name the caller with --id ID")
	case !known:
		return nil, "", cli.Usage("--kind is token or client")
	}
	cfg, err := c.load(f.config)
	return cfg, kind, err
}

func (c setupCommands) credentialAdd() *cobra.Command {
	var f credentialFlags
	var may rightsFlags
	var name string
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use:   "add --config FILE --id ID --scopes SCOPE,...",
		Short: "Add a caller and print its credential, once",
		Long: fmt.Sprintf(`Add writes an API token or a client into the realm file and prints its credential. Only a
hash is kept: a lost credential is replaced, not recovered. A running service knows the
new caller within a second.

%s`, c.explainRights()),
		Example: fmt.Sprintf(`  %[1]s credential add --config %[2]s.yaml --id ci --scopes %[3]s --expires-in 2160h
  %[1]s credential add --config %[2]s.yaml --kind client --id billing --scopes %[3]s`, c.path, c.Product, c.Use[0]),
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().StringVar(&name, "name", "", "a name for people")
	may.add(cmd)
	cmd.Flags().DurationVar(&lifetime, "expires-in", 0, "how long it works, such as 2160h; 0 is for ever")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, kind, err := f.open(c)
		if err != nil {
			return err
		}
		if err := may.check(c); err != nil {
			return err
		}
		if lifetime < 0 {
			return cli.Usage("--expires-in is not negative")
		}
		hashes, err := OpenHashes(cfg)
		if err != nil {
			return err
		}
		ask := auth.NewEntry{Kind: kind, Tenant: f.tenant, ID: f.id, Name: name, Scopes: may.scopes, Roles: may.roles, Operator: may.operator}
		if lifetime > 0 {
			ask.ExpiresAt = time.Now().Add(lifetime).UTC().Truncate(time.Second)
		}
		made, err := auth.Add(cfg.Realm.File.String(), hashes.Registry(secrethash.HighEntropyRandom), ask)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), made.Text())
		return err
	}
	return cmd
}

func (c setupCommands) credentialRemove() *cobra.Command {
	var f credentialFlags
	cmd := &cobra.Command{
		Use:   "remove --config FILE --id ID",
		Short: "Remove a caller",
		Long:  "Remove takes an API token or a client out of the realm file. A running service refuses it within\na second.",
		Example: fmt.Sprintf("  %[1]s credential remove --config %[2]s.yaml --id ci\n"+
			"  %[1]s credential remove --config %[2]s.yaml --kind client --id billing", c.path, c.Product),
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.RunE = func(_ *cobra.Command, _ []string) error {
		cfg, kind, err := f.open(c)
		if err != nil {
			return err
		}
		hashes, err := OpenHashes(cfg)
		if err != nil {
			return err
		}
		err = auth.Remove(cfg.Realm.File.String(), hashes.Registry(secrethash.HighEntropyRandom), kind, f.tenant, f.id)
		if errors.Is(err, auth.ErrAbsent) {
			return fmt.Errorf("%w; --kind and --tenant are part of its name", err)
		}
		return err
	}
	return cmd
}
