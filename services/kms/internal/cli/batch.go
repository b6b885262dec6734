package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

const (
	// maxItem is the longest line of a batch: the largest request that the service takes.
	maxItem = 8 << 20
	// maxHeld is how many bytes of items are read before they are sent.
	maxHeld = 8 << 20
)

func (c *commands) batch() *cobra.Command {
	names := []string{}
	for _, operation := range client.Operations() {
		names = append(names, string(operation))
	}
	cmd := &cobra.Command{
		Use:   "batch OPERATION [--key NAME|ID]",
		Short: "Perform an operation for every line of JSON",
		Long: `Batch reads items from a file or standard input, one JSON object on each line, performs the
operation for each, and writes one JSON object for each, in the same order. An item is a
body of the operation as the API has it, such as {"plaintext":"aGVsbG8"}; bytes are
base64url. A result has the "status" of the item, 200 if it is done, with what the
operation answers, or a "problem". Empty lines are passed over.

Items go to the service up to 1,000 at once, and any number of them takes no more memory. An
item that is wrong fails alone: all results are written, one line says how many failed, and the
exit status is 1.

The operations are encrypt, decrypt, reencrypt, sign, verify, mac, verify-mac,
generate-data-key, wrap, unwrap, generate, derive, encapsulate, decapsulate, and
generate-random, which takes no --key. Those that give out keys and secrets need --out, a file
that you alone can read, or - for standard output.`,
		Example: `  kms-server batch encrypt --key payroll --in plain.jsonl --out sealed.jsonl
  jq -c '{ciphertext}' sealed.jsonl | kms-server batch decrypt --key payroll --out plain.jsonl
  yes '{"bits":256}' | head -n 5000 |
    kms-server batch generate-data-key --key payroll --out keys.jsonl`,
		ValidArgs: names,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(names, args[0]) {
				return cli.Usage("name one operation: %s OPERATION; --help lists them", cmd.CommandPath())
			}
			return nil
		},
	}
	key := cmd.Flags().String("key", "", "name or id of the key")
	in := cmd.Flags().String("in", "", "file with the items (default standard input)")
	out := cmd.Flags().String("out", "", "file for the results (default standard output)")
	size := cmd.Flags().Int("size", client.MaxBatch, "items of one request, at most 1000; take few where each takes long, as RSA keys do")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		operation := client.Operation(args[0])
		switch random := operation == client.OpGenerateRandom; {
		case random && *key != "":
			return cli.Usage("%s takes no --key", operation)
		case !random && *key == "":
			return cli.Usage("--key is missing: name the key of the operation %s", operation)
		case *size < 1 || *size > client.MaxBatch:
			return cli.Usage("--size must be 1 to %d", client.MaxBatch)
		case *out == "" && slices.Contains(tellingSecrets(), operation):
			return cli.Usage("%s gives out keys or secrets: name a file with --out, or standard output with --out -", operation)
		}
		items, err := clientcli.OpenSource(cmd, *in)
		if err != nil {
			return err
		}
		defer items.Close()
		shown := c.terminal.Progress(cmd, items, "processing")
		defer shown.End()
		b := &batch{key: *key, operation: operation, size: *size}
		err = c.call(cmd, func(kms *client.KMS) error {
			b.kms = kms
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error { return b.run(cmd.Context(), to, shown) })
		})
		if err != nil {
			return err
		}
		return b.verdict()
	}
	return cmd
}

// tellingSecrets are the operations whose results must not stand on a screen by accident.
func tellingSecrets() []client.Operation {
	return []client.Operation{client.OpGenerateDataKey, client.OpUnwrap, client.OpDerive, client.OpEncapsulate, client.OpDecapsulate}
}

// batch is one run of the command.
type batch struct {
	kms       *client.KMS
	key       string
	operation client.Operation
	size      int

	lines        []int // numbers of the lines that are held
	items        []json.RawMessage
	held         int // bytes
	done, failed int
	firstLine    int // that failed
	first        string
}

// run reads, sends and writes.
func (b *batch) run(ctx context.Context, to io.Writer, from io.Reader) error {
	results := bufio.NewWriter(to)
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 64<<10), maxItem)
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if b.held+len(line) > maxHeld {
			if err := b.flush(ctx, results); err != nil {
				return err
			}
		}
		b.lines, b.items, b.held = append(b.lines, number), append(b.items, bytes.Clone(line)), b.held+len(line)
		if len(b.items) == b.size {
			if err := b.flush(ctx, results); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than 8 MiB: an item stands on one line", number+1)
	} else if err != nil {
		return fmt.Errorf("read items: %w", err)
	}
	return b.flush(ctx, results)
}

// flush sends what is held and writes the results.
func (b *batch) flush(ctx context.Context, to *bufio.Writer) error {
	if len(b.items) == 0 {
		return nil
	}
	results, err := b.kms.Batch(ctx, b.key, b.operation, b.items)
	if err != nil {
		return fmt.Errorf("the items from line %d on: %w", b.lines[0], err)
	}
	for n, result := range results {
		b.count(b.lines[n], result)
		if _, err := to.Write(append(result, '\n')); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		clear(result)
	}
	for _, item := range b.items {
		clear(item)
	}
	b.lines, b.items, b.held = b.lines[:0], b.items[:0], 0
	if err := to.Flush(); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// count notes what became of an item.
func (b *batch) count(line int, result json.RawMessage) {
	b.done++
	var verdict struct {
		Problem *client.Problem `json:"problem"`
	}
	if err := json.Unmarshal(result, &verdict); err == nil && verdict.Problem == nil {
		return
	}
	if b.failed++; b.failed > 1 {
		return
	}
	b.firstLine, b.first = line, "the result cannot be read"
	if verdict.Problem != nil {
		b.first = verdict.Problem.Error()
	}
}

// verdict is the error of a batch that items of which failed.
func (b *batch) verdict() error {
	if b.failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d items failed, the first on line %d: %s; the results say which and why", b.failed, b.done, b.firstLine, cli.Printable(b.first))
}
