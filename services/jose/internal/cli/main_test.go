package cli_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/database"
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"

	"github.com/cryptoutil/cryptoutil/services/jose"
	"github.com/cryptoutil/cryptoutil/services/jose/client"
	"github.com/cryptoutil/cryptoutil/services/jose/internal/cli"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// shell runs commands as a user does, in a folder of his own, against a service.
type shell struct {
	*servicetest.Running

	folder     string
	credential string
	terminal   bool // whether standard output is one
}

// open starts a service and gives a shell to its operator.
func open(t *testing.T) shell {
	t.Helper()
	setup := platform.Setup{UnsealMode: unseal.Derive, Operator: platform.FirstOperator}
	cfg, files := servicetest.PrepareSetup(t, jose.Service(), setup, database.EngineSQLite)
	s := servicetest.Run(t, jose.Service(), cfg, files, io.Discard)
	return shell{Running: s, folder: t.TempDir(), credential: s.Operator(t)}
}

// result is what a command left.
type result struct {
	out string
	err error
}

// run types a line, whose words hold no blanks; names that begin with @ are files of the folder.
func (s shell) run(t *testing.T, in, line string) result {
	t.Helper()
	var out bytes.Buffer
	everyday := func(*cobra.Command) (*client.JOSE, error) {
		return client.New(client.Config{URL: s.URL(), Roots: s.Roots(), Token: s.credential})
	}
	administer := func(*cobra.Command) (*client.JOSE, error) {
		pair, err := tls.LoadX509KeyPair(s.Files.ClientCertificate, s.Files.ClientKey)
		if err != nil {
			return nil, err
		}
		return client.New(client.Config{URL: s.MTLSURL(), Roots: s.Roots(), Certificate: &pair})
	}
	root := &cobra.Command{Use: "jose", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(cli.CommandsOn(everyday, administer, func(any) bool { return s.terminal })...)
	root.SetIn(strings.NewReader(in))
	root.SetOut(&out)
	root.SetErr(io.Discard)
	args := strings.Fields(line)
	for n, arg := range args {
		if name, isFile := strings.CutPrefix(arg, "@"); isFile {
			args[n] = s.path(name)
		}
	}
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return result{out: out.String(), err: err}
}

// must runs a command that succeeds and returns its output.
func (s shell) must(t *testing.T, in, line string) string {
	t.Helper()
	r := s.run(t, in, line)
	require.NoError(t, r.err, line)
	return r.out
}

// refuses runs a command that fails with these words and writes nothing.
func (s shell) refuses(t *testing.T, in, line, says string) {
	t.Helper()
	r := s.run(t, in, line)
	require.ErrorContains(t, r.err, says, line)
	assert.Empty(t, r.out, line)
}

func (s shell) path(name string) string { return filepath.Join(s.folder, name) }

func (s shell) write(t *testing.T, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(s.path(name), []byte(content), 0o600))
}

// read returns the content of a file that its owner alone can read.
func (s shell) read(t *testing.T, name string) string {
	t.Helper()
	info, err := os.Stat(s.path(name))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	content, err := os.ReadFile(s.path(name))
	require.NoError(t, err)
	return string(content)
}

// isUsageError says whether the command line itself was wrong.
func isUsageError(err error) bool {
	coded, ok := err.(interface{ ExitCode() int })
	return ok && coded.ExitCode() == 2
}
