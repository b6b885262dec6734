package cli

import (
	"bytes"
	"context"
	"io"
	"maps"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/envelope"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// contextFlag binds a message to names and values; plain "context" is the context file.
const contextFlag = "encryption-context"

func (c *commands) encrypt() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "encrypt --key NAME|ID",
		Short: "Encrypt a file or standard input",
		Long: `Encrypt encrypts a file, or standard input, under a key.

Up to 64 KiB become one line of text, a compact JWE. Anything larger is encrypted
here, as a stream, under a data key of its own, which alone goes to the service;
the result is binary. Decrypt takes both.

With --out the file appears, readable by you alone, only when it is complete. What
went to standard output before an error must be thrown away.`,
		Example: `  kms-server encrypt --key payroll --in salaries.csv --out salaries.enc
  tar -c folder | kms-server encrypt --key payroll --out folder.tar.enc
  echo hello | kms-server encrypt --key payroll --encryption-context record=4711`,
		Args: cobra.NoArgs,
	}
	var (
		key   = cmd.Flags().String("key", "", "name or id of the key")
		in    = cmd.Flags().String("in", "", "file to encrypt (default standard input)")
		out   = cmd.Flags().String("out", "", "file to write (default standard output)")
		pairs = cmd.Flags().StringArray(contextFlag, nil, "NAME=VALUE that decryption must repeat; may be given many times")
	)
	clientcli.Require(cmd, "key")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		additional, err := parseContext(*pairs)
		if err != nil {
			return err
		}
		plaintext, err := clientcli.OpenSource(cmd, *in)
		if err != nil {
			return err
		}
		defer plaintext.Close()
		shown := c.terminal.Progress(cmd, plaintext, "encrypting")
		defer shown.End()

		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				return encryptTo(cmd.Context(), kms, *key, to, shown, additional)
			})
		})
	}
	return cmd
}

// encryptTo writes a message line or an encrypted file, by the size of the plaintext.
func encryptTo(ctx context.Context, kms *client.KMS, key string, to *clientcli.Destination, from io.Reader, additional map[string]string) error {
	head, whole, err := clientcli.ReadUpTo(from, client.MaxInline)
	if err != nil {
		return err
	}
	if whole {
		message, err := kms.Encrypt(ctx, key, head, additional)
		if err != nil {
			return err
		}
		return cli.WriteLine(to, message)
	}
	if to.TextOnly() {
		return clientcli.ErrBinary
	}
	return envelope.Encrypt(ctx, to, io.MultiReader(bytes.NewReader(head), from),
		func(ctx context.Context, dataKey []byte, fixed map[string]string) (string, error) {
			return kms.Encrypt(ctx, key, dataKey, merged(additional, fixed))
		})
}

// parseContext reads NAME=VALUE pairs.
func parseContext(texts []string) (map[string]string, error) {
	additional, err := parsePairs("--"+contextFlag, texts)
	if err != nil {
		return nil, err
	}
	if _, reserved := additional[envelope.ContextName]; reserved {
		return nil, cli.Usage("--%s: the name %q is reserved for encrypted files", contextFlag, envelope.ContextName)
	}
	return additional, nil
}

// merged returns the user's context with what the file format adds.
func merged(additional, fixed map[string]string) map[string]string {
	all := maps.Clone(additional)
	maps.Copy(all, fixed)
	return all
}
