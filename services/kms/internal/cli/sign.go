package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
	"github.com/cryptoutil/cryptoutil/services/kms/client/filesig"
)

func (c *commands) sign() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sign --key NAME|ID",
		Short: "Sign a file or standard input",
		Long: `Sign hashes a file of any size, or standard input, here, and signs the result.

Without --format the signature is one line of text: a compact JWS of type
cu-file+jws, whose payload states the SHA-512 digest and the size of the file.

The other formats are bare, binary signatures as other programs read them: der and
p1363 of ECDSA keys, raw of RSA, Ed25519 and HMAC keys. They take up to 64 KiB, or
with --digest, which Ed25519 and HMAC keys do not offer, a file of any size:

  kms-server sign --key releases --format der --digest --in app.tar --out app.tar.sig
  kms-server key public releases > releases.pem
  openssl dgst -sha256 -verify releases.pem -signature app.tar.sig app.tar`,
		Example: `  kms-server sign --key releases --in app.tar --out app.tar.jws`,
		Args:    cobra.NoArgs,
	}
	var (
		key    = cmd.Flags().String("key", "", "name or id of the key")
		in     = cmd.Flags().String("in", "", "file to sign (default standard input)")
		out    = cmd.Flags().String("out", "", "file to write (default standard output)")
		format = addSignatureFlags(cmd)
	)
	clientcli.Require(cmd, "key")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := format.check(); err != nil {
			return err
		}
		content, err := clientcli.OpenSource(cmd, *in)
		if err != nil {
			return err
		}
		defer content.Close()
		shown := c.terminal.Progress(cmd, content, "hashing")
		defer shown.End()

		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				if format.isFileSignature() {
					return signFile(cmd.Context(), kms, *key, to, shown)
				}
				return signBare(cmd.Context(), kms, *key, format, to, shown)
			})
		})
	}
	return cmd
}

// signFile writes a file signature.
func signFile(ctx context.Context, kms *client.KMS, key string, to io.Writer, from io.Reader) error {
	statement, err := filesig.Of(ctx, from)
	if err != nil {
		return err
	}
	signed, err := kms.Sign(ctx, key, client.SignRequest{
		Payload: client.EncodeBytes(statement.Payload()),
		Typ:     new(filesig.Type),
	})
	if err != nil {
		return err
	}
	return cli.WriteLine(to, signed.Signature)
}

// signBare writes a signature without wrapping.
func signBare(ctx context.Context, kms *client.KMS, key string, flags *signatureFlags, to io.Writer, from io.Reader) error {
	payload, input, err := flags.payload(ctx, kms, key, from)
	if err != nil {
		return err
	}
	signed, err := kms.Sign(ctx, key, client.SignRequest{
		Payload: client.EncodeBytes(payload),
		Input:   &input,
		Format:  new(client.SignatureFormat(*flags.format)),
	})
	if err != nil {
		return err
	}
	signature, err := client.DecodeBytes(signed.Signature)
	if err != nil {
		return fmt.Errorf("signature in the answer: %w", err)
	}
	_, err = to.Write(signature)
	return err
}
