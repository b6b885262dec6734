package admincli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

// pageSize is how many items are asked for at once.
const pageSize = 500

// run is one command while it runs.
type run struct {
	config     Config
	operation  operation
	context    *string
	format     *cli.Output
	limit      int
	secretFile string
	values     values
}

func (r *run) addFlags(cmd *cobra.Command) {
	if r.operation.answer == answerList {
		cmd.Flags().IntVar(&r.limit, "limit", 0, "show at most so many (default all)")
	}
	if r.operation.answer == answerSecret {
		cmd.Flags().StringVar(&r.secretFile, "secret-file", "", "write the secret into this new file, mode 0600, instead of showing it")
		_ = cmd.MarkFlagFilename("secret-file") // fails only for a flag that the command lacks
	}
	r.values.add(cmd, r.operation.fields)
}

// do implements the command.
func (r *run) do(cmd *cobra.Command, args []string) error {
	o := r.operation
	if r.limit < 0 {
		return cli.Usage("--limit must be 1 or more")
	}
	c, err := r.config.connect(*r.context)
	if err != nil {
		return err
	}
	defer c.http.CloseIdleConnections()
	body, query, err := r.values.read(cmd, o.fields, c)
	if err != nil {
		return err
	}
	path := o.path
	if o.object != "" {
		id, err := c.find(cmd.Context(), o.lookup, args[0])
		if err != nil {
			return err
		}
		path = strings.Replace(path, "{id}", url.PathEscape(id), 1)
	}
	if r.secretFile != "" {
		return r.intoFile(cmd, c, path, body)
	}
	switch {
	case o.answer == answerList:
		return r.list(cmd, c, path, query)
	case o.method == http.MethodPatch:
		return r.patch(cmd, c, path, body)
	case o.method == http.MethodPost && len(o.fields) > 0:
		return r.send(cmd, c, path, body)
	}
	return r.send(cmd, c, path, nil)
}

// send makes the request and shows the answer. body is nil for none.
func (r *run) send(cmd *cobra.Command, c *client, path string, body map[string]any, header ...string) error {
	got, err := c.call(cmd.Context(), r.operation.method, path, nil, content(body), header...)
	if err != nil {
		return err
	}
	return r.show(cmd, got.body)
}

// content is nil, not a nil map, for no body.
func content(body map[string]any) any {
	if body == nil {
		return nil
	}
	return body
}

// patch changes what there is now; what somebody else changes meanwhile is not overwritten.
func (r *run) patch(cmd *cobra.Command, c *client, path string, body map[string]any) error {
	if len(body) == 0 {
		return cli.Usage("say what to change")
	}
	now, err := c.call(cmd.Context(), http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	return r.send(cmd, c, path, body, "If-Match", now.etag)
}

// show prints the answer's object.
func (r *run) show(cmd *cobra.Command, body []byte) error {
	if r.operation.answer == answerNone || len(body) == 0 {
		return nil
	}
	object, err := decode[map[string]any](body)
	if err != nil {
		return err
	}
	if *r.format == cli.OutputJSON || r.operation.columns == nil {
		form := cli.OutputJSON
		return form.Write(cmd.OutOrStdout(), object, nil)
	}
	columns := r.operation.columns
	if r.operation.answer == answerSecret {
		columns = append(append([]string{}, columns...), r.operation.secret)
	}
	var rows [][]string
	for _, column := range columns {
		if text := show(member(object, column)); text != "" {
			rows = append(rows, []string{label(column), text})
		}
	}
	return r.format.Write(cmd.OutOrStdout(), nil, rows)
}

// intoFile makes the request with the file for the secret at hand, so that no secret is made that has no place.
func (r *run) intoFile(cmd *cobra.Command, c *client, path string, body map[string]any) (err error) {
	file, err := os.OpenFile(r.secretFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("--secret-file: %w", err)
	}
	written := false
	defer func() {
		err = errors.Join(err, file.Close())
		if !written {
			err = errors.Join(err, os.Remove(r.secretFile))
		}
	}()
	got, err := c.call(cmd.Context(), r.operation.method, path, nil, content(body))
	if err != nil {
		return err
	}
	object, err := decode[map[string]any](got.body)
	if err != nil {
		return err
	}
	secret, _ := object[r.operation.secret].(string)
	if _, err := file.WriteString(secret + "\n"); err != nil {
		return err
	}
	written = true
	delete(object, r.operation.secret)
	rest, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), r.show(cmd, rest))
}

// list follows the pages.
func (r *run) list(cmd *cobra.Command, c *client, path string, query url.Values) error {
	items := []map[string]any{} // an empty list is [] in JSON
	err := c.pages(cmd.Context(), path, query, r.limit, func(item map[string]any) bool {
		items = append(items, item)
		return len(items) != r.limit
	})
	if err != nil {
		return err
	}
	header := make([]string, len(r.operation.columns))
	for i, column := range r.operation.columns {
		header[i] = strings.ToUpper(label(column))
	}
	rows := [][]string{header}
	for _, item := range items {
		row := make([]string, len(header))
		for i, column := range r.operation.columns {
			row[i] = show(member(item, column))
		}
		rows = append(rows, row)
	}
	return r.format.Write(cmd.OutOrStdout(), map[string]any{"items": items}, rows)
}

// limitOf is the size of the first page.
func limitOf(limit int) string {
	if limit > 0 && limit < pageSize {
		return strconv.Itoa(limit)
	}
	return strconv.Itoa(pageSize)
}
