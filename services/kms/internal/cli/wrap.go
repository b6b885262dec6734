package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func (c *commands) wrap() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wrap --key NAME|ID",
		Short: "Encrypt a key of your own under a key",
		Long: `Wrap encrypts a key that you have, from a file or standard input, and writes a line of text
that "unwrap" opens. A JWK, or a private key in PEM, is wrapped as a JWK and must be
one that the service understands; anything else is wrapped as it is, byte for byte, or with
--format hex or base64url what the text stands for.`,
		Example: `  kms-server wrap --key payroll --in disk.key --out disk.wrapped
  openssl genpkey -algorithm ED25519 | kms-server wrap --key payroll --out signer.wrapped`,
		Args: cobra.NoArgs,
	}
	var (
		key   = cmd.Flags().String("key", "", "name or id of the key that wraps")
		in    = cmd.Flags().String("in", "", "file with the key to wrap (default standard input)")
		out   = cmd.Flags().String("out", "", "file to write (default standard output)")
		pairs = cmd.Flags().StringArray(contextFlag, nil, "NAME=VALUE that unwrapping must repeat; may be given many times")
		form  = cmd.Flags().String("format", "", "form of the key: raw, hex, base64url, jwk or pem (default jwk or pem if it looks like one, otherwise raw)")
	)
	clientcli.Require(cmd, "key")
	clientcli.Complete(cmd, "format", append(octetForms(), formJWK, formPEM)...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkKeyForm(*form); err != nil {
			return err
		}
		additional, err := parseContext(*pairs)
		if err != nil {
			return err
		}
		content, err := clientcli.ReadSmall(cmd, *in)
		if err != nil {
			return err
		}
		defer clear(content)
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				wrapped, err := wrapKey(cmd.Context(), kms, *key, *form, content, additional)
				if err != nil {
					return err
				}
				return cli.WriteLine(to, wrapped)
			})
		})
	}
	return cmd
}

// wrapKey wraps a key in the form that it has.
func wrapKey(ctx context.Context, kms *client.KMS, key, form string, content []byte, additional map[string]string) (string, error) {
	if form == "" {
		form = guessForm(content)
	}
	switch form {
	case formJWK:
		return kms.WrapJWK(ctx, key, json.RawMessage(bytes.TrimSpace(content)), additional)
	case formPEM:
		parsed, err := clientcli.ParseKey(content)
		if err != nil {
			return "", fmt.Errorf("the key: %w", err)
		}
		defer parsed.Zero()
		if !parsed.IsPrivate() {
			return "", fmt.Errorf("the key is a public one, which needs no wrapping: wrap takes private and symmetric keys")
		}
		text, err := parsed.MarshalPrivate()
		if err != nil {
			return "", err
		}
		defer clear(text)
		return kms.WrapJWK(ctx, key, text, additional)
	default:
		octets, err := readOctets("the key", form, content)
		if err != nil {
			return "", err
		}
		return kms.Wrap(ctx, key, octets, additional)
	}
}

// guessForm tells a JWK and PEM from octets.
func guessForm(content []byte) string {
	switch text := bytes.TrimSpace(content); {
	case bytes.HasPrefix(text, []byte("-----BEGIN ")):
		return formPEM
	case bytes.HasPrefix(text, []byte("{")) && json.Valid(text):
		return formJWK
	default:
		return formRaw
	}
}

func (c *commands) unwrap() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unwrap --out FILE",
		Short: "Decrypt a wrapped key",
		Long: `Unwrap opens what wrap, generate-data-key and generate have made, and writes the key into a
file that you alone can read, or with --out - to standard output. The key that opens it is
the one that the input names, unless --key requires one.`,
		Example: `  kms-server unwrap --in disk.wrapped --out disk.key
  kms-server unwrap --in signer.wrapped --format pem --out - | openssl pkey -noout -text
  kms-server unwrap --in disk.wrapped --encryption-context disk=7 --format hex --out disk.hex`,
		Args: cobra.NoArgs,
	}
	var (
		key   = cmd.Flags().String("key", "", "name or id of the key that must have wrapped it (default the one the input names)")
		in    = cmd.Flags().String("in", "", "file with the wrapped key (default standard input)")
		out   = cmd.Flags().String("out", "", "file for the key, or - for standard output")
		pairs = cmd.Flags().StringArray(contextFlag, nil, "NAME=VALUE given when it was wrapped; may be given many times")
		form  = addKeyForm(cmd, "the key")
	)
	clientcli.Require(cmd, "out")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkKeyForm(*form); err != nil {
			return err
		}
		additional, err := parseContext(*pairs)
		if err != nil {
			return err
		}
		text, err := clientcli.ReadSmall(cmd, *in)
		if err != nil {
			return err
		}
		message := strings.TrimSpace(string(text))
		named, err := keyOf(message)
		if *key != "" {
			named, err = *key, nil
		}
		if err != nil {
			return notWrapped(err)
		}
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				opened, err := kms.Unwrap(cmd.Context(), named, message, additional)
				switch {
				case err != nil:
					return err
				case opened.JWK != nil:
					defer clear(opened.JWK)
					return writePrivateJWK(to, *form, opened.JWK)
				default:
					defer clear(opened.Octets)
					return writeOctetKey(to, *form, opened.Octets)
				}
			})
		})
	}
	return cmd
}

// notWrapped says of an input that it is no wrapped key.
func notWrapped(err error) error {
	if err == errNoMessage { //nolint:errorlint // it is returned as it is
		return fmt.Errorf("the input is no wrapped key: wrap, generate-data-key and generate make those")
	}
	return err
}
