package cli_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/cli"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// shell runs commands as a user does.
type shell struct {
	kms        *fakeKMS
	credential string
	terminal   bool // whether standard output and error are one
}

// result is what a command left.
type result struct {
	out, errors string
	err         error
}

func (s shell) run(t *testing.T, in string, args ...string) result {
	t.Helper()
	var out, errors bytes.Buffer
	err := s.stream(t, strings.NewReader(in), &out, &errors, args...)
	return result{out: out.String(), errors: errors.String(), err: err}
}

func (s shell) stream(t *testing.T, in io.Reader, out, errors io.Writer, args ...string) error {
	t.Helper()
	credential := s.credential
	if credential == "" {
		credential = token
	}
	root := &cobra.Command{Use: "kms", SilenceErrors: true, SilenceUsage: true}
	connect := func(*cobra.Command) (*client.KMS, error) { return s.kms.dial(credential) }
	administer := func(*cobra.Command) (*client.KMS, error) { return s.kms.dial(freshToken) }
	commands := cli.Commands(connect, administer)
	if s.terminal {
		commands = cli.CommandsOn(connect, administer, func(stream any) bool { return stream == out || stream == errors })
	}
	root.AddCommand(commands...)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errors)
	root.SetArgs(args)
	return root.ExecuteContext(t.Context())
}

// must runs a command that succeeds and returns its output.
func (s shell) must(t *testing.T, in string, args ...string) string {
	t.Helper()
	r := s.run(t, in, args...)
	require.NoError(t, r.err, "%v", args)
	return r.out
}

// isUsageError says whether the command line itself was wrong.
func isUsageError(err error) bool {
	coded, ok := err.(interface{ ExitCode() int })
	return ok && coded.ExitCode() == 2
}

func write(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// assertOnly checks that a folder holds these files and no temporary one.
func assertOnly(t *testing.T, folder string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	found := []string{}
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	assert.ElementsMatch(t, names, found)
}
