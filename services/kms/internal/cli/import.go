package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// importing is the command that holds those about key material from elsewhere.
func (c *commands) importing() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Bring key material from elsewhere",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(c.importStart(), c.importFinish(), c.importMaterial(), c.importPublic(), c.importJobs(), c.importJob())
	return cmd
}

func (c *commands) importStart() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "start NAME|ID --token-file FILE",
		Short: "Make a wrapping key for one import and print it",
		Long: `Start makes a wrapping key for one import within 24 hours and prints its public part. Wrap
the material for it and bring it with "import finish", which needs the token that start
writes into a new file, mode 0600: it is told this once.`,
		Example: `  kms-server import start payroll --token-file job.token > wrapping-key.pem
  kms-server import start payroll --wrapping ECDH-ES+A256KW --format jwk --token-file job.token`,
		Args: clientcli.OneKey,
	}
	var (
		wrapping = cmd.Flags().String("wrapping", string(client.WrappingMethodRSAOAEP256A256KWP), "RSA-OAEP-256+A256KWP or ECDH-ES+A256KW")
		keySize  = cmd.Flags().Int("key-size", 0, "bits of the RSA modulus: 3072 or 4096 (default 3072)")
		curve    = cmd.Flags().String("curve", "", "curve for ECDH-ES+A256KW: P-256, P-384 or P-521 (default P-256)")
		token    = cmd.Flags().String("token-file", "", "new file for the token")
		format   = cmd.Flags().String("format", "pem", "pem (SubjectPublicKeyInfo) or jwk")
	)
	clientcli.Require(cmd, "token-file")
	clientcli.Complete(cmd, "wrapping", wrappings()...)
	clientcli.Complete(cmd, "format", "pem", "jwk")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("wrapping", *wrapping, wrappings()...); err != nil {
			return err
		}
		if err := clientcli.OneOf("format", *format, "pem", "jwk"); err != nil {
			return err
		}
		spec := client.CreateImportJob{Wrapping: client.WrappingMethod(*wrapping)}
		if *keySize != 0 {
			spec.KeySize = new(client.CreateImportJobKeySize(*keySize))
		}
		if *curve != "" {
			spec.Curve = new(client.CreateImportJobCurve(*curve))
		}
		return c.call(cmd, func(kms *client.KMS) error {
			return intoNewFile("token-file", *token, func(file *os.File) error {
				job, err := kms.CreateImportJob(cmd.Context(), args[0], spec)
				if err != nil {
					return err
				}
				if job.Token == nil || job.PublicKey == nil {
					return fmt.Errorf("the answer holds no token or wrapping key")
				}
				if err := cli.WriteLine(file, *job.Token); err != nil {
					return err
				}
				if *format == "jwk" {
					return cli.WriteJSON(cmd.OutOrStdout(), job.PublicKey.JWK)
				}
				return cli.WriteLine(cmd.OutOrStdout(), strings.TrimRight(job.PublicKey.PEM, "\n"))
			})
		})
	}
	return cmd
}

// intoNewFile lets f write the new file of a flag, which only its owner reads, and removes it if f fails.
func intoNewFile(flag, path string, f func(*os.File) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("--%s: %q exists and is not written over: name a new file", flag, path)
	}
	if err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	err = f(file)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(path) // the first error says why
	}
	return err
}

func wrappings() []string {
	return []string{string(client.WrappingMethodRSAOAEP256A256KWP), string(client.WrappingMethodECDHESA256KW)}
}

func (c *commands) importFinish() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "finish NAME|ID --token-file FILE",
		Short: "Import wrapped material and print the version's number",
		Long: `Finish imports material that was wrapped for the key that "import start" printed: a file
of RSA-OAEP-256+A256KWP as it is, or the compact JWE of ECDH-ES+A256KW. It makes a version
and prints its number.`,
		Example: `  kms-server import finish payroll --token-file job.token --in wrapped.bin
  kms-server import finish payroll --token-file job.token --in wrapped.bin --expires-in 365d`,
		Args: clientcli.OneKey,
	}
	in := cmd.Flags().String("in", "", "file with the wrapped material (default standard input)")
	token := cmd.Flags().String("token-file", "", "file with the token")
	again := cmd.Flags().Int64("version", 0, "version whose material has expired, to bring the same again (default a new one)")
	expires := addExpiry(cmd)
	format := addOutputFlag(cmd)
	clientcli.Require(cmd, "token-file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		spec, err := expires.spec(*format)
		if err != nil {
			return err
		}
		if *again < 0 {
			return cli.Usage("--version must be 1 or more")
		}
		if *again > 0 {
			spec.Version = again
		}
		job, err := clientcli.ReadSmall(cmd, *token)
		if err != nil {
			return err
		}
		wrapped, err := clientcli.ReadSmall(cmd, *in)
		if err != nil {
			return err
		}
		spec.Job = new(strings.TrimSpace(string(job)))
		text := strings.TrimSpace(string(wrapped))
		if strings.Count(text, ".") != 4 || clientcli.IsBinary(wrapped) { // no compact JWE (RFC 7516 section 3.1)
			text = client.EncodeBytes(wrapped)
		}
		spec.WrappedMaterial = &text
		return c.bring(cmd, args[0], *format, spec)
	}
	return cmd
}

func (c *commands) importPublic() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "public NAME|ID",
		Short: "Import a public key alone and print the version's number",
		Long: `Public imports a public key, in PEM or as a JWK, as a version that verifies, encrypts or
encapsulates and does nothing else. Take a key of --origin imported for it.`,
		Example: "  kms-server import public partner --in partner.pem",
		Args:    clientcli.OneKey,
	}
	in := cmd.Flags().String("in", "", "file with the public key (default standard input)")
	expires := addExpiry(cmd)
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		spec, err := expires.spec(*format)
		if err != nil {
			return err
		}
		content, err := clientcli.ReadSmall(cmd, *in)
		if err != nil {
			return err
		}
		text := json.RawMessage(content)
		if !json.Valid(content) { // PEM goes as a text
			if text, err = json.Marshal(string(content)); err != nil {
				return err
			}
		}
		spec.PublicKey = &text
		return c.bring(cmd, args[0], *format, spec)
	}
	return cmd
}

// bring imports and shows the version.
func (c *commands) bring(cmd *cobra.Command, key, format string, spec client.ImportKey) error {
	return c.call(cmd, func(kms *client.KMS) error {
		version, err := kms.Import(cmd.Context(), key, spec)
		if err != nil {
			return err
		}
		if format == outputJSON {
			return cli.WriteJSON(cmd.OutOrStdout(), version)
		}
		return cli.WriteLine(cmd.OutOrStdout(), clientcli.Decimal(version.Version))
	})
}

// expiry is when imported material is forgotten.
type expiry struct{ in string }

func addExpiry(cmd *cobra.Command) *expiry {
	e := new(expiry)
	cmd.Flags().StringVar(&e.in, "expires-in", "", "forget the material after so long, such as 365d (default never)")
	return e
}

// spec begins an import with what the flags say.
func (e *expiry) spec(format string) (client.ImportKey, error) {
	var spec client.ImportKey
	if err := clientcli.OneOf("output", format, outputTable, outputJSON); err != nil {
		return spec, err
	}
	if e.in == "" {
		return spec, nil
	}
	d, err := clientcli.ParseDays(e.in)
	if err != nil || d <= 0 {
		return spec, cli.Usage("--expires-in %q is no duration: write 365d or 12h", e.in)
	}
	spec.ExpiresAt = new(time.Now().Add(d).UTC().Format("2006-01-02T15:04:05.000000Z"))
	return spec, nil
}
