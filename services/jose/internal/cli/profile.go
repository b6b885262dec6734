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

// profile is the command that holds those about profiles.
func (c *commands) profile() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "Create, list, change and delete profiles, by which tokens are issued and verified",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(c.profileCreate(), c.profileList(), c.profileGet(), c.profileUpdate(), c.profileDelete())
	return cmd
}

// addProfileSettings adds the flags for all of a profile but its name.
func addProfileSettings(cmd *cobra.Command) *clientcli.Settings {
	s := new(clientcli.Settings)
	list := func(flag, member, usage string) {
		value := cmd.Flags().StringSlice(flag, nil, usage)
		s.Add(clientcli.Setting{Flag: flag, Member: member, Value: func() (any, error) { return clientcli.Items(*value), nil }})
	}
	reference := func(flag, member, usage string) {
		value := cmd.Flags().String(flag, "", usage)
		s.Add(clientcli.Setting{Flag: flag, Member: member, Value: func() (any, error) {
			if *value == "" {
				return nil, nil //nolint:nilnil // null takes the member away (RFC 7396)
			}
			return *value, nil
		}})
	}
	s.Text(cmd, "description", "description", "what the profile is for")
	reference("key", "key", "name or id of the key that signs and verifies")
	reference("encryption-key", "encryption_key", "name or id of the key that tokens are encrypted to once they are signed")
	s.Count(cmd, "max-inflated", "max_inflated_bytes", "with --encryption-key: accept compressed tokens that inflate to at most so many bytes, 0 for none (default none)")
	reference("jwks-uri", "jwks_uri", "instead of --key: the https URL of somebody else's key set, by which tokens are verified")
	addTrust(cmd, s)
	list("algorithms", "algorithms", "with --jwks-uri and --trust-...: the signature algorithms that are accepted, such as ES256,PS256")
	s.Text(cmd, "typ", "typ", "the header's typ (default JWT)")
	s.Choice(cmd, "eddsa", "eddsa", "tokens say EdDSA instead of Ed25519 (RFC 9864), for clients that need the old name")
	s.Choice(cmd, "certificate-chain", "certificate_chain", "tokens carry the certificates of the key (x5c) while it has valid ones")
	s.Text(cmd, "issuer", "issuer", "who issues the tokens (iss)")
	list("audience", "audience", "for whom tokens may be (aud)")
	addSeconds(cmd, s, "lifetime", "lifetime_seconds", "how long tokens live, at most what the key allows (default 5m)")
	addSeconds(cmd, s, "clock-skew", "clock_skew_seconds", "by how much another clock may differ (default 30s)")
	list("required-claims", "required_claims", "claims that a token must have, such as sub")
	s.Choice(cmd, "revocation", "revocation", "tokens can be revoked by their jti; each verification looks")
	return s
}

func (c *commands) profileCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create --name NAME --issuer ISSUER --audience AUDIENCE,...",
		Short: "Create a profile and print its id",
		Long: `Create makes a profile, which settles what tokens must be: their key, issuer, audience, type,
lifetime and claims. It has a --key of your tenant's, or the --jwks-uri of somebody else's keys
with the --algorithms that they are trusted for; such a profile issues nothing.

Where the tokens of somebody else bring their key along in the header, or point to it, the
profile says which is trusted: keys by --trust-thumbprint, certificates by --trust-anchors and
--trust-name, addresses, to the letter, by --trust-jku and --trust-x5u.`,
		Example: `  jose-server profile create --name access --key tokens --typ at+jwt \
    --issuer https://shop.example --audience api,web --lifetime 10m --revocation
  jose-server profile create --name partner --issuer https://partner.example --audience api \
    --jwks-uri https://partner.example/jwks.json --algorithms ES256,PS256
  jose-server profile create --name devices --issuer https://fleet.example --audience api \
    --trust-anchors fleet.pem --trust-name tokens.fleet.example --algorithms ES256`,
		Args: clientcli.NoArguments,
	}
	var spec client.CreateProfile
	cmd.Flags().StringVar(&spec.Name, "name", "", "name of the profile: a-z 0-9 . _ -, at most 63 characters")
	settings := addProfileSettings(cmd)
	output := cli.AddOutputFlag(cmd)
	clientcli.Require(cmd, "name", "issuer", "audience")
	cmd.MarkFlagsMutuallyExclusive("key", "jwks-uri")
	cmd.MarkFlagsOneRequired(append([]string{"key", "jwks-uri"}, trustFlags()...)...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settings.Complete(cmd, &spec); err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			created, err := jose.CreateProfile(cmd.Context(), spec)
			if err != nil {
				return err
			}
			return writeID(cmd, *output, created.ID, created)
		})
	}
	return cmd
}

func (c *commands) profileList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List profiles",
		Long:    "List shows the profiles of your tenant in order of creation.",
		Example: "  jose-server profile list\n  jose-server profile list --output json",
		Args:    clientcli.NoArguments,
	}
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.CheckLimit(*limit); err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			profiles, err := clientcli.Collect(jose.ListProfiles(cmd.Context()), *limit)
			if err != nil {
				return err
			}
			rows := [][]string{{"NAME", "ID", "TYP", "ISSUER", "AUDIENCE", "LIFETIME"}}
			for _, p := range profiles {
				rows = append(rows, []string{p.Name, p.ID, p.Typ, p.Issuer, strings.Join(p.Audience, " "), clientcli.DaysText(p.LifetimeSeconds)})
			}
			return output.Write(cmd.OutOrStdout(), client.ProfilePage{Items: profiles}, rows)
		})
	}
	return cmd
}

func (c *commands) profileGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get NAME|ID",
		Short:   "Show a profile",
		Example: "  jose-server profile get access",
		Args:    oneProfile,
	}
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(jose *client.JOSE) error {
			profile, err := jose.GetProfile(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), profile, profileRows(*profile))
		})
	}
	return cmd
}

func (c *commands) profileUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "update NAME|ID",
		Short: "Change a profile",
		Long: `Update changes what the flags name and leaves the rest. An empty text takes a member away:
--encryption-key "" has tokens signed alone.`,
		Example: `  jose-server profile update access --lifetime 5m --required-claims sub
  jose-server profile update access --encryption-key letters`,
		Args: oneProfile,
	}
	settings := addProfileSettings(cmd)
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		patch, err := settings.Change(cmd)
		if err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			profile, err := jose.UpdateProfile(cmd.Context(), args[0], updateAgain, func(client.Profile) (client.Patch, error) { return patch, nil })
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), profile, profileRows(*profile))
		})
	}
	return cmd
}

func (c *commands) profileDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete NAME|ID",
		Short: "Delete a profile with its revocations",
		Long: `Delete removes a profile with its revocations. Tokens that it issued are verified by it no
more; a new profile of the same name does not know which of them were revoked.`,
		Example: "  jose-server profile delete access",
		Args:    oneProfile,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(jose *client.JOSE) error {
			if err := jose.DeleteProfile(cmd.Context(), args[0]); err != nil {
				return err
			}
			return cli.WriteLine(cmd.OutOrStdout(), cli.Printable("profile "+args[0]+" is deleted"))
		})
	}
	return cmd
}

// profileRows is a profile as a table. What says nothing of it is left out.
func profileRows(p client.Profile) [][]string {
	rows := [][]string{{"ID", p.ID}, {"Name", p.Name}}
	for _, row := range [][]string{
		{"Description", p.Description},
		{"Key", clientcli.TextOf(p.Key)},
		{"Encryption key", clientcli.TextOf(p.EncryptionKey)},
		{"Inflates to", inflatedText(p)},
		{"JWKS URI", clientcli.TextOf(p.JwksURI)},
		{"Algorithms", algorithmsText(p)},
	} {
		if row[1] != "" {
			rows = append(rows, row)
		}
	}
	rows = append(rows, trustRows(p.TrustedKeys)...)
	return append(rows, [][]string{
		{"Typ", p.Typ},
		{"EdDSA", strconv.FormatBool(p.Eddsa)},
		{"Certificate chain", strconv.FormatBool(p.CertificateChain)},
		{"Issuer", p.Issuer},
		{"Audience", strings.Join(p.Audience, " ")},
		{"Lifetime", clientcli.DaysText(p.LifetimeSeconds)},
		{"Clock skew", clientcli.DaysText(p.ClockSkewSeconds)},
		{"Required claims", strings.Join(p.RequiredClaims, " ")},
		{"Revocation", strconv.FormatBool(p.Revocation)},
		{"Created", p.CreatedAt},
		{"Updated", p.UpdatedAt},
	}...)
}

func inflatedText(p client.Profile) string {
	if p.MaxInflatedBytes == nil {
		return ""
	}
	return fmt.Sprintf("at most %d bytes", *p.MaxInflatedBytes)
}

func algorithmsText(p client.Profile) string {
	if p.Algorithms == nil {
		return ""
	}
	return strings.Join(*p.Algorithms, " ")
}
