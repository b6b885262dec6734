package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/telemetry/buildinfo"
)

// Version is the command that says what the binary was built from. path is the command it stands below.
func Version(path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Say what this binary was built from",
		Long:    "Version prints version, commit, build date, Go and the FIPS 140-3 module and mode.",
		Example: fmt.Sprintf("  %[1]s version\n  %[1]s version --output json", path),
		Args:    cobra.NoArgs,
	}
	format := AddOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		info := buildinfo.Read()

		return format.Write(cmd.OutOrStdout(), info, [][]string{
			{"Version", info.Version},
			{"Commit", info.Commit},
			{"Built", info.BuildDate},
			{"Go", info.Go},
			{"Platform", info.Platform},
			{"FIPS module", info.FIPSModule},
			{"FIPS mode", info.FIPSMode},
			{"FIPS build", info.FIPSBuild},
		})
	}

	return cmd
}
