package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// backup is the command that holds those about backups of keys.
func (c *commands) backup() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Back up keys, rehearse their restoring, restore them",
		Long: `A backup holds keys with all their versions, also those that are not exportable, encrypted to
recipients: key pairs of yours, whose private parts you keep offline ("recipient create").
WHOEVER HAS A RECIPIENT'S PRIVATE KEY AND THE BACKUP HAS THE KEYS.

A backup is restored into this installation or another one. What never was rehearsed is no
backup: "backup rehearse" does all that "backup restore" does, and changes nothing.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(
		c.backupKey(), c.backupTenant(), c.backupCheck(),
		c.restoring(&cobra.Command{
			Use:   "rehearse --in FILE --private-key FILE",
			Short: "Do all that a restore does, and change nothing",
			Long: `Rehearse opens a backup here, sends it encrypted to the service, which reads, decrypts and
checks every key, and shows what a restore would do. Nothing changes. The exit status is 0
only if the restore would succeed.

It takes a fresh authentication: the client certificate in the context file.`,
			Example: "  kms-server backup rehearse --in keys.backup --private-key custody.pem",
		}, true),
		c.restoring(&cobra.Command{
			Use:   "restore --in FILE --private-key FILE",
			Short: "Restore the keys of a backup",
			Long: `Restore opens a backup here, with the private key of a recipient, which stays here, and sends
it encrypted to the service. Keys keep their ids, versions and states, so that what they
made still opens and verifies. A key that is there already is never overwritten: a restore
with such a key in its way is refused, or with --on-conflict skip leaves it out. A restore that
was cut off goes on when it is repeated.

It takes a fresh authentication: the client certificate in the context file.`,
			Example: `  kms-server backup restore --in keys.backup --private-key custody.pem
  kms-server backup restore --in keys.backup --private-key custody.pem --from-tenant acme \
    --on-conflict skip`,
		}, false),
	)
	return cmd
}

func (c *commands) backupKey() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key NAME|ID --recipient FILE --out FILE",
		Short: "Back up a key with all its versions",
		Long: `Key writes a backup of one key, encrypted to one to eight recipients, each of whom can open it:
a JWK or PEM of EC, or of RSA with at least 3072 bits.

It takes a fresh authentication: the client certificate in the context file. A key with a
quorum takes the quorum's approval, unless the service's configuration names the recipients:

  kms-server approval request backupElasticKey payroll --recipient custody.pub \
    --reason "monthly"`,
		Example: "  kms-server backup key payroll --recipient custody.pub --out payroll.backup",
		Args:    clientcli.OneKey,
	}
	recipients, out := addRecipients(cmd)
	approved := cmd.Flags().String("approval", "", "id of the approved request, where the key has a quorum")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.backUp(cmd, *recipients, *out, func(kms *client.KMS, to []json.RawMessage, dst io.Writer) error {
			return kms.BackupKey(cmd.Context(), args[0], *approved, to, dst)
		})
	}
	return cmd
}

func (c *commands) backupTenant() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tenant --recipient FILE --out FILE",
		Short: "Back up all keys of your tenant",
		Long: `Tenant writes a backup of all keys of your tenant, as "backup key" does of one. Of deleted keys
it holds that they are. A key with a quorum is in its way, unless the service's configuration
names the recipients of backups.

It takes a fresh authentication: the client certificate in the context file.`,
		Example: "  kms-server backup tenant --recipient custody.pub --recipient deputy.pub --out keys.backup",
		Args:    cobra.NoArgs,
	}
	recipients, out := addRecipients(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.backUp(cmd, *recipients, *out, func(kms *client.KMS, to []json.RawMessage, dst io.Writer) error {
			return kms.BackupTenant(cmd.Context(), to, dst)
		})
	}
	return cmd
}

// addRecipients gives a command the flags of a backup.
func addRecipients(cmd *cobra.Command) (recipients *[]string, out *string) {
	recipients = cmd.Flags().StringArray("recipient", nil, "file with a recipient's public key, a JWK or PEM; may be given up to eight times")
	out = cmd.Flags().String("out", "", "file to write, or - for standard output")
	clientcli.Require(cmd, "recipient", "out")
	return recipients, out
}

func (c *commands) backUp(cmd *cobra.Command, files []string, out string, write func(*client.KMS, []json.RawMessage, io.Writer) error) error {
	var recipients []json.RawMessage
	for _, file := range files {
		key, err := clientcli.ReadPublicKey(cmd, file)
		if err != nil {
			return err
		}
		if err := backup.CheckRecipient(key); err != nil {
			return fmt.Errorf("%q: %w", file, err)
		}
		text, err := key.MarshalPublic()
		if err != nil {
			return err
		}
		recipients = append(recipients, text)
	}
	return c.callFresh(cmd, func(kms *client.KMS) error {
		return c.terminal.Produce(cmd, out, func(to *clientcli.Destination) error { return write(kms, recipients, to) })
	})
}

func (c *commands) backupCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check --private-key FILE",
		Short: "Check that a backup is whole and opens, without the service",
		Long: `Check opens a backup with the private key of a recipient, reads all of it, and says where it
comes from. It runs here alone; whether a service takes it, "backup rehearse" tells.`,
		Example: "  kms-server backup check --in keys.backup --private-key custody.pem",
		Args:    cobra.NoArgs,
	}
	in := cmd.Flags().String("in", "", "backup (default standard input)")
	private := cmd.Flags().String("private-key", "", "file with the private key of a recipient, a JWK or PEM")
	format := addOutputFlag(cmd)
	clientcli.Require(cmd, "private-key")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("output", *format, outputTable, outputJSON); err != nil {
			return err
		}
		if *private == clientcli.Stdio && (*in == "" || *in == clientcli.Stdio) {
			return cli.Usage("--private-key and the backup cannot both be standard input")
		}
		key, err := clientcli.ReadPrivateKey(cmd, *private)
		if err != nil {
			return err
		}
		defer key.Zero()
		file, err := clientcli.OpenSource(cmd, *in)
		if err != nil {
			return err
		}
		defer file.Close()
		shown := c.terminal.Progress(cmd, file, "checking")
		defer shown.End()
		head, manifest, err := backup.Open(cmd.Context(), shown, key, func([]byte) error { return nil })
		if err != nil {
			return explainBackup(err)
		}
		if *format == outputJSON {
			return cli.WriteJSON(cmd.OutOrStdout(), struct {
				backup.Head
				backup.Manifest
			}{head, manifest})
		}
		return cli.WriteTable(cmd.OutOrStdout(), [][]string{
			{"Whole", "yes"},
			{"Tenant", head.Tenant},
			{"Instance", head.Instance},
			{"Release", head.Release},
			{"Created", head.CreatedAt},
			{"Keys", strconv.Itoa(manifest.Records)},
		})
	}
	return cmd
}
