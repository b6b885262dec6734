package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/ca/client"
)

func (c *commands) issuerUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "update NAME|ID",
		Short: "Change what a CA says of itself",
		Long: `Update changes what the flags name and nothing else. Certificates that were issued keep the
URLs that they have.`,
		Example: `  ca-server issuer update issuing --base-url http://pki.example.org --by-profile tls-server`,
		Args:    clientcli.OneKey,
	}
	settings := new(clientcli.Settings)
	settings.Text(cmd, "description", "description", "what it is for")
	settings.Text(cmd, "base-url", "base_url", "what the URLs in certificates begin with, over http")
	profiles := cmd.Flags().StringArray("by-profile", nil, "a profile that it issues by; several times for several")
	settings.Add(clientcli.Setting{Flag: "by-profile", Member: "profiles", Value: func() (any, error) { return *profiles, nil }})
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		patch, err := settings.Patch(cmd)
		if err != nil {
			return err
		}
		return c.call(cmd, func(ca *client.Authority) error {
			const again = 3
			changed, err := ca.UpdateCA(cmd.Context(), args[0], again, func(client.CA) (client.Patch, error) { return patch, nil })
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), changed, issuerRows(*changed))
		})
	}
	return cmd
}

func (c *commands) issuerRollover() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollover NAME|ID --name NAME",
		Short: "Give a CA a successor with a new key",
		Long: `Rollover makes another CA by the same issuer, with the same subject and settings and a new key,
which takes over after --overlap. Orders for the old one then go to it. The old one still tells
what became of its certificates; retire it when nothing trusts it any more.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: `  ca-server issuer rollover issuing --name issuing-2027 --overlap 168h`,
		Args:    clientcli.OneKey,
	}
	var (
		spec    client.RolloverCA
		overlap = cmd.Flags().Duration("overlap", 0, "how long the old one goes on issuing (default 0)")
		days    = cmd.Flags().Int("days", 0, "how long the new certificate lives (default the profile's)")
		key     = addKeyFlags(cmd)
		output  = cli.AddOutputFlag(cmd)
	)
	cmd.Flags().StringVar(&spec.Name, "name", "", "name of the successor")
	clientcli.Require(cmd, "name")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		spec.OverlapSeconds, spec.ValidityDays, spec.Key = given(int64(*overlap/time.Second)), given(*days), key.key()
		return c.callFresh(cmd, func(ca *client.Authority) error {
			done, err := ca.RolloverCA(cmd.Context(), args[0], spec)
			if err != nil {
				return err
			}
			return writeID(cmd, *output, done.Successor.ID, done)
		})
	}
	return cmd
}

func (c *commands) issuerRetire() *cobra.Command {
	return c.issuerMove(&cobra.Command{
		Use: "retire NAME|ID", Short: "End a CA's issuance",
		Long: `Retire lets a CA issue nothing any more. It still signs what tells of the certificates that it
has issued.`,
		Example: "  ca-server issuer retire issuing",
	}, c.call, (*client.Authority).RetireCA)
}

func (c *commands) issuerResume() *cobra.Command {
	return c.issuerMove(&cobra.Command{
		Use: "resume NAME|ID", Short: "Take a retirement back", Example: "  ca-server issuer resume issuing",
	}, c.call, (*client.Authority).ResumeCA)
}

func (c *commands) issuerDestroy() *cobra.Command {
	return c.issuerMove(&cobra.Command{
		Use: "destroy NAME|ID", Short: "Destroy the key of a CA",
		Long: `Destroy ends the key of a pending CA, or of a retired one of whose certificates none is valid any
more: whoever checks them needs what it signs. This cannot be undone.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: "  ca-server issuer destroy issuing-2019",
	}, c.callFresh, (*client.Authority).DestroyCA)
}

// issuerMove is a command that changes the state of a CA and shows it.
func (c *commands) issuerMove(
	cmd *cobra.Command, call func(*cobra.Command, func(*client.Authority) error) error,
	change func(*client.Authority, context.Context, string) (*client.CA, error),
) *cobra.Command {
	cmd.Args = clientcli.OneKey
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return call(cmd, func(ca *client.Authority) error {
			changed, err := change(ca, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), changed, issuerRows(*changed))
		})
	}
	return cmd
}
