package cli

import (
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/ca/client"
)

func (c *commands) issuerImport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import --name NAME --kind KIND --chain FILE",
		Short: "Import a CA that was elsewhere",
		Long: `Import takes a CA with its chain, its own certificate first, and its key as PKCS#8 PEM. Without
--key it is known here and signs nothing, as an offline root does. The key crosses the network
inside TLS alone.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: `  ca-server issuer import --name root --kind root --chain root.pem
  ca-server issuer import --name issuing --kind issuing --chain chain.pem --key issuing.key`,
		Args: cobra.NoArgs,
	}
	var (
		spec    client.ImportCA
		flags   = cmd.Flags()
		kind    = flags.String("kind", "", "root, intermediate or issuing")
		family  = flags.String("family", "", "whose rules certificates keep: private or br (default private)")
		chain   = flags.String("chain", "", "file with the chain, PEM")
		key     = flags.String("key", "", "file with the key, PKCS#8 PEM without a password")
		baseURL = flags.String("base-url", "", "what the URLs in certificates begin with, over http")
		output  = cli.AddOutputFlag(cmd)
	)
	flags.StringVar(&spec.Name, "name", "", "name of the CA")
	clientcli.Require(cmd, "name", "kind", "chain")
	clientcli.Complete(cmd, "kind", kinds()...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("kind", *kind, kinds()...); err != nil {
			return err
		}
		text, err := clientcli.ReadSmall(cmd, *chain)
		if err != nil {
			return err
		}
		spec.Kind, spec.Family, spec.Chain, spec.BaseURL = client.CAKind(*kind), given(client.Family(*family)), string(text), given(*baseURL)
		if *key != "" {
			material, err := clientcli.ReadSmall(cmd, *key)
			if err != nil {
				return err
			}
			defer clear(material)
			spec.PrivateKey = given(string(material))
		}
		return c.callFresh(cmd, func(ca *client.Authority) error {
			made, err := ca.ImportCA(cmd.Context(), spec)
			if err != nil {
				return err
			}
			return writeID(cmd, *output, made.ID, made)
		})
	}
	return cmd
}

func (c *commands) issuerCSR() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "csr NAME|ID",
		Short:   "Print the certificate request of a CA",
		Long:    "Csr prints a certificate request for the CA's key, for whoever certifies it elsewhere.",
		Example: "  ca-server issuer csr policy --out policy.csr",
		Args:    clientcli.OneKey,
	}
	out := cmd.Flags().String("out", "", "file to write (default standard output)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(ca *client.Authority) error {
			made, err := ca.GetCACSR(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.write(cmd, *out, made.CSR)
		})
	}
	return cmd
}

// write writes a text to --out.
func (c *commands) write(cmd *cobra.Command, out, text string) error {
	return c.terminal.Produce(cmd, out, func(to *clientcli.Destination) error {
		_, err := io.WriteString(to, text)
		return err
	})
}

func (c *commands) issuerInstall() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install NAME|ID --chain FILE",
		Short: "Bring the certificate that another CA has made for a CA",
		Long: `Install takes a chain, the CA's own certificate first, each followed by the one that certifies it.
A CA that waits for its certificate becomes active.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: "  ca-server issuer install policy --chain policy.pem",
		Args:    clientcli.OneKey,
	}
	chain := cmd.Flags().String("chain", "", "file with the chain, PEM (default standard input)")
	primary := cmd.Flags().Bool("primary", false, "chains are built with it from now on")
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := clientcli.ReadSmall(cmd, *chain)
		if err != nil {
			return err
		}
		return c.callFresh(cmd, func(ca *client.Authority) error {
			changed, err := ca.InstallCACertificate(cmd.Context(), args[0], client.InstallCertificate{Chain: string(text), Primary: given(*primary)})
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), changed, issuerRows(*changed))
		})
	}
	return cmd
}

func (c *commands) issuerCertificates() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "certificates NAME|ID",
		Short:   "List the certificates of a CA",
		Example: "  ca-server issuer certificates issuing",
		Args:    clientcli.OneKey,
	}
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(ca *client.Authority) error {
			found, err := ca.ListCACertificates(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			rows := [][]string{{"SERIAL", "PRIMARY", "FROM", "UNTIL", "BY"}}
			for _, one := range found.Items {
				rows = append(rows, []string{one.Serial, strconv.FormatBool(one.Primary), one.NotBefore, one.NotAfter, clientcli.TextOf(one.IssuerID)})
			}
			return output.Write(cmd.OutOrStdout(), found, rows)
		})
	}
	return cmd
}

func (c *commands) issuerCertify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certify NAME|ID --csr FILE",
		Short: "Certify a CA that is elsewhere",
		Long: `Certify has a root or intermediate CA sign the certificate of a CA elsewhere, by its request, and
writes it with its chain.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: "  ca-server issuer certify root --csr partner.csr --out partner.pem",
		Args:    clientcli.OneKey,
	}
	var (
		csr     = cmd.Flags().String("csr", "", "file with the request, PEM (default standard input)")
		profile = cmd.Flags().String("profile", "", "profile of the certificate (default intermediate-ca)")
		days    = cmd.Flags().Int("days", 0, "how long it lives (default the profile's)")
		out     = cmd.Flags().String("out", "", "file to write (default standard output)")
	)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := clientcli.ReadSmall(cmd, *csr)
		if err != nil {
			return err
		}
		return c.callFresh(cmd, func(ca *client.Authority) error {
			made, err := ca.CertifyCA(cmd.Context(), args[0], client.CertifyCA{CSR: string(text), Profile: given(*profile), ValidityDays: given(*days)})
			if err != nil {
				return err
			}
			return c.write(cmd, *out, of(made.Chain))
		})
	}
	return cmd
}

func (c *commands) issuerCrossSign() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cross-sign NAME|ID --subject NAME|ID",
		Short: "Have one CA vouch for another one here",
		Long: `Cross-sign makes a further certificate for the key and name of --subject, signed by the CA that is
named, and writes it.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: "  ca-server issuer cross-sign old-root --subject new-root --out cross.pem",
		Args:    clientcli.OneKey,
	}
	var (
		spec    client.CrossSign
		profile = cmd.Flags().String("profile", "", "profile of the certificate (default intermediate-ca)")
		days    = cmd.Flags().Int("days", 0, "how long it lives (default the profile's)")
		out     = cmd.Flags().String("out", "", "file to write (default standard output)")
	)
	cmd.Flags().StringVar(&spec.Subject, "subject", "", "name or id of the CA that is vouched for")
	clientcli.Require(cmd, "subject")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		spec.Profile, spec.ValidityDays = given(*profile), given(*days)
		return c.callFresh(cmd, func(ca *client.Authority) error {
			made, err := ca.CrossSignCA(cmd.Context(), args[0], spec)
			if err != nil {
				return err
			}
			return c.write(cmd, *out, of(made.Certificate))
		})
	}
	return cmd
}
