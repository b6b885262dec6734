package admincli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// export is the command that writes the audit trail into a file.
func (c Config) export() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export --output FILE",
		Short: "Write the audit trail into a file that can be checked offline",
		Long: `Export writes the events of your tenant with their checkpoints as JSON lines, all of them or a
part, which is widened to checkpoints. The public keys that verify it go beside it, into
FILE.keys.json; keep copies of them elsewhere, because whoever can change the export can
change what is beside it. Then check it, with no service at hand:

  ` + c.Path + ` audit verify FILE`,
		Example: fmt.Sprintf("  %[1]s audit export --output trail.jsonl\n  %[1]s audit export --since 720h --output month.jsonl", c.Path),
		Args:    cobra.NoArgs,
	}
	contextFile := cli.AddContextFlag(cmd)
	output := cmd.Flags().String("output", "", "file to write, which must not exist; - is standard output, without the keys")
	_ = errors.Join(cmd.MarkFlagRequired("output"), cmd.MarkFlagFilename("output")) // fails only for a flag that the command lacks
	from := cmd.Flags().Int64("from", 0, "first number")
	to := cmd.Flags().Int64("to", 0, "last number")
	since := cmd.Flags().String("since", "", "from this time on: RFC 3339, or a duration ago such as 24h")
	until := cmd.Flags().String("until", "", "before this time")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query := url.Values{}
		for name, number := range map[string]int64{"from": *from, "to": *to} {
			if cmd.Flags().Changed(name) {
				query.Set(name, strconv.FormatInt(number, 10))
			}
		}
		for name, text := range map[string]string{"since": *since, "until": *until} {
			if text == "" {
				continue
			}
			at, err := moment(field{flag: name, query: true}, text, time.Now())
			if err != nil {
				return err
			}
			query.Set(name, fmt.Sprint(at))
		}
		client, err := c.connect(*contextFile)
		if err != nil {
			return err
		}
		defer client.http.CloseIdleConnections()
		if *output == "-" {
			return client.export(cmd, query, cmd.OutOrStdout())
		}
		return client.exportFiles(cmd, query, *output)
	}
	return cmd
}

// exportFiles writes the export and the keys beside it, both or none.
func (c *client) exportFiles(cmd *cobra.Command, query url.Values, name string) error {
	keys, err := c.call(cmd.Context(), http.MethodGet, "/audit/checkpoint-key", nil, nil)
	if err != nil {
		return err
	}
	keyFile := name + cli.AuditKeysSuffix
	err = create(name, func(w io.Writer) error {
		return create(keyFile, func(beside io.Writer) error {
			if _, err := beside.Write(append(keys.body, '\n')); err != nil {
				return err
			}
			return c.export(cmd, query, w)
		})
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "export           %s\ncheckpoint keys  %s\n", name, keyFile)
	return err
}

// create writes a new file of mode 0600; one that could not be written whole is removed.
func create(name string, write func(io.Writer) error) (err error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(file), file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// export copies the answer, of any size, as it comes.
func (c *client) export(cmd *cobra.Command, query url.Values, w io.Writer) error {
	response, err := c.send(cmd.Context(), http.MethodGet, "/audit/export", query, nil, nil)
	if err != nil {
		return c.explain(err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		if err != nil {
			return c.explain(err)
		}
		_, err = refusal(response, text)
		return err
	}
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("the export broke off: %w", err)
	}
	return nil
}
