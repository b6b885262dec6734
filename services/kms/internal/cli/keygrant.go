package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// The kinds of those who can be granted something.
func granteeKinds() []string { return []string{"client", "user", "api_token", "role"} }

// keyGrant is the command that holds those about grants on one key.
func (c *commands) keyGrant() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grant",
		Short: "Let others do something with one key",
		Long: `A grant lets somebody do operations with one key without having their scopes: until it
expires, is revoked or retired, and if that is said, only under a context. Grants of scopes,
to a name or a prefix of names, are those of the command grant that administers the service.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(
		c.grantCreate(), c.grantList(), c.grantGet(),
		c.grantEnd(&cobra.Command{
			Use:     "revoke NAME|ID GRANT",
			Short:   "Take a grant back",
			Long:    "Revoke takes a grant back: within a second, on every replica.",
			Example: "  kms-server key grant revoke payroll 019ac3f0-9a11-7d02-8a53-0c1f6a2b9e11",
		}, (*client.KMS).RevokeGrant),
		c.grantEnd(&cobra.Command{
			Use:   "retire NAME|ID GRANT",
			Short: "Give up a grant that you have",
			Long: `Retire gives up a grant: by its grantee, or by whoever was named with --retired-by when it was
made. It takes no scope.`,
			Example: "  kms-server key grant retire payroll 019ac3f0-9a11-7d02-8a53-0c1f6a2b9e11",
		}, (*client.KMS).RetireGrant),
	)
	return cmd
}

func (c *commands) grantCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create NAME|ID --to KIND:ID --operations LIST",
		Short: "Let somebody do operations with a key and print the grant's id",
		Long: `Create lets somebody do operations with a key. Nobody grants what he may not do himself, and
the key's policy holds for the grantee too.

With --context-equals or --context-includes it is granted only where the encryption context is
exactly that, or has at least that: for encrypt, decrypt, reencrypt, generate-data-key, wrap,
unwrap and generate.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: `  kms-server key grant create payroll --to client:billing --operations encrypt,decrypt \
    --expires-in 90d
  kms-server key grant create payroll --to role:auditors --operations decrypt \
    --context-includes year=2026`,
		Args: clientcli.OneKey,
	}
	to := cmd.Flags().String("to", "", "who gets it, as KIND:ID; a kind is client, user, api_token or role")
	retired := cmd.Flags().String("retired-by", "", "who may give it up besides, as KIND:ID")
	operations := cmd.Flags().StringSlice("operations", nil, "what is granted, such as encrypt,decrypt, or read")
	equals := cmd.Flags().StringArray("context-equals", nil, "NAME=VALUE that the context must be; may be given many times")
	includes := cmd.Flags().StringArray("context-includes", nil, "NAME=VALUE that the context must have; may be given many times")
	expires := cmd.Flags().String("expires-in", "", "end by itself after so long, such as 90d (default never)")
	format := addOutputFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("context-equals", "context-includes")
	clientcli.Require(cmd, "to", "operations")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		spec, err := newGrant(*to, *retired, *operations, *equals, *includes, *expires)
		if err != nil {
			return err
		}
		return c.callFresh(cmd, func(kms *client.KMS) error {
			made, err := kms.CreateGrant(cmd.Context(), args[0], spec)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), made)
			}
			return cli.WriteLine(cmd.OutOrStdout(), made.ID)
		})
	}
	return cmd
}

func newGrant(to, retired string, operations, equals, includes []string, expires string) (spec client.NewKeyGrant, err error) {
	spec.Operations = operations
	if spec.Grantee, err = parsePrincipal("to", to); err != nil {
		return spec, err
	}
	if retired != "" {
		by, err := parsePrincipal("retired-by", retired)
		if err != nil {
			return spec, err
		}
		spec.RetiringPrincipal = &by
	}
	for flag, texts := range map[string][]string{"context-equals": equals, "context-includes": includes} {
		if len(texts) == 0 {
			continue
		}
		pairs, err := parsePairs("--"+flag, texts)
		if err != nil {
			return spec, err
		}
		spec.Constraints = new(client.GrantConstraints)
		if bound := new(client.Context(pairs)); flag == "context-equals" {
			spec.Constraints.ContextEquals = bound
		} else {
			spec.Constraints.ContextIncludes = bound
		}
	}
	if expires == "" {
		return spec, nil
	}
	d, err := clientcli.ParseDays(expires)
	if err != nil || d <= 0 {
		return spec, cli.Usage("--expires-in %q is no duration: write 90d or 12h", expires)
	}
	spec.ExpiresAt = new(time.Now().Add(d).UTC().Truncate(time.Microsecond))
	return spec, nil
}

// parsePrincipal reads KIND:ID.
func parsePrincipal(flag, text string) (client.GrantPrincipal, error) {
	kind, id, found := strings.Cut(text, ":")
	if !found || id == "" || !slices.Contains(granteeKinds(), kind) {
		return client.GrantPrincipal{}, cli.Usage("--%s %q is not KIND:ID, such as client:billing; a kind is %s", flag, text, strings.Join(granteeKinds(), ", "))
	}
	return client.GrantPrincipal{Kind: client.GrantPrincipalKind(kind), ID: id}, nil
}

func (c *commands) grantList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list NAME|ID",
		Short:   "List the grants on a key",
		Example: "  kms-server key grant list payroll",
		Args:    clientcli.OneKey,
	}
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkList(*format, *limit); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			grants, err := clientcli.Collect(kms.ListGrants(cmd.Context(), args[0]), *limit)
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), client.KeyGrantPage{Items: grants})
			}
			rows := [][]string{{"ID", "TO", "OPERATIONS", "CONTEXT", "EXPIRES", "CREATED"}}
			for _, g := range grants {
				rows = append(rows, []string{g.ID, principalText(g.Grantee), strings.Join(g.Operations, " "), constraintsText(g.Constraints), clientcli.TextOf(g.ExpiresAt), g.CreatedAt})
			}
			return cli.WriteTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

func (c *commands) grantGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get NAME|ID GRANT",
		Short:   "Show a grant",
		Example: "  kms-server key grant get payroll 019ac3f0-9a11-7d02-8a53-0c1f6a2b9e11",
		Args:    oneGrant,
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		return c.call(cmd, func(kms *client.KMS) error {
			g, err := kms.GetGrant(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if *format == outputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), g)
			}
			rows := [][]string{
				{"ID", g.ID},
				{"Key", g.ElasticKeyID},
				{"To", principalText(g.Grantee)},
				{"Operations", strings.Join(g.Operations, " ")},
				{"Created by", string(g.CreatedBy.Kind) + ":" + g.CreatedBy.Subject},
				{"Created", g.CreatedAt},
			}
			for _, row := range [][]string{{"Context", constraintsText(g.Constraints)}, {"Expires", clientcli.TextOf(g.ExpiresAt)}} {
				if row[1] != "" {
					rows = append(rows, row)
				}
			}
			if g.RetiringPrincipal != nil {
				rows = append(rows, []string{"Retired by", principalText(*g.RetiringPrincipal)})
			}
			return cli.WriteTable(cmd.OutOrStdout(), rows)
		})
	}
	return cmd
}

// grantEnd completes a command that ends a grant.
func (c *commands) grantEnd(cmd *cobra.Command, end func(*client.KMS, context.Context, string, string) error) *cobra.Command {
	cmd.Args = oneGrant
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(kms *client.KMS) error {
			if err := end(kms, cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			return cli.WriteLine(cmd.OutOrStdout(), cli.Printable("grant "+args[1]+" is gone"))
		})
	}
	return cmd
}

// oneGrant is the arguments of a command about a grant.
func oneGrant(cmd *cobra.Command, args []string) error {
	if len(args) != 2 { //nolint:mnd // the two that the text names
		return cli.Usage("name the key and the grant, which key grant list shows: %s NAME|ID GRANT", cmd.CommandPath())
	}
	return nil
}

func principalText(p client.GrantPrincipal) string { return string(p.Kind) + ":" + p.ID }

func constraintsText(constraints *client.GrantConstraints) string {
	switch {
	case constraints == nil:
		return ""
	case constraints.ContextEquals != nil:
		return "exactly " + pairsText(*constraints.ContextEquals)
	case constraints.ContextIncludes != nil:
		return pairsText(*constraints.ContextIncludes)
	default:
		return "unknown"
	}
}
