package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/envelope"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func (c *commands) reencrypt() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reencrypt",
		Short: "Encrypt anew what encrypt made, under the newest version or another key",
		Long: `Reencrypt takes what encrypt made, from a file or standard input, and writes it encrypted
under the primary version of the same key, or of the one that --to names. After it, an old
version or key is not needed for it any more.

A message, up to 64 KiB, is reencrypted in the service: its plaintext does not leave. An
encrypted file is decrypted and encrypted again here, as a stream, which takes the scopes of
both and never writes plaintext to disk.

With --out the file appears, or the old one is replaced, only when all of the input proved to
be whole. What went to standard output before an error must be thrown away.`,
		Example: `  kms-server reencrypt --in salaries.enc --out salaries.enc
  kms-server reencrypt --in salaries.enc --to archive --out salaries.archived
  kms-server reencrypt --in a.jwe --encryption-context record=47 --new-encryption-context ""`,
		Args: cobra.NoArgs,
	}
	var (
		job   reencryption
		in    = cmd.Flags().String("in", "", "file to encrypt anew (default standard input)")
		out   = cmd.Flags().String("out", "", "file to write, which may be the same (default standard output)")
		pairs = cmd.Flags().StringArray(contextFlag, nil, "NAME=VALUE given at encryption; may be given many times")
		after = cmd.Flags().StringArray("new-"+contextFlag, nil, "NAME=VALUE that decryption must repeat from now on, may be given many times; \"\" for none (default the same)")
	)
	cmd.Flags().StringVar(&job.from, "key", "", "name or id of the key that must have been used (default the one the input names)")
	cmd.Flags().StringVar(&job.to, "to", "", "name or id of the key to encrypt to (default the same key)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if job.before, err = parseContext(*pairs); err != nil {
			return err
		}
		job.after = job.before
		if cmd.Flags().Changed("new-" + contextFlag) {
			if job.after, err = parseContext(notEmpty(*after)); err != nil {
				return err
			}
			job.other = true
		}
		sealed, err := clientcli.OpenSource(cmd, *in)
		if err != nil {
			return err
		}
		defer sealed.Close()
		shown := c.terminal.Progress(cmd, sealed, "reencrypting")
		defer shown.End()
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error { return job.run(cmd.Context(), kms, to, shown) })
		})
	}
	return cmd
}

// notEmpty is a list without its empty texts.
func notEmpty(list []string) (kept []string) {
	for _, text := range list {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return kept
}

// reencryption is from which key to which, and what is bound to before and after.
type reencryption struct {
	from, to      string // names or ids; "" for the one that the input names, and for the same
	before, after map[string]string
	other         bool // after is another context than before
}

func (r reencryption) run(ctx context.Context, kms *client.KMS, to *clientcli.Destination, from io.Reader) error {
	message, file, err := recognize(from)
	if err != nil {
		return err
	}
	key := r.from
	if key == "" {
		if key, err = keyOf(message); err != nil {
			return err
		}
	}
	if file != nil {
		return r.file(ctx, kms, key, to, file)
	}
	request := client.ReencryptRequest{Ciphertext: message, Context: new(client.Context(r.before))}
	if r.to != "" {
		request.Target = &r.to
	}
	if r.other {
		request.NewContext = new(client.Context(r.after))
	}
	moved, err := kms.Reencrypt(ctx, key, request)
	if err != nil {
		return err
	}
	return cli.WriteLine(to, moved.Ciphertext)
}

// file passes an encrypted file through this process. Where the input proves not to be whole, the output is not completed either.
func (r reencryption) file(ctx context.Context, kms *client.KMS, key string, to *clientcli.Destination, from io.Reader) error {
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := envelope.Decrypt(ctx, writer, from, decryption{kms: kms, key: key, additional: r.before}.unwrap)
		_ = writer.CloseWithError(err) // never fails
		done <- err
	}()
	target := r.to
	if target == "" {
		target = key
	}
	err := encryptTo(ctx, kms, target, to, reader, r.after)
	_ = reader.CloseWithError(context.Canceled) // never fails
	if failed := <-done; failed != nil && err == nil {
		err = failed
	}
	return err
}
