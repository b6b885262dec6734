package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func (c *commands) keyList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List keys",
		Long: `List shows the keys of your tenant in order of creation, or of --sort; all of them unless
--limit says otherwise. Deleted keys are shown only with --status deleted.`,
		Example: `  kms-server key list
  kms-server key list --tag team=payroll --sort name
  kms-server key list --algorithm ES256 --status disabled --output json`,
		Args: cobra.NoArgs,
	}
	var filter client.KeyFilter
	cmd.Flags().StringVar(&filter.ID, "id", "", "only the key of this UUID")
	cmd.Flags().StringVar(&filter.Name, "name", "", "only the key of this name or alias")
	cmd.Flags().StringVar(&filter.Tag, "tag", "", "only keys with this tag: NAME or NAME=VALUE")
	versioning := cmd.Flags().Bool("versioning-allowed", false, "only keys that get further versions; =false for those that do not")
	importing := cmd.Flags().Bool("import-allowed", false, "only keys whose versions may be imported; =false for the others")
	cmd.Flags().StringVar((*string)(&filter.Sort), "sort", "", "order: id or name, or -id or -name for the other way round (default id)")
	cmd.Flags().StringVar(&filter.Algorithm, "algorithm", "", "only keys of this algorithm")
	cmd.Flags().StringVar((*string)(&filter.Status), "status", "", "only keys in this state, such as active")
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	format := addOutputFlag(cmd)
	clientcli.Complete(cmd, "sort", orders()...)
	clientcli.Complete(cmd, "status", states()...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkList(*format, *limit); err != nil {
			return err
		}
		if filter.Sort != "" {
			if err := clientcli.OneOf("sort", string(filter.Sort), orders()...); err != nil {
				return err
			}
		}
		if cmd.Flags().Changed("versioning-allowed") {
			filter.VersioningAllowed = versioning
		}
		if cmd.Flags().Changed("import-allowed") {
			filter.ImportAllowed = importing
		}
		return c.call(cmd, func(kms *client.KMS) error {
			keys, err := clientcli.Collect(kms.ListKeys(cmd.Context(), filter), *limit)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), client.ElasticKeyPage{Items: keys})
			}
			rows := [][]string{{"NAME", "ID", "ALGORITHM", "USE", "STATUS", "VERSION", "CREATED"}}
			for _, key := range keys {
				rows = append(rows, []string{
					key.Name, key.ID, algorithmText(key), string(key.Use), string(key.Status), clientcli.Decimal(key.PrimaryVersion), key.CreatedAt,
				})
			}
			return cli.WriteTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

func orders() []string {
	return []string{
		string(client.ListElasticKeysParamsSortID), string(client.ListElasticKeysParamsSortMinusID),
		string(client.ListElasticKeysParamsSortName), string(client.ListElasticKeysParamsSortMinusName),
	}
}

// states are those of keys.
func states() []string {
	return []string{
		string(client.ElasticKeyStatusActive), string(client.ElasticKeyStatusDisabled), string(client.ElasticKeyStatusPendingDelete),
		string(client.ElasticKeyStatusDeleted), string(client.ElasticKeyStatusPendingImport), string(client.ElasticKeyStatusImportFailed),
		string(client.ElasticKeyStatusPendingGenerate), string(client.ElasticKeyStatusGenerateFailed), string(client.ElasticKeyStatusCreating),
	}
}

func checkList(format string, limit int) error {
	if err := clientcli.CheckLimit(limit); err != nil {
		return err
	}
	return clientcli.OneOf("output", format, outputTable, outputJSON)
}
