package cli

import (
	"iter"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func (c *commands) keyList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List keys",
		Long:    "List shows the keys of your tenant in order of creation, all of them unless --limit says otherwise.",
		Example: "  kms-server key list\n  kms-server key list --algorithm ES256 --output json",
		Args:    cobra.NoArgs,
	}
	var filter client.KeyFilter
	cmd.Flags().StringVar(&filter.Name, "name", "", "only the key of this name")
	cmd.Flags().StringVar(&filter.Algorithm, "algorithm", "", "only keys of this algorithm")
	cmd.Flags().StringVar((*string)(&filter.Status), "status", "", "only keys in this state, such as active")
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkList(*format, *limit); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			keys, err := collect(kms.ListKeys(cmd.Context(), filter), *limit)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return writeJSON(cmd.OutOrStdout(), client.ElasticKeyPage{Items: keys})
			}
			rows := [][]string{{"NAME", "ID", "ALGORITHM", "USE", "STATUS", "VERSION", "CREATED"}}
			for _, key := range keys {
				rows = append(rows, []string{
					key.Name, key.ID, algorithmText(key), string(key.Use), string(key.Status), decimal(key.PrimaryVersion), key.CreatedAt,
				})
			}
			return writeTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

func (c *commands) keyVersions() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "versions NAME|ID",
		Short:   "List the versions of a key, newest first",
		Example: "  kms-server key versions payroll",
		Args:    oneKey,
	}
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkList(*format, *limit); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			versions, err := collect(kms.ListVersions(cmd.Context(), args[0]), *limit)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return writeJSON(cmd.OutOrStdout(), client.MaterialKeyPage{Items: versions})
			}
			rows := [][]string{{"VERSION", "STATUS", "PRIMARY", "KID", "CREATED"}}
			for _, version := range versions {
				primary := ""
				if version.Primary {
					primary = "primary"
				}
				rows = append(rows, []string{decimal(version.Version), string(version.Status), primary, version.KID, version.CreatedAt})
			}
			return writeTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

func checkList(format string, limit int) error {
	if limit < 0 {
		return usage("--limit must be 1 or more")
	}
	return oneOf("output", format, outputTable, outputJSON)
}

// collect takes the first items of a list, all if limit is 0.
func collect[T any](list iter.Seq2[T, error], limit int) ([]T, error) {
	items := []T{} // an empty list is [] in JSON
	for item, err := range list {
		if err != nil {
			return nil, err
		}
		if items = append(items, item); len(items) == limit {
			break
		}
	}
	return items, nil
}
