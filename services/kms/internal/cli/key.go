package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// key is the command that holds those about keys.
func (c *commands) key() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Create, list, change and end keys",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(
		c.keyCreate(), c.keyList(), c.keyGet(), c.keyUpdate(), c.keyTag(), c.keyEnable(), c.keyDisable(), c.keyDelete(), c.keyCancelDeletion(),
		c.keyRetry(), c.keyRotate(), c.keyVersion(), c.keyAlias(), c.keyPublic(), c.keyExport(), c.keyGrant(),
	)
	return cmd
}

func (c *commands) keyCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create --name NAME --algorithm ALGORITHM",
		Short: "Create a key and print its id",
		Long: `Create makes an elastic key with its first version and prints its id.

The algorithm of a key that encrypts is ENC/ALG, such as A256GCM/A256KW,
A256GCM/RSA-OAEP-256 or A256GCM/ECDH-ES+A256KW; that of a key that signs is a JWA
name, such as ES256, PS256, Ed25519 or HS256.

With --no-wait the command does not wait for a large RSA key to be generated: "key get" tells
when it is active.

Whether versions may leave (--exportable) and come from elsewhere (--origin imported)
is settled here; "key update" changes all else.`,
		Example: `  kms-server key create --name payroll --algorithm A256GCM/A256KW
  kms-server key create --name releases --algorithm ES256 --description "signs releases"
  kms-server key create --name box --algorithm A256GCM/RSA-OAEP-256 --key-size 4096 --no-wait
  kms-server key create --name ledger --algorithm A256GCM/dir --rotate-every 90d --tag team=hr`,
		Args: cobra.NoArgs,
	}
	var (
		spec       client.CreateElasticKey
		keySize    = cmd.Flags().Int("key-size", 0, "bits of an RSA modulus: 2048, 3072 or 4096 (default 3072)")
		curve      = cmd.Flags().String("curve", "", "curve of an ECDH-ES key: P-256, P-384 or P-521 (default P-256)")
		origin     = cmd.Flags().String("origin", "", "generated, or imported: the first version is brought (default generated)")
		exportable = cmd.Flags().Bool("exportable", false, "versions may leave, wrapped for somebody; this cannot be changed later")
		later      = cmd.Flags().Bool("no-wait", false, "do not wait for what takes seconds to generate; the key is pending_generate until it is active")
		tags       = cmd.Flags().StringArray("tag", nil, "NAME=VALUE by which the key is found; may be given many times")
		settings   = addSettings(cmd)
		format     = addOutputFlag(cmd)
	)
	cmd.Flags().StringVar(&spec.Name, "name", "", "name of the key: a-z 0-9 . _ -, at most 63 characters")
	cmd.Flags().StringVar(&spec.Algorithm, "algorithm", "", "algorithm of the key")
	clientcli.Require(cmd, "name", "algorithm")
	clientcli.Complete(cmd, "key-size", "2048", "3072", "4096")
	clientcli.Complete(cmd, "curve", "P-256", "P-384", "P-521")
	clientcli.Complete(cmd, "origin", string(client.KeyOriginGenerated), string(client.KeyOriginImported))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		if err := settings.Complete(cmd, &spec); err != nil {
			return err
		}
		if len(*tags) > 0 {
			parsed, err := parsePairs("--tag", *tags)
			if err != nil {
				return err
			}
			spec.Tags = new(client.Tags(parsed))
		}
		if *origin != "" {
			if err := clientcli.OneOf("origin", *origin, string(client.KeyOriginGenerated), string(client.KeyOriginImported)); err != nil {
				return err
			}
			spec.Origin = new(client.KeyOrigin(*origin))
		}
		if *exportable {
			spec.Exportable = exportable
		}
		if *keySize != 0 {
			spec.KeySize = new(client.CreateElasticKeyKeySize(*keySize))
		}
		if *curve != "" {
			spec.Curve = new(client.CreateElasticKeyCurve(*curve))
		}
		return c.call(cmd, func(kms *client.KMS) error {
			created, err := creation(*later)(kms, cmd.Context(), spec)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), created)
			}
			return cli.WriteLine(cmd.OutOrStdout(), created.ID)
		})
	}
	return cmd
}

// creation is how a key is made, with a wait for what takes seconds or without.
func creation(later bool) func(*client.KMS, context.Context, client.CreateElasticKey) (*client.ElasticKey, error) {
	if later {
		return (*client.KMS).CreateKeyLater
	}
	return (*client.KMS).CreateKey
}

func (c *commands) keyGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get NAME|ID",
		Short:   "Show a key",
		Example: "  kms-server key get payroll",
		Args:    clientcli.OneKey,
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			key, err := kms.GetKey(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), key)
			}
			return cli.WriteTable(cmd.OutOrStdout(), keyRows(*key))
		})
	}
	return cmd
}

func (c *commands) keyRotate() *cobra.Command {
	cmd := c.adding("rotate", (*client.KMS).RotateKey)
	cmd.Long = `Rotate adds a version to the key, makes it the primary one and prints its number.
From then on the key encrypts and signs with it; older versions still decrypt and
verify.`
	cmd.Example = "  kms-server key rotate payroll"
	return cmd
}

// adding is a command that adds a version to a key.
func (c *commands) adding(verb string, add func(*client.KMS, context.Context, string) (*client.MaterialKey, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use:   verb + " NAME|ID",
		Short: "Add a version to a key and print its number",
		Args:  clientcli.OneKey,
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			version, err := add(kms, cmd.Context(), args[0])
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

func (c *commands) keyPublic() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "public NAME|ID",
		Short:   "Print the public part of a key",
		Example: "  kms-server key public releases > releases.pem\n  kms-server key public releases --format jwk --version 1",
		Args:    clientcli.OneKey,
	}
	format := cmd.Flags().String("format", "pem", "pem (SubjectPublicKeyInfo) or jwk")
	version := cmd.Flags().Int64("version", 0, "version of the key (default the primary one)")
	clientcli.Complete(cmd, "format", "pem", "jwk")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("format", *format, "pem", "jwk"); err != nil {
			return err
		}
		if *version < 0 {
			return cli.Usage("--version must be 1 or more")
		}
		return c.call(cmd, func(kms *client.KMS) error {
			public, err := kms.PublicKey(cmd.Context(), args[0], *version)
			if err != nil {
				return err
			}
			if *format == "jwk" {
				return cli.WriteJSON(cmd.OutOrStdout(), public.JWK)
			}
			return cli.WriteLine(cmd.OutOrStdout(), strings.TrimRight(public.PEM, "\n"))
		})
	}
	return cmd
}
