package service

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// user is the command about people; those of the database are added to it by package admincli.
func (c setupCommands) user() *cobra.Command {
	parent := &cobra.Command{
		Use:   "user",
		Short: "Add and remove people",
		Args:  cobra.NoArgs,
	}
	parent.AddCommand(c.userAdd(), c.userRemove())
	return parent
}

func (c setupCommands) userAdd() *cobra.Command {
	var config, passwordFile string
	var u auth.User
	var may rightsFlags
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use:   "add --config FILE --id ID --role ROLE,...",
		Short: "Add a person to the realm file",
		Long: fmt.Sprintf(`Add writes a person into the realm file, which needs no database and no running service: an
operator who must always get in. A running service knows the person within a second. The
password is asked for without echo, or read from --password-file; it has at least 15
characters, and only its hash is kept.

%s`, c.explainRights()),
		Example: fmt.Sprintf(`  %[1]s user add --config %[2]s.yaml --id ada --role admin --operator
  %[1]s user add --config %[2]s.yaml --id ben --role user --password-file ben.txt`, c.path, c.Product),
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&config, "config", "", "configuration file (YAML) that names the realm")
	flags.StringVar(&u.Tenant, "tenant", DefaultTenant, "tenant that the person belongs to")
	flags.StringVar(&u.ID, "id", "", "what the person logs in with: a-z, 0-9, dots, hyphens, underscores")
	flags.StringVar(&u.Email, "email", "", "e-mail address, by which the person can log in too")
	flags.StringVar(&u.Name, "name", "", "a name for people")
	may.add(cmd)
	flags.DurationVar(&lifetime, "expires-in", 0, "how long it works, such as 2160h; 0 is for ever")
	cli.AddPasswordFlag(cmd, &passwordFile)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case config == "":
			return cli.Usage("name the configuration with --config FILE")
		case u.ID == "":
			return cli.Usage("name the person with --id ID")
		case lifetime < 0:
			return cli.Usage("--expires-in is not negative")
		}
		if err := may.check(c); err != nil {
			return err
		}
		cfg, hashes, err := c.realm(config)
		if err != nil {
			return err
		}
		password, err := cli.ReadPassword(cmd, passwordFile)
		if err != nil {
			return err
		}
		u.Scopes, u.Roles, u.Operator = may.scopes, may.roles, may.operator
		if lifetime > 0 {
			u.ExpiresAt = time.Now().Add(lifetime).UTC().Truncate(time.Second)
		}
		return auth.AddUser(cmd.Context(), cfg.Realm.File.String(), hashes, u, password)
	}
	return cmd
}

func (c setupCommands) userRemove() *cobra.Command {
	var config, tenant, id string
	cmd := &cobra.Command{
		Use:     "remove --config FILE --id ID",
		Short:   "Remove a person from the realm file",
		Long:    "Remove takes a person out of the realm file. A running service refuses the person within a second.",
		Example: fmt.Sprintf("  %s user remove --config %s.yaml --id ada", c.path, c.Product),
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration file (YAML) that names the realm")
	cmd.Flags().StringVar(&tenant, "tenant", DefaultTenant, "tenant that the person belongs to")
	cmd.Flags().StringVar(&id, "id", "", "what the person logs in with")
	cmd.RunE = func(_ *cobra.Command, _ []string) error {
		switch {
		case config == "":
			return cli.Usage("name the configuration with --config FILE")
		case id == "":
			return cli.Usage("name the person with --id ID")
		}
		cfg, hashes, err := c.realm(config)
		if err != nil {
			return err
		}
		err = auth.RemoveUser(cfg.Realm.File.String(), hashes, tenant, id)
		if errors.Is(err, auth.ErrAbsent) {
			return fmt.Errorf("%w; --tenant is part of its name, and people of the database are removed with user delete", err)
		}
		return err
	}
	return cmd
}

// realm loads a configuration and what its realm file is changed with.
func (c setupCommands) realm(file string) (*Config, auth.FileHashes, error) {
	cfg, err := c.load(file)
	if err != nil {
		return nil, auth.FileHashes{}, err
	}
	if cfg.Realm.File == "" {
		return nil, auth.FileHashes{}, errors.New("the configuration names no realm file (realm.file)")
	}
	hashes, err := OpenHashes(cfg)
	if err != nil {
		return nil, auth.FileHashes{}, err
	}
	return cfg, fileHashes(hashes), nil
}
