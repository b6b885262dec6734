package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// maxChain is how many bytes of certificates in PEM the service takes.
const maxChain = 64 << 10

func (c *commands) keyCSR() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "csr NAME|ID",
		Short: "Make a request for a certificate of a key",
		Long: `Csr writes a request for a certification authority (PKCS #10) in PEM, signed by a version of the
key. It asks for the subject and the alternative names that you give, and nothing else. What the
authority makes of it goes to "key certificate set". A pending version can be certified before
it takes over.`,
		Example: `  jose-server key csr tokens --common-name tokens --organization Shop --out tokens.csr
  jose-server key csr tokens --dns tokens.shop.example --uri https://shop.example --version 2`,
		Args: clientcli.OneKey,
	}
	flags := cmd.Flags()
	var (
		subject client.Subject
		ask     client.CreateCSR
		text    = func(flag, usage string) *string { return flags.String(flag, "", usage) }
		list    = func(flag, usage string) *[]string { return flags.StringSlice(flag, nil, usage) }

		name, organization, unit = text("common-name", "common name of the subject"), text("organization", "organization"), text("organizational-unit", "unit of the organization")
		country, state, locality = text("country", "country, as two letters"), text("state", "state or province"), text("locality", "locality")
		dns, ips                 = list("dns", "host names, such as a.example,*.a.example"), list("ip", "IP addresses")
		emails, uris             = list("email", "mail addresses"), list("uri", "absolute URIs")
		version                  = flags.Int64("version", 0, "version of the key (default the active one)")
		out                      = text("out", "file to write (default standard output)")
		output                   = cli.AddOutputFlag(cmd)
	)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *version < 0 {
			return cli.Usage("--version must be 1 or more")
		}
		subject = client.Subject{
			CommonName: given(*name), Organization: given(*organization), OrganizationalUnit: given(*unit), Country: given(*country), State: given(*state),
			Locality: given(*locality),
		}
		ask = client.CreateCSR{Version: given(*version), DNSNames: listed(*dns), IPAddresses: listed(*ips), EmailAddresses: listed(*emails), Uris: listed(*uris)}
		if subject != (client.Subject{}) {
			ask.Subject = &subject
		}
		if ask.Subject == nil && ask.DNSNames == nil && ask.IPAddresses == nil && ask.EmailAddresses == nil && ask.Uris == nil {
			return cli.Usage("say for whom the certificate is: --common-name, --dns, --uri or others")
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				made, err := jose.CreateCSR(cmd.Context(), args[0], ask)
				if err != nil {
					return err
				}
				return writeText(to, *output, trimmed(made.PEM), made)
			})
		})
	}
	return cmd
}

// keyCertificate is the command that holds those about the certificates of keys.
func (c *commands) keyCertificate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certificate",
		Short: "Show, set and remove the certificates of keys",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(c.certificateGet(), c.certificateSet(), c.certificateRemove())
	return cmd
}

func (c *commands) certificateGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get NAME|ID",
		Short: "Write the certificate chain of a key",
		Long: `Get writes the certificate chain of a version in PEM, the one of the key first, also when it has
expired. "key version get" shows what the first one says.`,
		Example: `  jose-server key certificate get tokens --out tokens.pem
  jose-server key certificate get tokens --version 1 --output json`,
		Args: clientcli.OneKey,
	}
	version := cmd.Flags().Int64("version", 0, "version of the key (default the active one)")
	out := cmd.Flags().String("out", "", "file to write (default standard output)")
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *version < 0 {
			return cli.Usage("--version must be 1 or more")
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				chain, err := jose.GetCertificate(cmd.Context(), args[0], *version)
				if err != nil {
					return err
				}
				return writeText(to, *output, trimmed(chain.PEM), chain)
			})
		})
	}
	return cmd
}

func (c *commands) certificateSet() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set NAME|ID",
		Short: "Store the certificate chain that an authority made for a key",
		Long: `Set stores a chain in PEM, in place of the one before: the certificate of the key first, and
then each that has made the one before it. For as long as all of them are valid the chain
stands in the key set, and its hash in the headers of what the version signs (x5t#S256).`,
		Example: `  jose-server key certificate set tokens --in chain.pem
  cat leaf.pem issuer.pem | jose-server key certificate set tokens --version 2`,
		Args: clientcli.OneKey,
	}
	in := cmd.Flags().String("in", "", "file with the certificates (default standard input)")
	version := cmd.Flags().Int64("version", 0, "version of the key (default the active one)")
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *version < 0 {
			return cli.Usage("--version must be 1 or more")
		}
		content, err := clientcli.ReadWhole(cmd, *in, maxChain, "certificate chain")
		if err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			chain, err := jose.SetCertificate(cmd.Context(), args[0], *version, string(content))
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), chain, append([][]string{{"KID", chain.KID}}, certificateRows(&chain.Certificate)...))
		})
	}
	return cmd
}

func (c *commands) certificateRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove NAME|ID",
		Short:   "Remove the certificate chain of a key",
		Example: `  jose-server key certificate remove tokens --version 1`,
		Args:    clientcli.OneKey,
	}
	version := cmd.Flags().Int64("version", 0, "version of the key (default the active one)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *version < 0 {
			return cli.Usage("--version must be 1 or more")
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			if err := jose.RemoveCertificate(cmd.Context(), args[0], *version); err != nil {
				return err
			}
			return cli.WriteLine(cmd.OutOrStdout(), fmt.Sprintf("the certificate of key %s is removed", strings.TrimSpace(args[0])))
		})
	}
	return cmd
}

// certificateRows is what a certificate says, as a table.
func certificateRows(certificate *client.Certificate) [][]string {
	if certificate == nil {
		return nil
	}
	return [][]string{
		{"Certificate of", certificate.Subject},
		{"Certified by", certificate.Issuer},
		{"Valid from", certificate.NotBefore},
		{"Valid until", certificate.NotAfter},
		{"Valid now", strconv.FormatBool(certificate.Valid)},
		{"x5t#S256", certificate.X5TS256},
	}
}
