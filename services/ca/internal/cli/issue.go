package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/ca/client"
)

func (c *commands) issue() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "issue --profile NAME",
		Short: "Issue a certificate and write it with its chain",
		Long: `Issue has a certificate made by a profile. Either --csr names a request that you have made, or
--key names a file that a new key is written to (P-256, PKCS#8 PEM, mode 0600), which never
leaves this machine.

What the flags say goes before what the request says, where the profile lets callers choose.`,
		Example: `  ca-server issue --profile internal-tls --dns app.internal --key app.key --out app.pem
  ca-server issue --profile tls-client --csr alice.csr --out alice.pem
  ca-server issue --profile internal-tls --ca issuing --ip 10.1.2.3 --dns app.internal \
    --validity 24h --key app.key --out app.pem`,
		Args: cobra.NoArgs,
	}
	var (
		spec     client.IssueCertificate
		flags    = cmd.Flags()
		ca       = flags.String("ca", "", "name or id of the CA (default the only one that issues by the profile)")
		csr      = flags.String("csr", "", "file with a certificate request, PEM; - is standard input")
		key      = flags.String("key", "", "file to write a new key to")
		validity = flags.Duration("validity", 0, "how long it lives, such as 24h (default the profile's)")
		out      = flags.String("out", "", "file to write the chain to (default standard output)")
		dns      = flags.StringArray("dns", nil, "a DNS name; several times for several")
		ip       = flags.StringArray("ip", nil, "an IP address; several times for several")
		email    = flags.StringArray("email", nil, "a mailbox; several times for several")
		uri      = flags.StringArray("uri", nil, "a URI; several times for several")
		upn      = flags.StringArray("upn", nil, "a user principal name; several times for several")
		subject  = addSubjectFlags(cmd)
		output   = cli.AddOutputFlag(cmd)
	)
	flags.StringVar(&spec.Profile, "profile", "", "name of the profile: `profile list` shows them")
	clientcli.Require(cmd, "profile")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if (*csr == "") == (*key == "") {
			return cli.Usage("give either --csr, or --key for a new key")
		}
		spec.CA, spec.ValiditySeconds, spec.Subject = given(*ca), given(int64(*validity/time.Second)), subject.subject()
		spec.Names = namesOf(*dns, *ip, *email, *uri, *upn)
		request, store, err := c.request(cmd, *csr, *key)
		if err != nil {
			return err
		}
		spec.CSR = request
		return c.call(cmd, func(authority *client.Authority) error {
			if err := store(); err != nil { // before there is a certificate that would be of no use without it
				return err
			}
			made, err := authority.IssueCertificate(cmd.Context(), spec)
			if err != nil {
				return err
			}
			if *output == cli.OutputJSON {
				return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error { return cli.WriteJSON(to, made) })
			}
			return c.write(cmd, *out, of(made.Chain))
		})
	}
	return cmd
}

// namesOf are the alternative names that flags name; nil for none.
func namesOf(dns, ip, email, uri, upn []string) *client.Names {
	some := func(names []string) *[]string {
		if len(names) == 0 {
			return nil
		}
		return &names
	}
	if len(dns)+len(ip)+len(email)+len(uri)+len(upn) == 0 {
		return nil
	}
	return &client.Names{DNS: some(dns), IP: some(ip), Email: some(email), URI: some(uri), Upn: some(upn)}
}

// request reads a certificate request, or makes a key and one for it. store writes the key.
func (c *commands) request(cmd *cobra.Command, csr, keyFile string) (text string, store func() error, err error) {
	if csr != "" {
		read, err := clientcli.ReadSmall(cmd, csr)
		return string(read), func() error { return nil }, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return "", nil, fmt.Errorf("make a certificate request: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", nil, fmt.Errorf("encode the key: %w", err)
	}
	store = func() error {
		defer clear(encoded)
		return c.terminal.Produce(cmd, keyFile, func(to *clientcli.Destination) error {
			return pem.Encode(to, &pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
		})
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), store, nil
}

func (c *commands) renew() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "renew SERIAL",
		Short: "Have a certificate take the place of another",
		Long: `Renew has a certificate with the same names made by the same profile: for the key of --csr, for a
new key that is written to --key, or for the same key where neither is given. The old
certificate stays valid until it ends or is revoked.`,
		Example: `  ca-server renew 4c2b1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c --key app.key --out app.pem`,
		Args:    oneSerial,
	}
	var (
		csr      = cmd.Flags().String("csr", "", "file with a certificate request, PEM; - is standard input")
		key      = cmd.Flags().String("key", "", "file to write a new key to")
		validity = cmd.Flags().Duration("validity", 0, "how long it lives, such as 24h (default the profile's)")
		out      = cmd.Flags().String("out", "", "file to write the chain to (default standard output)")
	)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *csr != "" && *key != "" {
			return cli.Usage("give one of --csr and --key")
		}
		spec, store := client.RenewCertificate{ValiditySeconds: given(int64(*validity / time.Second))}, func() error { return nil }
		if *csr != "" || *key != "" {
			request, keep, err := c.request(cmd, *csr, *key)
			if err != nil {
				return err
			}
			spec.CSR, store = &request, keep
		}
		return c.call(cmd, func(ca *client.Authority) error {
			if err := store(); err != nil {
				return err
			}
			made, err := ca.RenewCertificate(cmd.Context(), args[0], spec)
			if err != nil {
				return err
			}
			return c.write(cmd, *out, of(made.Chain))
		})
	}
	return cmd
}

// oneSerial takes the serial number of a certificate.
func oneSerial(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return cli.Usage("give the serial number of a certificate: `list` shows them")
	}
	return nil
}
