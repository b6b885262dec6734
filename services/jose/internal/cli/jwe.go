package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// jwe is the command that holds those about encrypted messages.
func (c *commands) jwe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jwe",
		Short: "Encrypt and decrypt messages (RFC 7516)",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(c.jweEncrypt(), c.jweDecrypt())
	return cmd
}

func (c *commands) jweEncrypt() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "encrypt --key NAME|ID",
		Short: "Encrypt up to 64 KiB",
		Long: `Encrypt writes a JWE of a file or standard input to the active version of a key, or of several,
any of which then opens it; their keys have the same content encryption. It is one line of
text, in compact serialization unless it has several recipients or --aad, or --serialization
says otherwise.

--aad names a file with additional data, which is not secret and that nobody can change: the
message carries it in the clear.`,
		Example: `  jose-server jwe encrypt --key letters --in letter.txt --out letter.jwe
  jose-server jwe encrypt --key ada --key bob --aad envelope.json --in letter.txt
  tar -c folder | gzip | jose-server jwe encrypt --key letters --cty application/gzip`,
		Args: clientcli.NoArguments,
	}
	var (
		message = addHeaderFlags(cmd, "recipients")
		in      = cmd.Flags().String("in", "", "file to encrypt (default standard input)")
		out     = cmd.Flags().String("out", "", "file to write (default standard output)")
		aad     = cmd.Flags().String("aad", "", "file with additional data that the message carries in the clear")
		output  = cli.AddOutputFlag(cmd)
	)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ask, err := message.encrypt(cmd, *in, *aad)
		if err != nil {
			return err
		}
		if ask.Plaintext, err = readPayload(cmd, *in); err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				made, err := jose.Encrypt(cmd.Context(), ask)
				if err != nil {
					return err
				}
				return writeText(to, *output, made.Message, made)
			})
		})
	}
	return cmd
}

// encrypt is a request without its plaintext.
func (f *headerFlags) encrypt(cmd *cobra.Command, in, aad string) (ask client.EncryptRequest, err error) {
	if ask.Header, ask.Unprotected, err = f.members(cmd, standard(in), aad); err != nil {
		return ask, err
	}
	ask.Serialization, ask.Typ, ask.Cty = given(client.Serialization(f.serialization)), given(f.typ), given(f.cty)
	if aad != "" {
		additional, err := readPayload(cmd, aad)
		if err != nil {
			return ask, err
		}
		ask.Aad = &additional
	}
	if len(f.keys) == 1 {
		ask.Key = &f.keys[0]
		return ask, nil
	}
	recipients := make([]client.Recipient, len(f.keys))
	for n, key := range f.keys {
		recipients[n] = client.Recipient{Key: key}
	}
	ask.Recipients = &recipients
	return ask, nil
}

func (c *commands) jweDecrypt() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "decrypt",
		Short: "Decrypt a message",
		Long: `Decrypt opens a JWE for whichever recipient is one of your tenant's keys, or for the --key that
is required, and writes the plaintext. With --out it is a file that you alone can read. If the
message does not open, nothing is written and the exit status is 1.`,
		Example: `  jose-server jwe decrypt --in letter.jwe --out letter.txt
  jose-server jwe decrypt --in folder.jwe | tar -xz
  jose-server jwe decrypt --in letter.jwe --key bob --aad-out envelope.json --out letter.txt`,
		Args: clientcli.NoArguments,
	}
	var (
		key = cmd.Flags().String("key", "", "name or id of the key (default whichever fits)")
		in  = cmd.Flags().String("in", "", "file with the message (default standard input)")
		out = cmd.Flags().String("out", "", "file for the plaintext (default standard output)")
		aad = cmd.Flags().String("aad-out", "", "file for the additional data that the message carries")
	)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		message, err := readText(cmd, *in, maxMessage, "message")
		if err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			return c.terminal.ProduceAll(cmd, func(to []*clientcli.Destination) error {
				plaintext, opened, err := jose.Decrypt(cmd.Context(), *key, message)
				if err != nil {
					return err
				}
				defer clear(plaintext)
				if to[1] != nil {
					additional, err := client.DecodeBytes(clientcli.TextOf(opened.Aad))
					if err != nil {
						return fmt.Errorf("additional data in the answer: %w", err)
					}
					if _, err := to[1].Write(additional); err != nil {
						return err
					}
				}
				_, err = to[0].Write(plaintext)
				return err
			}, clientcli.Output{Flag: "out", Path: *out}, clientcli.Output{Flag: "aad-out", Path: *aad})
		})
	}
	return cmd
}
