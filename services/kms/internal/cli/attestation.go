package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
	"github.com/cryptoutil/cryptoutil/services/kms/client/attestation"
)

// attestation is the command that holds those about signed statements about keys.
func (c *commands) attestation() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "attestation",
		Short: "Get and verify signed statements about keys",
		Long: `An attestation is a signed statement of where a key comes from, whether it may leave, what
algorithm it has and which FIPS module holds it. Who has the tenant's attestation keys
verifies it without the service.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(c.attestationGet(), c.attestationKeys(), c.attestationVerify())
	return cmd
}

func (c *commands) attestationGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get NAME|ID",
		Short:   "Get a signed statement about a version of a key",
		Example: "  kms-server attestation get releases --out releases.att",
		Args:    clientcli.OneKey,
	}
	version := cmd.Flags().Int64("version", 0, "version of the key (default the primary one)")
	out := cmd.Flags().String("out", "", "file to write (default standard output)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkVersion(*version); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				made, err := kms.Attest(cmd.Context(), args[0], *version)
				if err != nil {
					return err
				}
				return cli.WriteLine(to, made.Attestation)
			})
		})
	}
	return cmd
}

func (c *commands) attestationKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Print the keys that verify statements, as a JWK Set",
		Long: `Keys prints the public keys that verify the statements about your tenant's keys, as a JWK Set
(RFC 7517); it is empty before the first statement. Anybody reads the same set, without a
credential, at /t/TENANT/kms/attestation-keys.json of the service.`,
		Example: "  kms-server attestation keys --out attestation-keys.json",
		Args:    cobra.NoArgs,
	}
	out := cmd.Flags().String("out", "", "file to write (default standard output)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				set, err := kms.AttestationKeys(cmd.Context())
				if err != nil {
					return err
				}
				return cli.WriteJSON(to, set)
			})
		})
	}
	return cmd
}

func (c *commands) attestationVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify --keys FILE",
		Short: "Verify a statement about a key, without the service",
		Long: `Verify checks a statement with the tenant's attestation keys and shows what it says. With
--public-key the statement must be about that very key. The exit status is 0 only if it
verifies.

It runs here alone. What it proves rests on the file of --keys: get that by a way you trust.`,
		Example: `  kms-server attestation verify --keys attestation-keys.json --in releases.att
  kms-server attestation verify --keys attestation-keys.json --in releases.att \
    --public-key releases.pem`,
		Args: cobra.NoArgs,
	}
	keys := cmd.Flags().String("keys", "", "file with the attestation keys, a JWK Set")
	in := cmd.Flags().String("in", "", "file with the statement (default standard input)")
	public := cmd.Flags().String("public-key", "", "file with the public key that it must be about, a JWK or PEM")
	format := addOutputFlag(cmd)
	clientcli.Require(cmd, "keys")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		if *keys == clientcli.Stdio && (*in == "" || *in == clientcli.Stdio) {
			return cli.Usage("--keys and the statement cannot both be standard input")
		}
		set, err := clientcli.ReadSmall(cmd, *keys)
		if err != nil {
			return err
		}
		text, err := clientcli.ReadSmall(cmd, *in)
		if err != nil {
			return err
		}
		said, err := attestation.Verify(strings.TrimSpace(string(text)), set)
		if errors.Is(err, attestation.ErrUnknownKey) {
			return fmt.Errorf("%w: they may be of another tenant or installation, or older than the statement: `attestation keys` gets them", err)
		}
		if err != nil {
			return err
		}
		if *public != "" {
			if err := isOf(cmd, said, *public); err != nil {
				return err
			}
		}
		if *format == outputJSON {
			return cli.WriteJSON(cmd.OutOrStdout(), said)
		}
		return cli.WriteTable(cmd.OutOrStdout(), statementRows(said))
	}
	return cmd
}

// isOf requires that a statement is about the key in a file.
func isOf(cmd *cobra.Command, said *attestation.Statement, path string) error {
	key, err := clientcli.ReadPublicJWK(cmd, path)
	if err != nil {
		return err
	}
	is, err := said.IsOf(key)
	if err == nil && !is {
		err = fmt.Errorf("the statement verifies, but is about another key than the one in %q", path)
	}
	return err
}

func statementRows(said *attestation.Statement) [][]string {
	algorithm := said.Algorithm
	switch {
	case said.KeySize != 0:
		algorithm += " " + strconv.Itoa(said.KeySize)
	case said.Curve != "":
		algorithm += " " + said.Curve
	}
	rows := [][]string{
		{"Tenant", said.Tenant},
		{"Key", said.ElasticKeyID},
		{"Version", clientcli.Decimal(said.Version)},
		{"KID", said.KID},
		{"Algorithm", algorithm},
		{"Use", said.Use},
		{"Origin", said.Origin},
		{"Exportable", strconv.FormatBool(said.Exportable)},
		{"FIPS module", said.FIPSModule + " " + said.FIPSModuleVersion},
		{"Service", said.ServiceVersion},
		{"Created", said.CreatedAt.UTC().Format(time.RFC3339Nano)},
		{"Stated", time.Unix(said.IssuedAt, 0).UTC().Format(time.RFC3339)},
	}
	if said.JWKThumbprint != "" {
		rows = append(rows, []string{"Thumbprint", said.JWKThumbprint})
	}
	return rows
}
