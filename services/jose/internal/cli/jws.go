package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// jws is the command that holds those about signed messages.
func (c *commands) jws() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jws",
		Short: "Sign and verify messages (RFC 7515)",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(c.jwsSign(), c.jwsVerify())
	return cmd
}

func (c *commands) jwsSign() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sign --key NAME|ID",
		Short: "Sign up to 64 KiB",
		Long: `Sign writes a JWS of a file or standard input by the active version of a key. It is one line of
text, in compact serialization unless several keys sign, a header is unprotected, or
--serialization says otherwise.

--detached leaves the payload out: it travels beside the message, and "jws verify" takes it as
--payload. --unencoded signs it as it stands, without base64url (RFC 7797).`,
		Example: `  jose-server jws sign --key tokens --in order.json --out order.jws
  jose-server jws sign --key tokens --detached --in order.json --out order.sig
  jose-server jws sign --key tokens --key partner --serialization general --in order.json`,
		Args: clientcli.NoArguments,
	}
	var (
		message   = addHeaderFlags(cmd, "signatures")
		in        = cmd.Flags().String("in", "", "file to sign (default standard input)")
		out       = cmd.Flags().String("out", "", "file to write (default standard output)")
		detached  = cmd.Flags().Bool("detached", false, "leave the payload out of the message")
		unencoded = cmd.Flags().Bool("unencoded", false, "sign the payload as it stands (b64: false)")
		chain     = cmd.Flags().Bool("certificate-chain", false, "put the certificates of the key into the header (x5c)")
		output    = cli.AddOutputFlag(cmd)
	)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ask, err := message.sign(cmd, *in)
		if err != nil {
			return err
		}
		ask.Detached, ask.Unencoded = given(*detached), given(*unencoded)
		chained(&ask, *chain)
		if ask.Payload, err = readPayload(cmd, *in); err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				made, err := jose.Sign(cmd.Context(), ask)
				if err != nil {
					return err
				}
				return writeText(to, *output, made.Message, made)
			})
		})
	}
	return cmd
}

// chained has every signer of a request put his certificates into the header.
func chained(ask *client.SignRequest, chain bool) {
	if ask.Signers == nil {
		ask.CertificateChain = given(chain)
		return
	}
	for n := range *ask.Signers {
		(*ask.Signers)[n].CertificateChain = given(chain)
	}
}

// sign is a request without its payload.
func (f *headerFlags) sign(cmd *cobra.Command, in string) (ask client.SignRequest, err error) {
	header, unprotected, err := f.members(cmd, standard(in))
	if err != nil {
		return ask, err
	}
	ask.Serialization = given(client.Serialization(f.serialization))
	if len(f.keys) == 1 {
		ask.Key, ask.Typ, ask.Cty, ask.Header, ask.Unprotected = &f.keys[0], given(f.typ), given(f.cty), header, unprotected
		return ask, nil
	}
	signers := make([]client.Signer, len(f.keys))
	for n, key := range f.keys {
		signers[n] = client.Signer{Key: key, Typ: given(f.typ), Cty: given(f.cty), Header: header, Unprotected: unprotected}
	}
	ask.Signers = &signers
	return ask, nil
}
