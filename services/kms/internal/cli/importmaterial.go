package cli

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func (c *commands) importMaterial() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "material NAME|ID --in FILE",
		Short: "Wrap and import a key of yours in one step and print the version's number",
		Long: `Material does what "import start", your own wrapping and "import finish" do: it gets a wrapping
key from the service, wraps the key in the file for it here, and imports it. The key leaves
this machine encrypted; remove the file afterwards.

The file holds a private key in PEM without a password, a JWK, or for a symmetric key the
bytes, which --format hex or base64url says are written as text. It must be what the algorithm
of the key needs.`,
		Example: `  kms-server key create --name brought --algorithm ES256 --origin imported
  kms-server import material brought --in signer.pem
  openssl rand 32 | kms-server import material boxes --expires-in 365d`,
		Args: clientcli.OneKey,
	}
	in := cmd.Flags().String("in", "", "file with the key (default standard input)")
	form := cmd.Flags().String("format", "", "form of the key: raw, hex, base64url, jwk or pem (default jwk or pem if it looks like one, otherwise raw)")
	again := cmd.Flags().Int64("version", 0, "version whose material has expired, to bring the same again (default a new one)")
	expires := addExpiry(cmd)
	format := addOutputFlag(cmd)
	clientcli.Complete(cmd, "format", append(octetForms(), formJWK, formPEM)...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		spec, err := expires.spec(*format)
		if err != nil {
			return err
		}
		if err := checkKeyForm(*form); err != nil {
			return err
		}
		if err := checkVersion(*again); err != nil {
			return err
		}
		if *again > 0 {
			spec.Version = again
		}
		content, err := clientcli.ReadSmall(cmd, *in)
		if err != nil {
			return err
		}
		defer clear(content)
		material, err := materialOf(*form, content)
		if err != nil {
			return err
		}
		defer clear(material)
		return c.call(cmd, func(kms *client.KMS) error {
			job, err := kms.CreateImportJob(cmd.Context(), args[0], client.CreateImportJob{
				Wrapping: client.WrappingMethodECDHESA256KW, Curve: new(client.CreateImportJobCurve("P-384")),
			})
			if err != nil {
				return err
			}
			if err := wrapMaterial(&spec, job, material); err != nil {
				return err
			}
			version, err := kms.Import(cmd.Context(), args[0], spec)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), version)
			}
			return cli.WriteLine(cmd.OutOrStdout(), clientcli.Decimal(version.Version))
		})
	}
	return cmd
}

// materialOf is a key in a form that is imported: PKCS #8 in DER, a JWK, or the bytes of a symmetric key.
func materialOf(form string, content []byte) ([]byte, error) {
	if form == "" {
		form = guessForm(content)
	}
	switch form {
	case formJWK:
		return append([]byte(nil), content...), nil
	case formPEM:
		key, err := clientcli.ParseKey(content)
		if err != nil {
			return nil, fmt.Errorf("the key: %w", err)
		}
		defer key.Zero()
		if !key.IsPrivate() {
			return nil, errors.New("the key is a public one: `import public` brings those")
		}
		der, err := x509.MarshalPKCS8PrivateKey(key.Material())
		if err != nil {
			return nil, fmt.Errorf("encode private key: %w", err)
		}
		return der, nil
	default:
		octets, err := readOctets("the key", form, content)
		return append([]byte(nil), octets...), err
	}
}

// wrapMaterial encrypts material for an import job (docs/kms-import.md).
func wrapMaterial(spec *client.ImportKey, job *client.ImportJob, material []byte) error {
	if job.Token == nil || job.PublicKey == nil {
		return errors.New("the answer holds no token or wrapping key")
	}
	wrapping, err := jwk.Parse(job.PublicKey.JWK)
	if err != nil {
		return fmt.Errorf("wrapping key in the answer: %w", err)
	}
	wrapped, err := jwe.Encrypt(wrapping, jwe.Header{Algorithm: string(client.WrappingMethodECDHESA256KW), Encryption: exportEncryption}, material)
	if err != nil {
		return fmt.Errorf("wrap the key: %w", err)
	}
	spec.Job, spec.WrappedMaterial = job.Token, &wrapped
	return nil
}
