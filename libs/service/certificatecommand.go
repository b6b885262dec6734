package service

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

func (c setupCommands) credentialCertificate() *cobra.Command {
	var config, tenant, id string
	var may rightsFlags
	cmd := &cobra.Command{
		Use:   "certificate --config FILE",
		Short: "Issue a client certificate for a program that administers",
		Long: `Certificate issues a client certificate from the private hierarchy of the data directory, for
a year, and has it stand for a client of the realm file: a new one with the rights that
--role and --scopes give, or the one of that id, whose certificate before stops working. The
files DIR/credentials/ID.pem and ID.key are written anew.

Sensitive operations want a credential that is bound to its sender: a client certificate is.
Name the files in the context file as client_certificate and client_key, and the listener for
client certificates (mtls.address of the configuration) as mtls_url.`,
		Example: fmt.Sprintf(`  %[1]s credential certificate --config %[2]s.yaml
  %[1]s credential certificate --config %[2]s.yaml --id billing --role operator`, c.path, c.Product),
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration file (YAML) that names the realm")
	cmd.Flags().StringVar(&tenant, "tenant", DefaultTenant, "tenant that the client belongs to")
	cmd.Flags().StringVar(&id, "id", firstClient, "the client's id")
	may.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if config == "" {
			return cli.Usage("name the configuration with --config FILE")
		}
		if len(may.scopes) == 0 && len(may.roles) == 0 {
			may.roles = Setup{Tenant: tenant}.everything()
		}
		if err := may.check(c); err != nil {
			return err
		}
		cfg, err := c.load(config)
		if err != nil {
			return err
		}
		hashes, err := OpenHashes(cfg)
		if err != nil {
			return err
		}
		issue := tlsconfig.Options{Dir: cfg.tlsDir(), Dev: cfg.Secrets.Dev}
		client := auth.NewEntry{Tenant: tenant, ID: id, Scopes: may.scopes, Roles: may.roles, Operator: may.operator}
		dir, err := filepath.Abs(cfg.DataDir.String())
		if err != nil {
			return err
		}
		if err := enrollClient(dir, cfg.Realm.File.String(), issue, fileHashes(hashes), client); err != nil {
			return err
		}
		certificate, key := clientFiles(dir, id)
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "client_certificate: %s\nclient_key: %s\n", certificate, fileReference(key))
		return err
	}
	return cmd
}
