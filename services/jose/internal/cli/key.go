package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// key is the command that holds those about keys.
func (c *commands) key() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Create, list, change, move and end keys",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(
		c.keyCreate(), c.keyImport(), c.keyAdopt(), c.keyList(), c.keyGet(), c.keyUpdate(), c.keyEnable(), c.keyDisable(), c.keyRotate(), c.keyDestroy(),
		c.keyVersion(), c.keyPublic(), c.keyExport(), c.keyExportSet(), c.keyCSR(), c.keyCertificate(),
	)
	return cmd
}

func (c *commands) keyCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create --name NAME --algorithm ALGORITHM",
		Short: "Create a key and print its id",
		Long: `Create makes a key with its first version, which is active at once, and prints its id.

The algorithm of a key that signs is a JWA name, such as ES256, PS256, Ed25519 or HS256; that
of a key that encrypts is ENC/ALG, such as A256GCM/A256KW, A256GCM/RSA-OAEP-256 or
A256GCM/ECDH-ES+A256KW.

The public part stands in the tenant's key set ("jwks") unless it is --published=false. Whether
versions may leave (--exportable) is settled here; "key update" changes all else.`,
		Example: `  jose-server key create --name tokens --algorithm ES256
  jose-server key create --name letters --algorithm A256GCM/ECDH-ES+A256KW --curve P-384
  jose-server key create --name box --algorithm A256GCM/RSA-OAEP-256 --key-size 4096 \
    --exportable --token-lifetime 12h`,
		Args: clientcli.NoArguments,
	}
	var (
		spec       client.CreateKey
		keySize    = cmd.Flags().Int("key-size", 0, "bits of an RSA modulus: 2048, 3072 or 4096 (default 3072)")
		curve      = cmd.Flags().String("curve", "", "curve of an ECDH-ES key: P-256, P-384 or P-521 (default P-256)")
		exportable = cmd.Flags().Bool("exportable", false, "versions may leave, encrypted; this cannot be changed later")
		settings   = addKeySettings(cmd)
		output     = cli.AddOutputFlag(cmd)
	)
	cmd.Flags().StringVar(&spec.Name, "name", "", "name of the key: a-z 0-9 . _ -, at most 63 characters")
	cmd.Flags().StringVar(&spec.Algorithm, "algorithm", "", "algorithm of the key")
	clientcli.Require(cmd, "name", "algorithm")
	clientcli.Complete(cmd, "key-size", "2048", "3072", "4096")
	clientcli.Complete(cmd, "curve", "P-256", "P-384", "P-521")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settings.Complete(cmd, &spec); err != nil {
			return err
		}
		spec.Exportable = given(*exportable)
		spec.KeySize = given(client.CreateKeyKeySize(*keySize))
		spec.Curve = given(client.CreateKeyCurve(*curve))
		return c.call(cmd, func(jose *client.JOSE) error {
			created, err := jose.CreateKey(cmd.Context(), spec)
			if err != nil {
				return err
			}
			return writeID(cmd, *output, created.ID, created)
		})
	}
	return cmd
}

// writeID writes the id of what was made, or all of it as JSON.
func writeID(cmd *cobra.Command, output cli.Output, id string, made any) error {
	if output == cli.OutputJSON {
		return cli.WriteJSON(cmd.OutOrStdout(), made)
	}
	return cli.WriteLine(cmd.OutOrStdout(), id)
}

// addKeySettings adds the flags for what a key says of itself and "key update" can change.
func addKeySettings(cmd *cobra.Command) *clientcli.Settings {
	s := new(clientcli.Settings)
	s.Text(cmd, "description", "description", "what the key is for")
	s.Choice(cmd, "published", "published", "the public part stands in the tenant's key set (default true where there is one)")
	addSeconds(cmd, s, "token-lifetime", "token_lifetime_seconds", "the longest that tokens signed with the key may live, such as 12h (default 1d)")
	return s
}

// addSeconds adds a flag for a duration that the API has in seconds.
func addSeconds(cmd *cobra.Command, s *clientcli.Settings, flag, member, usage string) {
	value := cmd.Flags().String(flag, "", usage)
	s.Add(clientcli.Setting{Flag: flag, Member: member, Value: func() (any, error) { return clientcli.Seconds(flag, *value) }})
}

func (c *commands) keyGet() *cobra.Command {
	return c.aboutKey(&cobra.Command{
		Use:     "get NAME|ID",
		Short:   "Show a key",
		Long:    "Get shows a key, which its name, its id or the kid of one of its versions names.",
		Example: "  jose-server key get tokens",
	}, (*client.JOSE).GetKey, keyRows)
}

func (c *commands) keyPublic() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "public NAME|ID",
		Short: "Print the public part of a key",
		Example: `  jose-server key public tokens > tokens.pem
  jose-server key public tokens --format jwk --version 1`,
		Args: clientcli.OneKey,
	}
	format := cmd.Flags().String("format", "pem", "pem (SubjectPublicKeyInfo) or jwk")
	version := cmd.Flags().Int64("version", 0, "version of the key (default the active one)")
	out := cmd.Flags().String("out", "", "file to write (default standard output)")
	clientcli.Complete(cmd, "format", "pem", "jwk")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("format", *format, "pem", "jwk"); err != nil {
			return err
		}
		if *version < 0 {
			return cli.Usage("--version must be 1 or more")
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				public, err := jose.PublicKey(cmd.Context(), args[0], *version)
				switch {
				case err != nil:
					return err
				case *format == "jwk":
					return cli.WriteJSON(to, public.JWK)
				default:
					return cli.WriteLine(to, trimmed(public.PEM))
				}
			})
		})
	}
	return cmd
}
