package cli

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/ca/client"
)

func (c *commands) list() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List certificates",
		Long: `List shows the certificates of your tenant in order of creation, all of them unless --limit says
otherwise. --name finds a name exactly, and everything below a domain with "*.": quote it.`,
		Example: `  ca-server list --name app.internal
  ca-server list --name '*.internal' --state issued
  ca-server list --expires-within 720h --output json`,
		Args: cobra.NoArgs,
	}
	var filter client.CertificateFilter
	flags := cmd.Flags()
	flags.StringVar(&filter.Name, "name", "", "only those with this name")
	flags.StringVar(&filter.CA, "ca", "", "only those that the CA with this id has signed")
	flags.StringVar(&filter.Profile, "profile", "", "only those by this profile")
	flags.StringVar((*string)(&filter.State), "state", "", "only those in this state: intended, issued or revoked")
	flags.StringVar(&filter.Requester, "requester", "", "only those that this principal has asked for")
	flags.StringVar(&filter.Lineage, "lineage", "", "only the one with this serial number and those that took its place")
	within := flags.Duration("expires-within", 0, "only those that are valid and end within this time, such as 720h")
	limit := flags.Int("limit", 0, "show at most so many (default all)")
	output := cli.AddOutputFlag(cmd)
	clientcli.Complete(cmd, "state", "intended", "issued", "revoked")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.CheckLimit(*limit); err != nil {
			return err
		}
		if *within > 0 {
			now := time.Now()
			filter.ExpiresAfter, filter.ExpiresBefore = now, now.Add(*within)
		}
		return c.call(cmd, func(ca *client.Authority) error {
			found, err := clientcli.Collect(ca.ListCertificates(cmd.Context(), filter), *limit)
			if err != nil {
				return err
			}
			rows := [][]string{{"SERIAL", "STATE", "PROFILE", "UNTIL", "NAMES"}}
			for _, one := range found {
				names := namesText(one.Names)
				if len(names) == 0 {
					names = []string{one.Subject}
				}
				rows = append(rows, []string{one.Serial, stateText(one), one.Profile, one.NotAfter, strings.Join(names, ", ")})
			}
			return output.Write(cmd.OutOrStdout(), client.CertificatePage{Items: found}, rows)
		})
	}
	return cmd
}

func (c *commands) show() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show SERIAL",
		Short: "Show a certificate, or write it",
		Example: `  ca-server show 4c2b1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c
  ca-server show 4c2b1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c --format chain --out app.pem`,
		Args: oneSerial,
	}
	format := cmd.Flags().String("format", "", "certificate or chain, PEM (default what is known of it)")
	out := cmd.Flags().String("out", "", "file to write (default standard output)")
	output := cli.AddOutputFlag(cmd)
	clientcli.Complete(cmd, "format", "certificate", "chain")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *format != "" {
			if err := clientcli.OneOf("format", *format, "certificate", "chain"); err != nil {
				return err
			}
		}
		return c.call(cmd, func(ca *client.Authority) error {
			found, err := ca.GetCertificate(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			switch *format {
			case "certificate":
				return c.write(cmd, *out, of(found.Certificate))
			case "chain":
				return c.write(cmd, *out, of(found.Chain))
			}
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error { return output.Write(to, found, certificateRows(*found)) })
		})
	}
	return cmd
}

// profile is the command that holds those about profiles.
func (c *commands) profile() *cobra.Command {
	cmd := &cobra.Command{Use: "profile", Short: "Show by what certificates are issued", Args: cobra.NoArgs}
	cmd.AddCommand(c.profileList(), c.profileGet())
	return cmd
}

func (c *commands) profileList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List profiles", Example: "  ca-server profile list", Args: cobra.NoArgs}
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.call(cmd, func(ca *client.Authority) error {
			found, err := ca.ListProfiles(cmd.Context())
			if err != nil {
				return err
			}
			rows := [][]string{{"NAME", "FAMILY", "FOR CAS", "DESCRIPTION"}}
			for _, one := range found.Items {
				isForCAs := "no"
				if one.Authority {
					isForCAs = "yes"
				}
				rows = append(rows, []string{one.Name, string(one.Family), isForCAs, clientcli.TextOf(one.Description)})
			}
			return output.Write(cmd.OutOrStdout(), found, rows)
		})
	}
	return cmd
}

func (c *commands) profileGet() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Show a profile as YAML",
		Long: `Get shows a profile as it was loaded. Copied to a file under another name, it is the beginning
of a profile of your own.`,
		Example: "  ca-server profile get internal-tls > my-tls.yaml",
		Args:    clientcli.OneKey,
	}
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(ca *client.Authority) error {
			found, err := ca.GetProfile(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if *output == cli.OutputJSON {
				return cli.WriteJSON(cmd.OutOrStdout(), found)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), of(found.Yaml))
			return err
		})
	}
	return cmd
}
