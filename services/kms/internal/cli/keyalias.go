package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// keyAlias is the command that holds those about further names of keys.
func (c *commands) keyAlias() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alias",
		Short: "Give keys further names, move and remove them",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(c.aliasPut(), c.aliasGet(), c.aliasList(), c.aliasDelete())
	return cmd
}

func (c *commands) aliasPut() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "put ALIAS NAME|ID",
		Short: "Make an alias the name of a key",
		Long: `Put makes an alias a further name of a key. One that exists is moved: within a second,
everything that uses the alias uses the other key.`,
		Example: "  kms-server key alias put payroll-current payroll-2027",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 { //nolint:mnd // the two that the text names
				return cli.Usage("name the alias and the key: %s ALIAS NAME|ID", cmd.CommandPath())
			}
			return nil
		},
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			alias, err := kms.MoveAlias(cmd.Context(), args[0], args[1], updateAgain)
			if noAlias(kms, cmd, args[0], err) {
				alias, err = kms.CreateAlias(cmd.Context(), args[0], args[1])
			}
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), alias)
			}
			return cli.WriteLine(cmd.OutOrStdout(), cli.Printable("alias "+alias.Name+" is key "+alias.ElasticKeyID))
		})
	}
	return cmd
}

func (c *commands) aliasGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get ALIAS",
		Short:   "Show which key an alias names",
		Example: "  kms-server key alias get payroll-current",
		Args:    oneAlias,
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			alias, err := kms.GetAlias(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), alias)
			}
			return cli.WriteTable(cmd.OutOrStdout(), [][]string{{"Alias", alias.Name}, {"Key", alias.ElasticKeyID}, {"Created", alias.CreatedAt}, {"Moved", alias.UpdatedAt}})
		})
	}
	return cmd
}

// oneAlias is the argument of a command about an alias.
func oneAlias(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return cli.Usage("name one alias: %s ALIAS", cmd.CommandPath())
	}
	return nil
}

// noAlias says whether an alias could not be moved since it does not exist: the same code tells that its new key does not.
func noAlias(kms *client.KMS, cmd *cobra.Command, alias string, err error) bool {
	if !isNotFound(err) {
		return false
	}
	_, err = kms.GetAlias(cmd.Context(), alias)
	return isNotFound(err)
}

func isNotFound(err error) bool {
	var problem *client.Problem
	return errors.As(err, &problem) && problem.Code == "not_found"
}

func (c *commands) aliasList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list [NAME|ID]",
		Short:   "List the aliases of a key, or of all keys",
		Example: "  kms-server key alias list\n  kms-server key alias list payroll",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return clientcli.OneKey(cmd, args)
			}
			return nil
		},
	}
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkList(*format, *limit); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			key := ""
			if len(args) == 1 {
				key = args[0]
			}
			aliases, err := clientcli.Collect(kms.ListAliases(cmd.Context(), key), *limit)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), client.AliasPage{Items: aliases})
			}
			rows := [][]string{{"ALIAS", "KEY", "CREATED", "MOVED"}}
			for _, alias := range aliases {
				moved := ""
				if alias.UpdatedAt != alias.CreatedAt {
					moved = alias.UpdatedAt
				}
				rows = append(rows, []string{alias.Name, alias.ElasticKeyID, alias.CreatedAt, moved})
			}
			return cli.WriteTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

func (c *commands) aliasDelete() *cobra.Command {
	return &cobra.Command{
		Use:     "delete ALIAS",
		Short:   "Take an alias away; its key stays",
		Example: "  kms-server key alias delete payroll-current",
		Args:    oneAlias,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.call(cmd, func(kms *client.KMS) error {
				if err := kms.DeleteAlias(cmd.Context(), args[0]); err != nil {
					return err
				}
				return cli.WriteLine(cmd.OutOrStdout(), cli.Printable("alias "+args[0]+" is gone"))
			})
		},
	}
}
