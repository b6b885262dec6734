package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func (c *commands) generateDataKey() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "generate-data-key --key NAME|ID",
		Short: "Make a key for use elsewhere, wrapped under a key",
		Long: `Generate-data-key makes a symmetric key, or with --key-pair a key pair, for use elsewhere.
What it writes is the wrapped key, a line of text that only the KMS opens: keep it beside
what the key protects, and "unwrap" it when it is needed.

With --plaintext-out the key itself is written too, into a file that you alone can read.
Without, nobody has seen the key until it is unwrapped.`,
		Example: `  kms-server generate-data-key --key payroll --out data.key.wrapped --plaintext-out data.key
  kms-server generate-data-key --key payroll --bits 128 --out disk.wrapped \
    --encryption-context disk=7
  kms-server generate-data-key --key payroll --key-pair P-256 --format pem \
    --out pair.wrapped --plaintext-out pair.pem --public-out pair.pub`,
		Args: cobra.NoArgs,
	}
	var (
		spec      client.DataKeySpec
		key       = cmd.Flags().String("key", "", "name or id of the key that wraps")
		out       = cmd.Flags().String("out", "", "file for the wrapped key (default standard output)")
		plaintext = cmd.Flags().String("plaintext-out", "", "file for the key itself, or - for standard output (default it is not told)")
		public    = cmd.Flags().String("public-out", "", "file for the public key of a pair")
		pairs     = cmd.Flags().StringArray(contextFlag, nil, "NAME=VALUE that unwrapping must repeat; may be given many times")
		form      = addKeyForm(cmd, "the key itself and the public key")
	)
	cmd.Flags().IntVar(&spec.Bits, "bits", 0, "bits of a symmetric key: 128, 192, 256 or 512 (default 256)")
	cmd.Flags().StringVar(&spec.KeyPair, "key-pair", "", "a pair instead: P-256, P-384, P-521, Ed25519, RSA-2048, RSA-3072 or RSA-4096")
	cmd.MarkFlagsMutuallyExclusive("bits", "key-pair")
	clientcli.Require(cmd, "key")
	clientcli.Complete(cmd, "bits", "128", "192", "256", "512")
	clientcli.Complete(cmd, "key-pair", "P-256", "P-384", "P-521", "Ed25519", "RSA-2048", "RSA-3072", "RSA-4096")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if err := checkKeyForm(*form); err != nil {
			return err
		}
		if *public != "" && spec.KeyPair == "" {
			return cli.Usage("--public-out goes with --key-pair: a symmetric key has no public part")
		}
		if err := fits(*form, spec.KeyPair != ""); err != nil {
			return err
		}
		if spec.Context, err = parseContext(*pairs); err != nil {
			return err
		}
		spec.IncludePlaintext = *plaintext != ""
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.ProduceAll(cmd, func(to []*clientcli.Destination) error {
				made, err := kms.GenerateDataKey(cmd.Context(), *key, spec)
				if err != nil {
					return err
				}
				return writeDataKey(to, *form, made)
			}, clientcli.Output{Flag: "out", Path: *out}, clientcli.Output{Flag: "plaintext-out", Path: *plaintext}, clientcli.Output{Flag: "public-out", Path: *public})
		})
	}
	return cmd
}

// fits refuses a form that the key to come does not have.
func fits(form string, pair bool) error {
	switch {
	case form == "":
		return nil
	case pair && form != formJWK && form != formPEM:
		return cli.Usage("--format %s is for octets: a key pair is written as jwk or pem", form)
	case !pair && (form == formJWK || form == formPEM):
		return cli.Usage("--format %s is for key pairs: a symmetric key is written raw, hex or base64url", form)
	}
	return nil
}

// writeDataKey writes the wrapped key, the key itself and the public key.
func writeDataKey(to []*clientcli.Destination, form string, made *client.GenerateDataKeyResponse) error {
	if err := cli.WriteLine(to[0], made.Wrapped); err != nil {
		return err
	}
	if to[1] != nil {
		switch {
		case made.JWK != nil:
			if err := writePrivateJWK(to[1], form, *made.JWK); err != nil {
				return err
			}
		case made.Key != nil:
			octets, err := client.DecodeBytes(*made.Key)
			if err != nil {
				return fmt.Errorf("key in the answer: %w", err)
			}
			defer clear(octets)
			if err := writeOctetKey(to[1], form, octets); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the answer holds no key")
		}
	}
	if to[2] == nil {
		return nil
	}
	if made.PublicJWK == nil {
		return fmt.Errorf("the answer holds no public key")
	}
	return writePublicJWK(to[2], form, *made.PublicJWK)
}

func (c *commands) generate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "generate --key NAME|ID --algorithm ALGORITHM",
		Short: "Make a JWK for use elsewhere, encrypted under a key",
		Long: `Generate makes a JWK of any algorithm that keys of the service can have, and writes it
encrypted under a key: a line of text that "unwrap" opens. Nobody has seen the JWK until
then. Its public part is written with --public-out.`,
		Example: `  kms-server generate --key payroll --algorithm ES256 --out signer.wrapped \
    --public-out signer.pub --format pem
  kms-server generate --key payroll --algorithm A256GCM/A256KW --out box.wrapped`,
		Args: cobra.NoArgs,
	}
	var (
		request client.GenerateRequest
		key     = cmd.Flags().String("key", "", "name or id of the key that encrypts")
		keySize = cmd.Flags().Int("key-size", 0, "bits of an RSA modulus: 2048, 3072 or 4096 (default 3072)")
		curve   = cmd.Flags().String("curve", "", "curve of an ECDH key: P-256, P-384 or P-521 (default P-256)")
		out     = cmd.Flags().String("out", "", "file for the encrypted JWK (default standard output)")
		public  = cmd.Flags().String("public-out", "", "file for the public key")
		form    = cmd.Flags().String("format", formJWK, "form of the public key: jwk or pem")
		pairs   = cmd.Flags().StringArray(contextFlag, nil, "NAME=VALUE that unwrapping must repeat; may be given many times")
	)
	cmd.Flags().StringVar(&request.Algorithm, "algorithm", "", "algorithm of the JWK, as in key create")
	clientcli.Require(cmd, "key", "algorithm")
	clientcli.Complete(cmd, "format", formJWK, formPEM)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("format", *form, formJWK, formPEM); err != nil {
			return err
		}
		additional, err := parseContext(*pairs)
		if err != nil {
			return err
		}
		if len(additional) > 0 {
			request.Context = new(client.Context(additional))
		}
		if *keySize != 0 {
			request.KeySize = new(client.GenerateRequestKeySize(*keySize))
		}
		if *curve != "" {
			request.Curve = new(client.GenerateRequestCurve(*curve))
		}
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.ProduceAll(cmd, func(to []*clientcli.Destination) error {
				made, err := kms.Generate(cmd.Context(), *key, request)
				switch {
				case err != nil:
					return err
				case to[1] == nil:
				case made.PublicJWK == nil:
					return fmt.Errorf("a key of %s has no public part: leave out --public-out", made.Algorithm)
				default:
					if err := writePublicJWK(to[1], *form, *made.PublicJWK); err != nil {
						return err
					}
				}
				return cli.WriteLine(to[0], made.Wrapped)
			}, clientcli.Output{Flag: "out", Path: *out}, clientcli.Output{Flag: "public-out", Path: *public})
		})
	}
	return cmd
}
