package cli

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
)

// The algorithms of a recipient's key pair.
const (
	pairEC  = "EC"
	pairRSA = "RSA"
	// exportEncryption is the content encryption of exports.
	exportEncryption = "A256GCM"
)

// exportAlgorithms are those by which a key is exported.
func exportAlgorithms() []string {
	return []string{"ECDH-ES+A256KW", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"}
}

// recipient is the command that holds those about the key pairs that exports and backups are encrypted to. None of them talks to the service.
func (c *commands) recipient() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recipient",
		Short: "Make and use key pairs that exports and backups are encrypted to",
		Long: `A recipient is a key pair outside the service: keys are exported and backed up to its public
part, and its private part opens them. It is yours to keep, offline; the service never sees
the private part. These commands run here alone.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(c.recipientCreate(), c.recipientThumbprint(), c.recipientOpen())
	return cmd
}

func (c *commands) recipientCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create --private-key FILE --public-key FILE",
		Short: "Make a key pair that exports and backups are encrypted to",
		Long: `Create makes a key pair on P-384, or with --type RSA one of 4096 bits, and writes both parts in
PEM: the private one into a new file that you alone can read, never over an old one.`,
		Example: "  kms-server recipient create --private-key custody.pem --public-key custody.pub",
		Args:    cobra.NoArgs,
	}
	private := cmd.Flags().String("private-key", "", "new file for the private key")
	public := cmd.Flags().String("public-key", "", "file for the public key")
	kind := cmd.Flags().String("type", pairEC, "EC or RSA")
	clientcli.Require(cmd, "private-key", "public-key")
	clientcli.Complete(cmd, "type", pairEC, pairRSA)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("type", *kind, pairEC, pairRSA); err != nil {
			return err
		}
		return c.terminal.Produce(cmd, *public, func(to *clientcli.Destination) error {
			return intoNewFile("private-key", *private, func(file *os.File) error {
				key, err := newPair(*kind)
				if err != nil {
					return err
				}
				defer key.Zero()
				der, err := x509.MarshalPKCS8PrivateKey(key.Material())
				if err != nil {
					return fmt.Errorf("encode private key: %w", err)
				}
				defer clear(der)
				if err := pem.Encode(file, &pem.Block{Type: clientcli.PEMPrivate, Bytes: der}); err != nil {
					return err
				}
				block, err := key.MarshalPEM()
				if err != nil {
					return err
				}
				_, err = to.Write(block)
				return err
			})
		})
	}
	return cmd
}

func newPair(kind string) (*jwk.Key, error) {
	const bits = 4096
	algorithm, size, curve := "A256GCM/ECDH-ES+A256KW", 0, "P-384"
	if kind == pairRSA {
		algorithm, size, curve = "A256GCM/RSA-OAEP-256", bits, ""
	}
	spec, err := alg.ParseSpec(algorithm, size, curve)
	if err != nil {
		return nil, err
	}
	return keygen.Generate(spec)
}

func (c *commands) recipientThumbprint() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "thumbprint",
		Short: "Print the thumbprint of a public key",
		Long: `Thumbprint prints the SHA-256 thumbprint (RFC 7638) of a public key: by it approvals, the audit
trail and backup.recipients in the configuration name recipients.`,
		Example: "  kms-server recipient thumbprint --in custody.pub",
		Args:    cobra.NoArgs,
	}
	in := cmd.Flags().String("in", "", "file with the public key, a JWK or PEM (default standard input)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		key, err := clientcli.ReadPublicKey(cmd, *in)
		if err != nil {
			return err
		}
		return cli.WriteLine(cmd.OutOrStdout(), key.ThumbprintSHA256())
	}
	return cmd
}

func (c *commands) recipientOpen() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "open --private-key FILE --out FILE",
		Short: "Open an exported key",
		Long: `Open decrypts what "key export" wrote, with the recipient's private key, and writes the key into
a file that you alone can read, or with --out - to standard output.`,
		Example: `  kms-server recipient open --private-key bob.key --in payroll.jwe --out payroll.jwk
  kms-server recipient open --private-key bob.key --in signer.jwe --format pem --out - |
    openssl pkey -noout -text`,
		Args: cobra.NoArgs,
	}
	private := cmd.Flags().String("private-key", "", "file with the recipient's private key, a JWK or PEM")
	in := cmd.Flags().String("in", "", "exported key (default standard input)")
	out := cmd.Flags().String("out", "", "file for the key, or - for standard output")
	form := addKeyForm(cmd, "the key")
	clientcli.Require(cmd, "private-key", "out")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkKeyForm(*form); err != nil {
			return err
		}
		if *private == clientcli.Stdio && (*in == "" || *in == clientcli.Stdio) {
			return cli.Usage("--private-key and the exported key cannot both be standard input")
		}
		key, err := clientcli.ReadPrivateKey(cmd, *private)
		if err != nil {
			return err
		}
		defer key.Zero()
		text, err := clientcli.ReadSmall(cmd, *in)
		if err != nil {
			return err
		}
		return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
			opened, err := openExport(key, strings.TrimSpace(string(text)))
			if err != nil {
				return err
			}
			defer clear(opened)
			return writePrivateJWK(to, *form, opened)
		})
	}
	return cmd
}

// openExport decrypts an exported key.
func openExport(key *jwk.Key, message string) ([]byte, error) {
	header, err := jwe.ParseHeader(message)
	if err != nil {
		return nil, errors.New("the input is no exported key: `key export` makes those")
	}
	if !slices.Contains(exportAlgorithms(), header.Algorithm) {
		return nil, fmt.Errorf("the input is encrypted by %s: no exported key is", cli.Printable(header.Algorithm))
	}
	key.Algorithm, key.ID = header.Algorithm, header.KeyID
	opened, _, err := jwe.Decrypt(key, message, jwe.Expect{Algorithm: header.Algorithm, Encryption: exportEncryption})
	if err != nil {
		return nil, errors.New("the exported key does not open: it is for another recipient, or damaged")
	}
	return opened, nil
}
