package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// jwt is the command that holds those about tokens.
func (c *commands) jwt() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jwt",
		Short: "Issue, verify and revoke tokens (RFC 7519)",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(c.jwtIssue(), c.jwtVerify(), c.jwtRevoke())
	return cmd
}

// tokenFlags say what a token is issued with, beside what its profile settles.
type tokenFlags struct {
	profile, subject, lifetime, claims string
	audience                           []string
}

func addTokenFlags(cmd *cobra.Command) *tokenFlags {
	f := new(tokenFlags)
	flags := cmd.Flags()
	flags.StringVar(&f.profile, "profile", "", "name or id of the profile")
	flags.StringVar(&f.subject, "subject", "", "whom the token is about (sub)")
	flags.StringSliceVar(&f.audience, "audience", nil, "for whom it is, among those of the profile (default all of them)")
	flags.StringVar(&f.lifetime, "lifetime", "", "how long it lives, such as 5m (default what the profile says, which is the most)")
	flags.StringVar(&f.claims, "claims", "", "file with a JSON object of further claims, or - for standard input")
	clientcli.Require(cmd, "profile")
	return f
}

// seconds is the lifetime, nil for the profile's.
func (f *tokenFlags) seconds() (*int64, error) {
	if f.lifetime == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	seconds, err := clientcli.Seconds("lifetime", f.lifetime)
	if err == nil && seconds == 0 {
		return nil, cli.Usage("--lifetime must be a second or more")
	}
	return &seconds, err
}

func (c *commands) jwtIssue() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "issue --profile NAME|ID",
		Short: "Issue a token by a profile",
		Long: `Issue writes a token whose key, issuer and type the profile settles, with a new jti: a line of
text. A profile with an encryption key has it encrypted too. With --output json it writes the
jti and the expiry besides, which "jwt revoke" takes.

Whoever has the token can use it: --out writes a file that you alone can read.`,
		Example: `  jose-server jwt issue --profile access --subject ada --out ada.jwt
  echo '{"role":"clerk"}' | jose-server jwt issue --profile access --subject ada --claims -
  jose-server jwt issue --profile access --audience api --lifetime 1m --output json`,
		Args: clientcli.NoArguments,
	}
	token := addTokenFlags(cmd)
	out := cmd.Flags().String("out", "", "file to write (default standard output)")
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		ask := client.IssueRequest{Profile: token.profile, Subject: given(token.subject), Audience: listed(token.audience)}
		if ask.LifetimeSeconds, err = token.seconds(); err != nil {
			return err
		}
		if ask.Claims, err = readObject(cmd, "claims", token.claims); err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				issued, err := jose.IssueJWT(cmd.Context(), ask)
				if err != nil {
					return err
				}
				return writeText(to, *output, issued.Token, issued)
			})
		})
	}
	return cmd
}

func (c *commands) jwtVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify --profile NAME|ID",
		Short: "Verify a token by a profile and print its claims",
		Long: `Verify checks a token by everything that its profile demands and prints its claims as JSON;
with --output json within all that the service answers. A token that is refused prints nothing,
the error says why, and the exit status is 1. The token is read from a file or standard input,
never from the command line, which others on the machine can see.`,
		Example: `  jose-server jwt verify --profile access --in ada.jwt
  jose-server jwt issue --profile access --subject ada |
    jose-server jwt verify --profile access`,
		Args: clientcli.NoArguments,
	}
	profile := cmd.Flags().String("profile", "", "name or id of the profile")
	in := cmd.Flags().String("in", "", "file with the token (default standard input)")
	output := cli.AddOutputFlag(cmd)
	clientcli.Require(cmd, "profile")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		token, err := readText(cmd, *in, maxToken, "token")
		if err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			verified, err := jose.VerifyJWT(cmd.Context(), *profile, token)
			switch {
			case err != nil:
				return err
			case *output == cli.OutputJSON:
				return cli.WriteJSON(cmd.OutOrStdout(), verified)
			default:
				return cli.WriteJSON(cmd.OutOrStdout(), verified.Claims)
			}
		})
	}
	return cmd
}

func (c *commands) jwtRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke --profile NAME|ID --jti ID",
		Short: "Have a token of a profile refused",
		Long: `Revoke has "jwt verify" and "sd-jwt verify" refuse the token with this jti, on every replica.
The profile must have been made with --revocation. The jti is among a token's claims, and what
"jwt issue --output json" prints. --expires, the token's exp, says how long the revocation is
kept.`,
		Example: `  jose-server jwt revoke --profile access --jti 019a4d2e-6c01-7a3b-9f10-3c5d7e9fab01
  jose-server jwt revoke --profile access --jti 42 --expires 2027-01-31T12:00:00Z`,
		Args: clientcli.NoArguments,
	}
	profile := cmd.Flags().String("profile", "", "name or id of the profile")
	id := cmd.Flags().String("jti", "", "jti of the token")
	expires := cmd.Flags().String("expires", "", "when the token expires, as in RFC 3339 (default the longest that tokens live)")
	output := cli.AddOutputFlag(cmd)
	clientcli.Require(cmd, "profile", "jti")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var at time.Time
		if *expires != "" {
			var err error
			if at, err = time.Parse(time.RFC3339, *expires); err != nil {
				return cli.Usage("--expires %q is no time: write it as 2027-01-31T12:00:00Z", *expires)
			}
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			revoked, err := jose.RevokeToken(cmd.Context(), *profile, *id, at)
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), revoked, [][]string{{"token " + revoked.Jti + " is refused, and forgotten at " + revoked.ExpiresAt}})
		})
	}
	return cmd
}
