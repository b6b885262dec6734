package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// The bounds of a derived secret in bytes, which the service has too.
const (
	minSecret = 14
	maxSecret = 1024
)

func kdfs() []string { return []string{"hkdf-sha256", "hkdf-sha384", "hkdf-sha512"} }

func (c *commands) derive() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "derive --key NAME|ID --out FILE",
		Short: "Derive a secret with a key",
		Long: `Derive writes the secret that a key makes of what the flags say: the same each time. The
file can be read by you alone; --out - is standard output.

A key of HKDF-SHA256, HKDF-SHA384 or HKDF-SHA512 takes --length with --info and --salt-file
(RFC 5869): one secret for each purpose that --info names.

A key of ECDH takes --peer, the public key of the other side, and writes the raw shared
secret, or with --kdf what HKDF makes of it. Not even a raw one is fit to be a key by itself:
prefer --kdf.`,
		Example: `  kms-server derive --key tenants --info tenant=acme --length 32 --out acme.key
  kms-server derive --key meeting --peer bob.pem --kdf hkdf-sha256 --info chat \
    --length 32 --out chat.key`,
		Args: cobra.NoArgs,
	}
	var (
		key      = cmd.Flags().String("key", "", "name or id of the key")
		out      = cmd.Flags().String("out", "", "file for the secret, or - for standard output")
		length   = cmd.Flags().Int("length", 0, "bytes of the secret, 14 to 1024; not with a raw shared secret")
		info     = cmd.Flags().String("info", "", "what the secret is for, as a text")
		infoFile = cmd.Flags().String("info-file", "", "file with what the secret is for, as bytes")
		salt     = cmd.Flags().String("salt-file", "", "file with the salt, as bytes")
		peer     = cmd.Flags().String("peer", "", "file with the public key of the other side, a JWK or PEM")
		kdf      = cmd.Flags().String("kdf", "", "what makes a secret of the shared one: hkdf-sha256, hkdf-sha384 or hkdf-sha512")
		version  = cmd.Flags().Int64("version", 0, "version of the key (default the primary one)")
		form     = addOctetForm(cmd, "the secret", formRaw)
	)
	cmd.MarkFlagsMutuallyExclusive("info", "info-file")
	clientcli.Require(cmd, "key", "out")
	clientcli.Complete(cmd, "kdf", kdfs()...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("format", *form, octetForms()...); err != nil {
			return err
		}
		if *kdf != "" {
			if err := clientcli.OneOf("kdf", *kdf, kdfs()...); err != nil {
				return err
			}
		}
		if err := checkVersion(*version); err != nil {
			return err
		}
		if cmd.Flags().Changed("length") && (*length < minSecret || *length > maxSecret) {
			return cli.Usage("--length must be %d to %d", minSecret, maxSecret)
		}
		request := client.DeriveRequest{}
		if *length != 0 {
			request.Length = length
		}
		if *version != 0 {
			request.Version = version
		}
		if *kdf != "" {
			request.Kdf = new(client.DeriveRequestKdf(*kdf))
		}
		if err := derivation(cmd, &request, *info, *infoFile, *salt, *peer); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				secret, err := kms.Derive(cmd.Context(), *key, request)
				if err != nil {
					return err
				}
				defer clear(secret)
				return writeOctets(to, *form, secret)
			})
		})
	}
	return cmd
}

// derivation reads what a secret is derived of.
func derivation(cmd *cobra.Command, request *client.DeriveRequest, info, infoFile, salt, peer string) error {
	if info != "" {
		request.Info = new(client.EncodeBytes([]byte(info)))
	}
	for path, member := range map[string]**client.Bytes{infoFile: &request.Info, salt: &request.Salt} {
		content, err := fromFile(cmd, path)
		if err != nil {
			return err
		}
		if content != nil {
			*member = new(client.EncodeBytes(content))
		}
	}
	if peer == "" {
		return nil
	}
	public, err := clientcli.ReadPublicJWK(cmd, peer)
	if err != nil {
		return err
	}
	request.Peer = &public
	return nil
}

func (c *commands) encapsulate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "encapsulate --key NAME|ID --secret-out FILE",
		Short: "Make a secret that is shared with an ML-KEM key",
		Long: `Encapsulate makes a secret of 32 bytes for you and for whoever may use the ML-KEM key (FIPS
203). What it writes is the ciphertext, from which "decapsulate" gets the secret; the secret
itself goes into the file of --secret-out, which you alone can read.`,
		Example: "  kms-server encapsulate --key mailbox --out message.kem --secret-out message.key",
		Args:    cobra.NoArgs,
	}
	key := cmd.Flags().String("key", "", "name or id of the key")
	out := cmd.Flags().String("out", "", "file for the ciphertext (default standard output)")
	secretOut := cmd.Flags().String("secret-out", "", "file for the secret, or - for standard output")
	form := addOctetForm(cmd, "ciphertext and secret", formRaw)
	clientcli.Require(cmd, "key", "secret-out")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("format", *form, octetForms()...); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.ProduceAll(cmd, func(to []*clientcli.Destination) error {
				secret, ciphertext, err := kms.Encapsulate(cmd.Context(), *key)
				if err != nil {
					return err
				}
				defer clear(secret)
				if err := writeOctets(to[1], *form, secret); err != nil {
					return err
				}
				return writeOctets(to[0], *form, ciphertext)
			}, clientcli.Output{Flag: "out", Path: *out}, clientcli.Output{Flag: "secret-out", Path: *secretOut})
		})
	}
	return cmd
}

func (c *commands) decapsulate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "decapsulate --key NAME|ID --out FILE",
		Short: "Get the secret that encapsulate shared",
		Long: `Decapsulate gets the secret out of what encapsulate, or anybody with the public key, has
made. A ciphertext that was made for another key or version, or was altered, gives another
secret, not an error (FIPS 203): what the secret opens tells.`,
		Example: `  kms-server decapsulate --key mailbox --in message.kem --out message.key
  kms-server decapsulate --key mailbox --in message.kem --version 1 --format hex --out -`,
		Args: cobra.NoArgs,
	}
	key := cmd.Flags().String("key", "", "name or id of the key")
	in := cmd.Flags().String("in", "", "file with the ciphertext (default standard input)")
	out := cmd.Flags().String("out", "", "file for the secret, or - for standard output")
	version := cmd.Flags().Int64("version", 0, "version of the key that it was made for (default the primary one)")
	form := addOctetForm(cmd, "ciphertext and secret", formRaw)
	clientcli.Require(cmd, "key", "out")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("format", *form, octetForms()...); err != nil {
			return err
		}
		if err := checkVersion(*version); err != nil {
			return err
		}
		text, err := clientcli.ReadSmall(cmd, *in)
		if err != nil {
			return err
		}
		ciphertext, err := readOctets("the ciphertext", *form, text)
		if err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				secret, err := kms.Decapsulate(cmd.Context(), *key, ciphertext, *version)
				if err != nil {
					return err
				}
				defer clear(secret)
				return writeOctets(to, *form, secret)
			})
		})
	}
	return cmd
}
