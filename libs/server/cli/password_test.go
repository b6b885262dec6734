package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

func TestReadPassword_FromAFileOrStandardInputNeverFromAnArgument(t *testing.T) {
	t.Parallel()
	read := func(stdin string, args ...string) (got string, err error) {
		var file string
		cmd := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true, RunE: func(cmd *cobra.Command, _ []string) error {
			got, err = cli.ReadPassword(cmd, file)
			return err
		}}
		cli.AddPasswordFlag(cmd, &file)
		cmd.SetArgs(args)
		cmd.SetIn(strings.NewReader(stdin))
		cmd.SetOut(&bytes.Buffer{})
		return got, cmd.Execute()
	}
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte(" correct horse \r\nmore\n"), 0o600))
	for _, c := range []struct{ stdin, flag, want string }{
		{"", file, " correct horse "}, {"first line\nsecond", "-", "first line"}, {"no end", "-", "no end"},
	} {
		got, err := read(c.stdin, "--password-file", c.flag)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, "spaces are part of it, the end of the line is not")
	}
	_, err := read("", "--password-file", "-")
	require.ErrorContains(t, err, "it is empty")
	_, err = read("ignored\n")
	require.ErrorContains(t, err, "--password-file FILE, or - for standard input")
	_, err = read("", "--password-file", file+"-absent")
	require.ErrorIs(t, err, os.ErrNotExist)
}
