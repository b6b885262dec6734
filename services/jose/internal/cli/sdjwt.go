package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// sdJWT is the command that holds those about tokens whose holder chooses what a verifier sees.
func (c *commands) sdJWT() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sd-jwt",
		Short: "Issue, present and verify Selective Disclosure JWTs (RFC 9901)",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(c.sdJWTIssue(), c.sdJWTPresent(), c.sdJWTVerify())
	return cmd
}

func (c *commands) sdJWTIssue() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "issue --profile NAME|ID --claims FILE",
		Short: "Issue a token whose holder chooses what to show",
		Long: `Issue writes a Selective Disclosure JWT with all its disclosures, for the holder: a line of
text. Each --selective is a JSON pointer (RFC 6901) to a claim that the holder may show or keep
to himself; what lies within it goes with it, or is selective too.

--holder names a file with the holder's public key, a JWK or PEM: "sd-jwt present" then proves
that the token is his.`,
		Example: `  jose-server sd-jwt issue --profile card --subject ada --claims ada.json \
    --selective /name --selective /address --selective /address/street \
    --holder wallet.pem --decoys 2 --out ada.sd-jwt`,
		Args: clientcli.NoArguments,
	}
	var (
		token     = addTokenFlags(cmd)
		selective = cmd.Flags().StringArray("selective", nil, "JSON pointer to a claim that is disclosed selectively; may be given many times")
		holder    = cmd.Flags().String("holder", "", "file with the holder's public key, a JWK or PEM")
		decoys    = cmd.Flags().Int("decoys", 0, "digests of nothing that each object and list gets that hides something, at most 100")
		hash      = cmd.Flags().String("hash", "", "sha-256, sha-384 or sha-512 (default sha-256)")
		out       = cmd.Flags().String("out", "", "file to write (default standard output)")
		output    = cli.AddOutputFlag(cmd)
	)
	hashes := []string{string(client.IssueSDJWTHashSha256), string(client.IssueSDJWTHashSha384), string(client.IssueSDJWTHashSha512)}
	clientcli.Require(cmd, "claims")
	clientcli.Complete(cmd, "hash", hashes...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if *hash != "" {
			if err := clientcli.OneOf("hash", *hash, hashes...); err != nil {
				return err
			}
		}
		if err := oneStdin(token.claims, *holder); err != nil {
			return err
		}
		ask := client.IssueSDJWT{
			Profile: token.profile, Subject: given(token.subject), Audience: listed(token.audience),
			Selective: clientcli.Items(*selective), Decoys: given(*decoys), Hash: given(client.IssueSDJWTHash(*hash)),
		}
		if err := token.complete(cmd, &ask, *holder); err != nil {
			return err
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				issued, err := jose.IssueSDJWT(cmd.Context(), ask)
				if err != nil {
					return err
				}
				return writeText(to, *output, issued.Token, issued)
			})
		})
	}
	return cmd
}

// complete adds what lies in files.
func (f *tokenFlags) complete(cmd *cobra.Command, ask *client.IssueSDJWT, holder string) (err error) {
	if ask.LifetimeSeconds, err = f.seconds(); err != nil {
		return err
	}
	claims, err := readObject(cmd, "claims", f.claims)
	switch {
	case err != nil:
		return err
	case claims == nil:
		return cli.Usage("--claims is empty: name the file with the claims, or - for standard input")
	}
	ask.Claims = *claims
	if holder == "" {
		return nil
	}
	public, err := clientcli.ReadPublicJWK(cmd, holder)
	if err != nil {
		return err
	}
	ask.HolderJWK = new(public)
	return nil
}

func (c *commands) sdJWTPresent() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "present",
		Short: "Choose what of a token a verifier sees",
		Long: `Present writes the token with the disclosures of the claims that --disclose names, and no
others. Nothing is verified. With --key, the holder's, --audience and the --nonce that the
verifier gave, it proves that the token is the holder's.`,
		Example: `  jose-server sd-jwt present --in ada.sd-jwt --disclose /address --out shown.sd-jwt
  jose-server sd-jwt present --in ada.sd-jwt --disclose /name --key wallet \
    --audience https://bar.example --nonce n-1`,
		Args: clientcli.NoArguments,
	}
	var (
		in       = cmd.Flags().String("in", "", "file with the token (default standard input)")
		disclose = cmd.Flags().StringArray("disclose", nil, "JSON pointer to a claim to show; may be given many times (default nothing)")
		key      = cmd.Flags().String("key", "", "name or id of the holder's key")
		audience = cmd.Flags().String("audience", "", "the verifier; with --key")
		nonce    = cmd.Flags().String("nonce", "", "what the verifier gave; with --key")
		out      = cmd.Flags().String("out", "", "file to write (default standard output)")
		output   = cli.AddOutputFlag(cmd)
	)
	cmd.MarkFlagsRequiredTogether("key", "audience", "nonce")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		token, err := readText(cmd, *in, maxSDJWT, "token")
		if err != nil {
			return err
		}
		ask := client.PresentSDJWT{
			Token: token, Disclose: clientcli.Items(*disclose), Key: given(*key), Audience: given(*audience), Nonce: given(*nonce),
		}
		return c.call(cmd, func(jose *client.JOSE) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				presented, err := jose.PresentSDJWT(cmd.Context(), ask)
				if err != nil {
					return err
				}
				return writeText(to, *output, presented.Token, presented)
			})
		})
	}
	return cmd
}

func (c *commands) sdJWTVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify --profile NAME|ID",
		Short: "Verify what was presented and print the claims",
		Long: `Verify checks a token by everything that its profile demands and prints the claims that are
disclosed as JSON; with --output json within all that the service answers. With --audience and
--nonce the holder's proof must be there and be for them. A token that is refused prints
nothing, the error says why, and the exit status is 1.`,
		Example: `  jose-server sd-jwt verify --profile card --in shown.sd-jwt
  jose-server sd-jwt verify --profile card --in shown.sd-jwt \
    --audience https://bar.example --nonce n-1 --max-age 1m`,
		Args: clientcli.NoArguments,
	}
	var (
		ask      client.VerifySDJWT
		in       = cmd.Flags().String("in", "", "file with the token (default standard input)")
		audience = cmd.Flags().String("audience", "", "you, for whom the proof must be")
		nonce    = cmd.Flags().String("nonce", "", "what you gave the holder")
		age      = cmd.Flags().String("max-age", "", "how old the proof may be (default 5m)")
		output   = cli.AddOutputFlag(cmd)
	)
	cmd.Flags().StringVar(&ask.Profile, "profile", "", "name or id of the profile")
	clientcli.Require(cmd, "profile")
	cmd.MarkFlagsRequiredTogether("audience", "nonce")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := bind(&ask, *audience, *nonce, *age); err != nil {
			return err
		}
		token, err := readText(cmd, *in, maxSDJWT, "token")
		if err != nil {
			return err
		}
		ask.Token = token
		return c.call(cmd, func(jose *client.JOSE) error {
			verified, err := jose.VerifySDJWT(cmd.Context(), ask)
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

// bind demands the holder's proof.
func bind(ask *client.VerifySDJWT, audience, nonce, age string) error {
	if audience == "" {
		if age != "" {
			return cli.Usage("--max-age goes with --audience and --nonce")
		}
		return nil
	}
	proof := struct {
		Audience      string `json:"audience"`
		MaxAgeSeconds *int64 `json:"max_age_seconds,omitempty"`
		Nonce         string `json:"nonce"`
	}{Audience: audience, Nonce: nonce}
	if age != "" {
		seconds, err := clientcli.Seconds("max-age", age)
		if err != nil {
			return err
		}
		proof.MaxAgeSeconds = &seconds
	}
	ask.Binding = &proof
	return nil
}
