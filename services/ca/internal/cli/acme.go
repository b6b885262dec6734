package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/ca/client"
)

// acme is the command that holds those about automatic clients.
func (c *commands) acme() *cobra.Command {
	cmd := &cobra.Command{Use: "acme", Short: "Let ACME clients in, and take their accounts back", Args: cobra.NoArgs}
	key := &cobra.Command{Use: "key", Short: "Keys by which ACME clients get their account", Args: cobra.NoArgs}
	key.AddCommand(c.acmeKeyCreate(), c.acmeKeyList(), c.acmeKeyGet(), c.acmeKeyRevoke())
	account := &cobra.Command{Use: "account", Short: "Accounts of ACME clients", Args: cobra.NoArgs}
	account.AddCommand(c.acmeAccountRevoke())
	cmd.AddCommand(key, account)
	return cmd
}

func (c *commands) acmeKeyCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key for one account to come, and print it",
		Long: `Create makes a key that binds one ACME account, and prints its id and its secret, which clients
take as "kid" and "HMAC key". The secret is shown this once.`,
		Example: `  ca-server acme key create --label "web servers"
  ca-server acme key create --directory internal-tls --lifetime 24h --output json`,
		Args: cobra.NoArgs,
	}
	directory := cmd.Flags().String("directory", "", "the directory that it is for, which has a profile's name (default any)")
	label := cmd.Flags().String("label", "", "whose it is")
	lifetime := cmd.Flags().Duration("lifetime", 0, "how long it can be used, such as 24h (default for ever)")
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		spec := client.CreateExternalKey{Directory: given(*directory), Label: given(*label), LifetimeSeconds: given(int64(*lifetime / time.Second))}
		return c.call(cmd, func(ca *client.Authority) error {
			made, err := ca.CreateExternalKey(cmd.Context(), spec)
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), made, append(externalKeyRows(*made), []string{"HMAC key", of(made.Secret)}))
		})
	}
	return cmd
}

// externalKeyRows is a key as a table.
func externalKeyRows(k client.ExternalKey) [][]string {
	return [][]string{
		{"Kid", k.ID},
		{"Directory", clientcli.TextOf(k.Directory)},
		{"Label", clientcli.TextOf(k.Label)},
		{"Account", clientcli.TextOf(k.Account)},
		{"Expires", clientcli.TextOf(k.ExpiresAt)},
		{"Revoked", clientcli.TextOf(k.RevokedAt)},
		{"Created", k.CreatedAt},
	}
}

func (c *commands) acmeKeyList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List keys of ACME accounts", Example: "  ca-server acme key list", Args: cobra.NoArgs}
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.CheckLimit(*limit); err != nil {
			return err
		}
		return c.call(cmd, func(ca *client.Authority) error {
			found, err := clientcli.Collect(ca.ListExternalKeys(cmd.Context()), *limit)
			if err != nil {
				return err
			}
			rows := [][]string{{"KID", "DIRECTORY", "LABEL", "ACCOUNT", "EXPIRES", "REVOKED"}}
			for _, k := range found {
				rows = append(rows, []string{
					k.ID, clientcli.TextOf(k.Directory), clientcli.TextOf(k.Label), clientcli.TextOf(k.Account), clientcli.TextOf(k.ExpiresAt), clientcli.TextOf(k.RevokedAt),
				})
			}
			return output.Write(cmd.OutOrStdout(), client.ExternalKeyPage{Items: found}, rows)
		})
	}
	return cmd
}

func (c *commands) acmeKeyGet() *cobra.Command {
	cmd := &cobra.Command{
		Use: "get KID", Short: "Show a key of an ACME account", Example: "  ca-server acme key get 01a2003a-5f41-70be-92d2-7166860d601e", Args: clientcli.OneKey,
	}
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(ca *client.Authority) error {
			found, err := ca.GetExternalKey(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), found, externalKeyRows(*found))
		})
	}
	return cmd
}

func (c *commands) acmeKeyRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke KID", Short: "Make a key of an ACME account useless",
		Long:    `Revoke ends a key. An account that it has bound stays: see "acme account revoke".`,
		Example: "  ca-server acme key revoke 01a2003a-5f41-70be-92d2-7166860d601e", Args: clientcli.OneKey,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(ca *client.Authority) error { return ca.RevokeExternalKey(cmd.Context(), args[0]) })
	}
	return cmd
}

func (c *commands) acmeAccountRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "Take an ACME account away from its owner",
		Long:    "Revoke ends an account. Its certificates stay valid until they end, or are revoked.",
		Example: "  ca-server acme account revoke 01a2003a-5f41-70be-92d2-7166860d601e", Args: clientcli.OneKey,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(ca *client.Authority) error { return ca.RevokeAccount(cmd.Context(), args[0]) })
	}
	return cmd
}
