package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

func (c *commands) jwsVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify a signed message and write what it says",
		Long: `Verify checks a JWS and writes its payload, or says that the signature verifies where the
payload is given by --payload. The key is the one that the message names, unless --key requires
one. If the message does not verify, nothing is written and the exit status is 1.

Every signature must verify, unless --accept any, or --key, which says whose is meant. A
payload that was signed as it stands (RFC 7797) is refused unless --unencoded admits it, and so
is a header with certificates unless --certificate-chain does.`,
		Example: `  jose-server jws verify --in order.jws --out order.json
  jose-server jws verify --in order.sig --payload order.json --key tokens
  jose-server jws verify --in order.jws --output json`,
		Args: clientcli.NoArguments,
	}
	var (
		ask       client.VerifyRequest
		in        = cmd.Flags().String("in", "", "file with the message (default standard input)")
		payload   = cmd.Flags().String("payload", "", "file with the payload of a message that carries none")
		key       = cmd.Flags().String("key", "", "name or id of the key that must have signed (default the one that the message names)")
		typ       = cmd.Flags().String("typ", "", "the typ that the header must have")
		accept    = cmd.Flags().String("accept", "", "all or any of the signatures must verify (default all)")
		unencoded = cmd.Flags().Bool("unencoded", false, "admit a payload that was signed as it stands (b64: false)")
		chain     = cmd.Flags().Bool("certificate-chain", false, "admit headers with certificates (x5c), which must be of the key")
		out       = cmd.Flags().String("out", "", "file for the payload (default standard output)")
		output    = cli.AddOutputFlag(cmd)
	)
	acceptances := []string{string(client.VerifyRequestAcceptAll), string(client.VerifyRequestAcceptAny)}
	clientcli.Complete(cmd, "accept", acceptances...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if *accept != "" {
			if err := clientcli.OneOf("accept", *accept, acceptances...); err != nil {
				return err
			}
		}
		if err := oneStdin(standard(*in), *payload); err != nil {
			return err
		}
		ask.Key, ask.Typ, ask.Accept, ask.Unencoded = given(*key), given(*typ), given(client.VerifyRequestAccept(*accept)), given(*unencoded)
		ask.CertificateChain = given(*chain)
		if ask.Message, err = readText(cmd, *in, maxMessage, "message"); err != nil {
			return err
		}
		if *payload != "" {
			content, err := readPayload(cmd, *payload)
			if err != nil {
				return err
			}
			ask.Payload = &content
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				verified, err := jose.Verify(cmd.Context(), ask)
				if err != nil {
					return err
				}
				return writeVerified(to, *output, *payload != "", verified)
			})
		})
	}
	return cmd
}

// writeVerified writes the payload, unless the caller has it.
func writeVerified(to *clientcli.Destination, output cli.Output, detached bool, verified *client.Verified) error {
	switch {
	case output == cli.OutputJSON:
		return cli.WriteJSON(to, verified)
	case detached:
		return cli.WriteLine(to, cli.Printable(fmt.Sprintf("the signature verifies: key %s, version %d", verified.KeyID, verified.Version)))
	}
	payload, err := client.DecodeBytes(verified.Payload)
	if err != nil {
		return fmt.Errorf("payload in the answer: %w", err)
	}
	_, err = to.Write(payload)
	return err
}
