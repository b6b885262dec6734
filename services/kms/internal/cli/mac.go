package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// errWrongMAC is the negative answer of verify-mac.
var errWrongMAC = errors.New("the MAC is not right")

const tooLongForMAC = "more than 64 KiB to authenticate: hash it first, or sign it with the same key, which takes files of any size"

func (c *commands) mac() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mac --key NAME|ID",
		Short: "Compute the MAC of a file or standard input",
		Long: `Mac computes the HMAC (RFC 2104) of up to 64 KiB with a key of the algorithm HS256, HS384
or HS512 and prints it. Anything larger is signed instead: "sign" takes such keys too.`,
		Example: `  kms-server mac --key cookies --in cookie.txt
  printf %s "user=4711" | kms-server mac --key cookies --format base64url`,
		Args: cobra.NoArgs,
	}
	key := cmd.Flags().String("key", "", "name or id of the key")
	in := cmd.Flags().String("in", "", "file to authenticate (default standard input)")
	out := cmd.Flags().String("out", "", "file to write (default standard output)")
	form := addOctetForm(cmd, "the MAC", formHex)
	clientcli.Require(cmd, "key")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("format", *form, octetForms()...); err != nil {
			return err
		}
		content, err := clientcli.OpenSource(cmd, *in)
		if err != nil {
			return err
		}
		defer content.Close()
		message, err := clientcli.ReadInline(content, client.MaxInline, tooLongForMAC)
		if err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				mac, _, err := kms.Mac(cmd.Context(), *key, message)
				if err != nil {
					return err
				}
				return writeOctets(to, *form, mac)
			})
		})
	}
	return cmd
}

func (c *commands) verifyMac() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify-mac --key NAME|ID --mac FILE",
		Short: "Verify the MAC of a file or of standard input",
		Long: `Verify-mac checks what mac made, for the same content. Its exit status is 0 only if the MAC
is right. It is checked with the primary version of the key, unless --version names the
one that made it.`,
		Example: `  kms-server verify-mac --key cookies --mac cookie.mac --in cookie.txt
  kms-server verify-mac --key cookies --mac cookie.mac --in cookie.txt --version 1`,
		Args: cobra.NoArgs,
	}
	key := cmd.Flags().String("key", "", "name or id of the key")
	in := cmd.Flags().String("in", "", "authenticated file (default standard input)")
	file := cmd.Flags().String("mac", "", "file that holds the MAC")
	version := cmd.Flags().Int64("version", 0, "version of the key that made the MAC (default the primary one)")
	form := addOctetForm(cmd, "the MAC", formHex)
	clientcli.Require(cmd, "key", "mac")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("format", *form, octetForms()...); err != nil {
			return err
		}
		if err := checkVersion(*version); err != nil {
			return err
		}
		if *file == clientcli.Stdio && (*in == "" || *in == clientcli.Stdio) {
			return cli.Usage("--mac and the authenticated file cannot both be standard input")
		}
		text, err := clientcli.ReadSmall(cmd, *file)
		if err != nil {
			return err
		}
		mac, err := readOctets("the MAC", *form, text)
		if err != nil {
			return err
		}
		content, err := clientcli.OpenSource(cmd, *in)
		if err != nil {
			return err
		}
		defer content.Close()
		message, err := clientcli.ReadInline(content, client.MaxInline, tooLongForMAC)
		if err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			valid, err := kms.VerifyMac(cmd.Context(), *key, message, mac, *version)
			switch {
			case err != nil:
				return err
			case !valid && *version == 0:
				return fmt.Errorf("%w with the primary version of key %q: if an older one made it, name that with --version", errWrongMAC, *key)
			case !valid:
				return fmt.Errorf("%w with version %d of key %q", errWrongMAC, *version, *key)
			}
			return cli.WriteLine(cmd.OutOrStdout(), cli.Printable("the MAC is right: key "+*key))
		})
	}
	return cmd
}

// checkVersion refuses what is no version; 0 stands for one that the service chooses.
func checkVersion(version int64) error {
	if version < 0 {
		return cli.Usage("--version must be 1 or more")
	}
	return nil
}
