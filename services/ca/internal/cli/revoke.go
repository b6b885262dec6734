package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/ca/client"
)

func (c *commands) revoke() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke SERIAL --reason REASON",
		Short: "Revoke a certificate",
		Long: `Revoke ends a certificate before its time. OCSP tells of it within a second, lists within ten. This
cannot be undone, except for the reason certificateHold ("release").`,
		Example: `  ca-server revoke 4c2b1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c --reason keyCompromise
  ca-server revoke 4c2b1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c --reason superseded`,
		Args: oneSerial,
	}
	why := cmd.Flags().String("reason", "", "why, as RFC 5280 names it: unspecified, keyCompromise, superseded, ...")
	since := cmd.Flags().String("invalid-at", "", "since when the key is suspected to be known to others, RFC 3339")
	output := cli.AddOutputFlag(cmd)
	clientcli.Require(cmd, "reason")
	clientcli.Complete(cmd, "reason", reasons()...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := clientcli.OneOf("reason", *why, reasons()...); err != nil {
			return err
		}
		spec := client.RevokeCertificate{Reason: client.Reason(*why)}
		if *since != "" {
			at, err := time.Parse(time.RFC3339, *since)
			if err != nil {
				return cli.Usage("--invalid-at takes a time such as 2026-11-02T09:30:00Z")
			}
			spec.InvalidAt = &at
		}
		return c.call(cmd, func(ca *client.Authority) error {
			revoked, err := ca.RevokeCertificate(cmd.Context(), args[0], spec)
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), revoked, statusRows(*revoked))
		})
	}
	return cmd
}

// reasons are those that somebody may give.
func reasons() []string {
	return []string{
		"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation", "certificateHold", "privilegeWithdrawn",
		"aACompromise",
	}
}

func (c *commands) release() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "release SERIAL",
		Short:   "Take the suspension of a certificate back",
		Long:    "Release makes a certificate valid again that was revoked for certificateHold.",
		Example: "  ca-server release 4c2b1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c",
		Args:    oneSerial,
	}
	output := cli.AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(ca *client.Authority) error {
			released, err := ca.ReleaseCertificate(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return output.Write(cmd.OutOrStdout(), released, statusRows(*released))
		})
	}
	return cmd
}

// statusRows is the status of a certificate as a table.
func statusRows(s client.CertificateStatus) [][]string {
	rows := [][]string{{"Serial", s.Serial}, {"State", string(s.State)}, {"Until", s.NotAfter}}
	if s.RevokedAt != nil {
		rows = append(rows, []string{"Revoked", *s.RevokedAt}, []string{"Reason", string(of(s.Reason))})
	}
	return rows
}

func (c *commands) issuerPublish() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "publish NAME|ID",
		Short: "Make the lists of revocations of a CA anew",
		Long: `Publish makes the lists now, and not when they are due. It is the only way by which a root signs
one:
do it when you have made a root, and before its list ends.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: "  ca-server issuer publish root",
		Args:    clientcli.OneKey,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.callFresh(cmd, func(ca *client.Authority) error { return ca.PublishLists(cmd.Context(), args[0]) })
	}
	return cmd
}

func (c *commands) crl() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "crl NAME|ID",
		Short: "Write a list of revocations of a CA",
		Long: `Crl writes the list of all certificates that a CA has revoked, DER (RFC 5280). --list names a part
of it, such as 0.crl, or the latest changes to a part, such as 0-delta.crl.`,
		Example: `  ca-server crl issuing --out issuing.crl
  ca-server crl issuing --list 0-delta.crl --out changes.crl`,
		Args: clientcli.OneKey,
	}
	list := cmd.Flags().String("list", "", "name of a part (default the list of all)")
	out := cmd.Flags().String("out", "", "file to write (default standard output)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.call(cmd, func(ca *client.Authority) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error { return ca.WriteCRL(cmd.Context(), args[0], *list, to) })
		})
	}
	return cmd
}
