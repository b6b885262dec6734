package cli_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

func TestMain_ExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	require.NoError(t, os.WriteFile(good, []byte("data_dir: .\n"), 0o600))
	require.NoError(t, os.WriteFile(bad, []byte("data_dirr: .\nadmin: {address: 0.0.0.0:1}\n"), 0o600))
	failing := &program{checked: errors.New("the certificate has expired"), start: func(context.Context, cli.Start) error { return errors.New("no") }}
	for name, c := range map[string]struct {
		args []string
		code int
		err  string
	}{
		"unknown command":    {[]string{"begin"}, 2, `unknown command "begin"`},
		"misspelt command":   {[]string{"stat"}, 2, "did you mean status?"},
		"unknown flag":       {[]string{"start", "--confg", "x"}, 2, "unknown flag: --confg"},
		"argument":           {[]string{"start", "now"}, 2, `unknown command "now"`},
		"no configuration":   {[]string{"start"}, 2, "name the configuration with --config FILE"},
		"no configuration 2": {[]string{"validate"}, 2, "name the configuration with --config FILE"},
		"no configuration 3": {[]string{"migrate"}, 2, "name the configuration with --config FILE"},
		"output":             {[]string{"version", "--output", "xml"}, 2, "it must be table or json"},
		"probe":              {[]string{"health", "--probe", "ready"}, 2, "--probe must be livez, readyz or healthz"},
		"both":               {[]string{"health", "--config", good, "--context", good}, 2, "none of the others can be"},
		"bad configuration":  {[]string{"validate", "--config", bad}, 78, "data_dirr"},
		"bad for start":      {[]string{"start", "--config", bad}, 78, "admin.address"},
		"bad for migrate":    {[]string{"migrate", "--config", bad}, 78, "data_dirr"},
		"bad for health":     {[]string{"health", "--config", bad}, 78, "data_dirr"},
		"bad override":       {[]string{"validate", "--config", good, "--admin-address", "10.0.0.1:1"}, 78, "must be on loopback"},
		"missing file":       {[]string{"validate", "--config", filepath.Join(dir, "none.yaml")}, 78, "none.yaml"},
		"check fails":        {[]string{"validate", "--config", good}, 1, "the certificate has expired"},
		"start fails":        {[]string{"start", "--config", good}, 1, "Error: no"},
		"never started":      {[]string{"health", "--config", good}, 1, "the service writes it when it starts for the first time"},
	} {
		got := failing.run(t, "", c.args...)
		assert.Equal(t, c.code, got.code, name)
		assert.Contains(t, got.err, c.err, name)
		assert.Empty(t, got.out, name)
		assert.Equal(t, c.code == 2, strings.Contains(got.err, `--help" for usage.`), name)
	}
}

func TestCommands_WithoutAService(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "thing.yaml")
	require.NoError(t, os.WriteFile(file, []byte("data_dir: .\npublic: {address: 127.0.0.1:1}\n"), 0o600))
	p := &program{}
	got := p.run(t, "", "validate", "--config", file)
	assert.Equal(t, outcome{out: file + " is valid\n"}, got)
	got = p.run(t, "", "migrate", "--config", file, "--data", dir, "--log-level", "debug", "--public-address", "127.0.0.1:2", "--admin-address", "127.0.0.1:3")
	assert.Equal(t, outcome{out: "migrated with thing.yaml\n"}, got)
	last := p.loaded[len(p.loaded)-1]
	assert.Equal(t, "127.0.0.1:2", last.Public.Address)
	assert.Equal(t, "127.0.0.1:3", last.Admin.Address)
	assert.Equal(t, "debug", last.Telemetry.LogLevel)
	assert.Equal(t, dir, last.DataDir.String())

	got = p.run(t, "", "version")
	assert.Zero(t, got.code)
	assert.Contains(t, got.out, "FIPS mode    only")
	got = p.run(t, "", "version", "--output", "json")
	assert.Contains(t, got.out, `"fips_mode": "only"`)
	got = p.run(t, "")
	assert.Zero(t, got.code)
	assert.Contains(t, got.out, "Keeps things.")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "DEV"), nil, 0o600))
	for _, command := range []string{"start", "migrate"} {
		got = p.run(t, "", command, "--config", file)
		assert.Equal(t, 1, got.code)
		assert.Contains(t, got.err, "was made by dev mode")
	}
	assert.Zero(t, p.run(t, "", "validate", "--config", file).code)
}

// Every command explains itself, and its examples are command lines that it takes.
func TestHelp_ExamplesAreRight(t *testing.T) {
	t.Parallel()
	for path, root := range map[string]*cobra.Command{
		"thing-server":     cli.Root((&program{}).cli()),
		"cryptoutil thing": suite(),
	} {
		seen := 0
		for _, cmd := range leaves(root) {
			if cmd.Name() == "help" || cmd.Name() == "completion" || cmd.HasParent() && cmd.Parent().Name() == "completion" {
				continue
			}
			seen++
			assert.NotEmpty(t, cmd.Short, cmd.CommandPath())
			assert.NotEmpty(t, cmd.Long, cmd.CommandPath())
			require.NotEmpty(t, cmd.Example, cmd.CommandPath())
			for line := range strings.Lines(cmd.Example) {
				_, line, _ := strings.Cut("|"+line, "|")
				if i := strings.LastIndex(line, "|"); i >= 0 {
					line = line[i+1:]
				}
				args := strings.Fields(line)
				if cmd.Parent() != root || root.Name() != "cryptoutil" {
					require.Equal(t, path, strings.Join(args[:len(strings.Fields(path))], " "), line)
				}
				args = args[len(strings.Fields(root.CommandPath())):]
				found, rest, err := root.Find(args)
				require.NoError(t, err, line)
				assert.Equal(t, cmd.Name(), found.Name())
				require.NoError(t, found.ParseFlags(rest), line)
				require.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
			}
		}
		assert.GreaterOrEqual(t, seen, 8)
	}
}

func suite() *cobra.Command {
	root := &cobra.Command{Use: "cryptoutil"}
	product := &cobra.Command{Use: "thing"}
	product.AddCommand(cli.Commands((&program{}).cli(), "cryptoutil thing")...)
	root.AddCommand(product, cli.SuiteStatus("cryptoutil", (&program{}).cli()))

	return root
}

func TestMain_HelpsWithCommandsOfCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		out  string
	}{
		{[]string{"thing"}, 0, "Available Commands"},
		{[]string{"thing", "begin"}, 2, `unknown command "begin" for "cryptoutil thing"`},
		{[]string{"begin"}, 2, `unknown command "begin" for "cryptoutil"`},
		{[]string{"thing", "status", "--help"}, 0, "cryptoutil thing status --config thing.yaml --output json"},
	} {
		var text strings.Builder
		root := suite()
		root.SetArgs(c.args)
		root.SetOut(&text)
		root.SetErr(&text)
		assert.Equal(t, c.code, cli.Main(t.Context(), root))
		assert.Contains(t, text.String(), c.out)
	}
}

func leaves(cmd *cobra.Command) []*cobra.Command {
	if !cmd.HasSubCommands() {
		return []*cobra.Command{cmd}
	}
	var out []*cobra.Command
	for _, child := range cmd.Commands() {
		out = append(out, leaves(child)...)
	}

	return out
}

// These tests send signals to their own process, so that they run alone.

func TestStart_EndsAndReloadsBySignals(t *testing.T) { //nolint:paralleltest // signals
	dir := t.TempDir()
	file := filepath.Join(dir, "thing.yaml")
	require.NoError(t, os.WriteFile(file, []byte("data_dir: .\n"), 0o600))
	reloads := 0
	p := &program{start: func(ctx context.Context, s cli.Start) error {
		s.Serving(cli.Serving{PublicURL: "https://127.0.0.1:1", AdminURL: "https://127.0.0.1:2", RootFile: "root.pem"})
		assert.Equal(t, file, s.Source.File)
		assert.False(t, s.Dev)
		assert.NotNil(t, s.Log)
		for range 2 {
			require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
			<-s.Reload
			reloads++
		}
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP)) // is left over: the end must not wait for it
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		<-ctx.Done()

		return nil
	}}
	got := p.run(t, "", "start", "--config", file)
	assert.Zero(t, got.code, got.err)
	assert.Equal(t, 2, reloads)
	assert.Equal(t, "thing-server serves https://127.0.0.1:1, administration https://127.0.0.1:2, root certificate root.pem\n", got.out)
}

func TestMain_TakesExitCodesFromErrors(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{1: errors.New("x"), 2: cli.Usage("say %s", "what"), 78: config.Problems{{Message: "m"}}, 0: nil} {
		root := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return err }}
		root.SetArgs(nil)
		root.SetErr(&strings.Builder{})
		assert.Equal(t, want, cli.Main(t.Context(), root))
	}
	require.EqualError(t, cli.ErrNegative, "the answer is no")
	var text strings.Builder
	root := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return cli.ErrNegative }}
	root.SetArgs(nil)
	root.SetErr(&text)
	assert.Equal(t, 1, cli.Main(t.Context(), root))
	assert.Empty(t, text.String())
}
