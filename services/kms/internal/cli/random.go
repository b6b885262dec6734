package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// maxRandom is how many random bytes the service gives at once.
const maxRandom = 1024

func (c *commands) generateRandom() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "generate-random --bytes N",
		Short: "Print random bytes",
		Long:  `Generate-random prints random bytes of the service's certified module.`,
		Example: `  kms-server generate-random --bytes 32
  kms-server generate-random --bytes 32 --format raw --out seed`,
		Args: cobra.NoArgs,
	}
	count := cmd.Flags().Int("bytes", 0, "how many: 1 to 1024")
	out := cmd.Flags().String("out", "", "file to write (default standard output)")
	form := addOctetForm(cmd, "the bytes", formHex)
	clientcli.Require(cmd, "bytes")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := clientcli.OneOf("format", *form, octetForms()...); err != nil {
			return err
		}
		if *count < 1 || *count > maxRandom {
			return cli.Usage("--bytes must be 1 to %s", strconv.Itoa(maxRandom))
		}
		return c.call(cmd, func(kms *client.KMS) error {
			return c.terminal.Produce(cmd, *out, func(to *clientcli.Destination) error {
				random, err := kms.GenerateRandom(cmd.Context(), *count)
				if err != nil {
					return err
				}
				defer clear(random)
				return writeOctets(to, *form, random)
			})
		})
	}
	return cmd
}
