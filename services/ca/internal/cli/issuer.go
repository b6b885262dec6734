package cli

import (
	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/ca/client"
)

// issuer is the command that holds those about CAs.
func (c *commands) issuer() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "issuer",
		Short: "Make, list, succeed and retire certification authorities",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(
		c.issuerCreate(), c.issuerImport(), c.issuerList(), c.issuerGet(), c.issuerUpdate(), c.issuerCSR(), c.issuerInstall(), c.issuerCertificates(),
		c.issuerCertify(), c.issuerCrossSign(), c.issuerRollover(), c.issuerPublish(), c.issuerRetire(), c.issuerResume(), c.issuerDestroy(),
	)
	return cmd
}

// subjectFlags name a distinguished name.
type subjectFlags struct{ country, organization, unit, province, locality, commonName string }

func addSubjectFlags(cmd *cobra.Command) *subjectFlags {
	f := new(subjectFlags)
	flags := cmd.Flags()
	flags.StringVar(&f.commonName, "common-name", "", "common name of the subject")
	flags.StringVar(&f.organization, "organization", "", "organization of the subject")
	flags.StringVar(&f.unit, "organizational-unit", "", "part of the organization")
	flags.StringVar(&f.country, "country", "", "country of the subject, two letters")
	flags.StringVar(&f.province, "province", "", "state or province of the subject")
	flags.StringVar(&f.locality, "locality", "", "city of the subject")
	return f
}

// subject is what the flags say; nil for nothing.
func (f *subjectFlags) subject() *client.Subject {
	if *f == (subjectFlags{}) {
		return nil
	}
	return &client.Subject{
		CommonName: given(f.commonName), Organization: given(f.organization), OrganizationalUnit: given(f.unit), Country: given(f.country),
		Province: given(f.province), Locality: given(f.locality),
	}
}

// keyFlags name the key of a CA.
type keyFlags struct {
	algorithm string
	size      int
}

func addKeyFlags(cmd *cobra.Command) *keyFlags {
	f := new(keyFlags)
	cmd.Flags().StringVar(&f.algorithm, "algorithm", "", "what the key signs with (default ES384 for a root, else ES256)")
	cmd.Flags().IntVar(&f.size, "key-size", 0, "bits of an RSA modulus: 2048, 3072 or 4096 (default 3072)")
	clientcli.Complete(cmd, "algorithm", "ES256", "ES384", "ES512", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
	return f
}

func (f *keyFlags) key() *client.KeyRequest {
	if *f == (keyFlags{}) {
		return nil
	}
	return &client.KeyRequest{Algorithm: given(client.KeyRequestAlgorithm(f.algorithm)), Size: given(client.KeyRequestSize(f.size))}
}

func (c *commands) issuerCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create --name NAME --kind KIND --common-name TEXT",
		Short: "Make a CA with a new key and print its id",
		Long: `Create makes a certification authority and prints its id. A root certifies itself; an
intermediate or issuing CA is certified by --issuer; one with --external waits until its
certificate is brought with "issuer install".

It takes a fresh authentication: the client certificate in the context file.`,
		Example: `  ca-server issuer create --name root --kind root --common-name "Example root"
  ca-server issuer create --name issuing --kind issuing --issuer root \
    --common-name "Example issuing CA" --base-url http://pki.example.org
  ca-server issuer create --name policy --kind intermediate --external \
    --common-name "Example policy CA"`,
		Args: cobra.NoArgs,
	}
	var (
		spec        client.CreateCA
		flags       = cmd.Flags()
		kind        = flags.String("kind", "", "root, intermediate or issuing")
		family      = flags.String("family", "", "whose rules certificates keep: private or br (default private)")
		issuer      = flags.String("issuer", "", "name or id of the CA that certifies this one")
		external    = flags.Bool("external", false, "a CA elsewhere will certify this one")
		profile     = flags.String("profile", "", "profile of its certificate (default the usual one of the kind)")
		days        = flags.Int("days", 0, "how long its certificate lives (default the profile's)")
		profiles    = flags.StringArray("by-profile", nil, "a profile that it issues by; several times for several (default all of its family)")
		baseURL     = flags.String("base-url", "", "what the URLs in certificates begin with, over http")
		shards      = flags.Int("shards", 0, "in how many parts its list of revocations is published (default 1)")
		lab         = flags.Bool("lab", false, "a CA of the family br for tests")
		description = flags.String("description", "", "what it is for")
		key         = addKeyFlags(cmd)
		subject     = addSubjectFlags(cmd)
		output      = cli.AddOutputFlag(cmd)
	)
	flags.StringVar(&spec.Name, "name", "", "name of the CA: a-z 0-9 . _ -, at most 63 characters")
	clientcli.Require(cmd, "name", "kind", "common-name")
	clientcli.Complete(cmd, "kind", kinds()...)
	clientcli.Complete(cmd, "family", "private", "br")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("kind", *kind, kinds()...); err != nil {
			return err
		}
		spec.Kind, spec.Family, spec.Issuer, spec.External = client.CAKind(*kind), given(client.Family(*family)), given(*issuer), given(*external)
		spec.Profile, spec.ValidityDays, spec.BaseURL, spec.Shards, spec.Lab = given(*profile), given(*days), given(*baseURL), given(*shards), given(*lab)
		spec.Description, spec.Key, spec.Subject = given(*description), key.key(), of(subject.subject())
		if len(*profiles) > 0 {
			spec.Profiles = profiles
		}
		return c.callFresh(cmd, func(ca *client.Authority) error {
			made, err := ca.CreateCA(cmd.Context(), spec)
			if err != nil {
				return err
			}
			return writeID(cmd, *output, made.ID, made)
		})
	}
	return cmd
}

func kinds() []string {
	return []string{string(client.CAKindRoot), string(client.CAKindIntermediate), string(client.CAKindIssuing)}
}

// writeID writes the id of what was made, or all of it as JSON.
func writeID(cmd *cobra.Command, output cli.Output, id string, made any) error {
	if output == cli.OutputJSON {
		return cli.WriteJSON(cmd.OutOrStdout(), made)
	}
	return cli.WriteLine(cmd.OutOrStdout(), id)
}

func (c *commands) issuerList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List CAs",
		Long: `List shows the certification authorities of your tenant in order of creation, all of them
unless --limit says otherwise.`,
		Example: `  ca-server issuer list
  ca-server issuer list --kind issuing --output json`,
		Args: cobra.NoArgs,
	}
	var filter client.CAFilter
	cmd.Flags().StringVar(&filter.Name, "name", "", "only the CA of this name")
	cmd.Flags().StringVar((*string)(&filter.Kind), "kind", "", "only CAs of this kind: root, intermediate or issuing")
	cmd.Flags().StringVar((*string)(&filter.Status), "status", "", "only CAs in this state: pending, active, retired or destroyed")
	limit := cmd.Flags().Int("limit", 0, "show at most so many (default all)")
	output := cli.AddOutputFlag(cmd)
	clientcli.Complete(cmd, "kind", kinds()...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.CheckLimit(*limit); err != nil {
			return err
		}
		return c.call(cmd, func(ca *client.Authority) error {
			found, err := clientcli.Collect(ca.ListCAs(cmd.Context(), filter), *limit)
			if err != nil {
				return err
			}
			rows := [][]string{{"NAME", "ID", "KIND", "FAMILY", "STATUS", "ALGORITHM", "SUBJECT"}}
			for _, one := range found {
				rows = append(rows, []string{one.Name, one.ID, string(one.Kind), string(one.Family), string(one.Status), one.Algorithm, one.Subject})
			}
			return output.Write(cmd.OutOrStdout(), client.CAPage{Items: found}, rows)
		})
	}
	return cmd
}

func (c *commands) issuerGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get NAME|ID",
		Short:   "Show a CA",
		Example: "  ca-server issuer get issuing",
		Args:    clientcli.OneKey,
	}
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(ca *client.Authority) error {
			found, err := ca.GetCA(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), found, issuerRows(*found))
		})
	}
	return cmd
}
