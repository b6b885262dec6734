package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/envelope"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

const (
	// maxMessage is the longest compact JWE or JWS that the service takes.
	maxMessage = 128 << 10
	// minChunk is the fewest bytes that follow the header line of an encrypted file: a
	// nonce and a tag.
	minChunk = 12 + 16
)

var errNoMessage = errors.New("the input is neither a message nor a file that encrypt made")

func (c *commands) decrypt() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "decrypt",
		Short: "Decrypt what encrypt made",
		Long: `Decrypt decrypts a message or file, or standard input, and sees by itself which of
the two it is. The key is the one that the input names, unless --key requires one.

With --out the file appears, readable by you alone, only when all of the input
proved to be whole and unaltered. Standard output receives each part once that part
proved so: WHEN DECRYPT FAILS, THROW AWAY WHAT IT WROTE THERE. Its exit status is
then not 0, which a pipe hides unless the shell has "set -o pipefail".`,
		Example: `  kms-server decrypt --in salaries.enc --out salaries.csv
  kms-server decrypt --in folder.tar.enc | tar -x
  kms-server decrypt --key payroll --in message.jwe --encryption-context record=4711`,
		Args: cobra.NoArgs,
	}
	var (
		key   = cmd.Flags().String("key", "", "name or id of the key that must have been used (default the one the input names)")
		in    = cmd.Flags().String("in", "", "file to decrypt (default standard input)")
		out   = cmd.Flags().String("out", "", "file to write (default standard output)")
		pairs = cmd.Flags().StringArray(contextFlag, nil, "NAME=VALUE given at encryption; may be given many times")
	)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		additional, err := parseContext(*pairs)
		if err != nil {
			return err
		}
		ciphertext, err := clientcli.OpenSource(cmd, *in)
		if err != nil {
			return err
		}
		defer ciphertext.Close()
		shown := c.terminal.Progress(cmd, ciphertext, "decrypting")
		defer shown.End()

		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				d := decryption{kms: kms, key: *key, additional: additional}
				return d.run(cmd.Context(), to, shown)
			})
		})
	}
	return cmd
}

// decryption is what decrypting one input needs.
type decryption struct {
	kms        *client.KMS
	key        string // "" means the one that the message names
	additional map[string]string
}

// run decrypts a message or an encrypted file.
func (d decryption) run(ctx context.Context, to io.Writer, from io.Reader) error {
	message, whole, err := recognize(from)
	if err != nil {
		return err
	}
	if whole == nil {
		return d.message(ctx, to, message)
	}
	return envelope.Decrypt(ctx, to, whole, d.unwrap)
}

// recognize tells a message, which is one line, from an encrypted file, whose first line chunks follow. whole is the file from its beginning, nil
// for a message.
func recognize(from io.Reader) (message string, whole io.Reader, err error) {
	input := bufio.NewReaderSize(from, maxMessage+1)
	first, err := input.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", nil, errNoMessage
	case err != nil && !errors.Is(err, io.EOF):
		return "", nil, err
	}
	line := string(first) // the next read overwrites first
	message = strings.TrimRight(line, "\r\n")
	if _, err := parseHeader(message); err != nil {
		return "", nil, err
	}
	rest, err := input.Peek(minChunk)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", nil, err
	}
	if len(rest) < minChunk && len(bytes.TrimSpace(rest)) == 0 {
		return message, nil, nil
	}
	return message, io.MultiReader(strings.NewReader(line), input), nil
}

func (d decryption) message(ctx context.Context, to io.Writer, message string) error {
	plaintext, err := d.open(ctx, message, d.additional)
	if err != nil {
		if d.isHeaderLine(ctx, message, err) {
			return envelope.ErrTruncated
		}
		return err
	}
	_, err = to.Write(plaintext)
	return err
}

// isHeaderLine says whether a message that does not decrypt is all that is left of
// an encrypted file.
func (d decryption) isHeaderLine(ctx context.Context, message string, failure error) bool {
	var problem *client.Problem
	if !errors.As(failure, &problem) || problem.Code != "decryption_failed" {
		return false
	}
	err := envelope.Decrypt(ctx, io.Discard, strings.NewReader(message+"\n"), d.unwrap)
	return errors.Is(err, envelope.ErrTruncated)
}

func (d decryption) unwrap(ctx context.Context, header string, fixed map[string]string) ([]byte, error) {
	return d.open(ctx, header, merged(d.additional, fixed))
}

func (d decryption) open(ctx context.Context, message string, additional map[string]string) ([]byte, error) {
	key := d.key
	if key == "" {
		var err error
		if key, err = keyOf(message); err != nil {
			return nil, err
		}
	}
	return d.kms.Decrypt(ctx, key, message, additional)
}

// header is what the client reads of a protected header, to find the key. Nothing of
// it is trusted: the service checks the message.
type header struct {
	KeyID string `json:"kid"`
}

// parseHeader reads the header of a compact JWE.
func parseHeader(message string) (header, error) {
	parts := strings.Split(message, ".")
	if len(parts) != 5 {
		return header{}, errNoMessage
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return header{}, errNoMessage
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return header{}, errNoMessage
	}
	return h, nil
}

// keyOf returns the id of the key that a message names in its header.
func keyOf(message string) (string, error) {
	header, err := parseHeader(message)
	if err != nil {
		return "", err
	}
	dot := strings.LastIndexByte(header.KeyID, '.') // {elastic-id}.{version}
	if dot < 1 {
		return "", errors.New("the message does not name its key: add --key")
	}
	return header.KeyID[:dot], nil
}
