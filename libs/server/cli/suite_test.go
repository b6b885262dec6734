package cli_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
)

func suiteStatus(t *testing.T, file string, args ...string) outcome {
	t.Helper()
	thing, other, third := (&program{}).cli(), (&program{}).cli(), (&program{}).cli()
	other.Product, third.Product = "other", "third"
	cmd := cli.SuiteStatus("cryptoutil", thing, other, third)
	var out, errs strings.Builder
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(append([]string{"--context", file}, args...))
	code := cli.Main(t.Context(), cmd)

	return outcome{code, out.String(), errs.String()}
}

func TestSuiteStatus_AllAreReadyOrNot(t *testing.T) {
	t.Parallel()
	s := start(t)
	file := filepath.Join(s.dir, "context.yaml")
	c := cli.Context{RootCertificate: "tls/root.pem", Services: map[string]cli.Endpoint{"thing": {URL: s.PublicURL(), AdminURL: s.AdminURL()}}}
	require.NoError(t, cli.WriteContext(file, c))
	got := suiteStatus(t, file)
	assert.Zero(t, got.code, got.err)
	assert.Regexp(t, `(?m)^thing +ok +https://127.0.0.1:\d+$`, got.out)
	assert.NotContains(t, got.out, "third", "it is not configured")

	s.probe = func() error { return errors.New("not required") }
	got = suiteStatus(t, file)
	assert.Zero(t, got.code, "degraded is ready")
	assert.Regexp(t, `(?m)^thing +degraded .*peer: not required`, got.out)
	require.NoError(t, s.barrier.Seal(t.Context()))
	got = suiteStatus(t, file, "--output", "json")
	assert.Equal(t, 1, got.code)
	assert.Empty(t, got.err)
	assert.Contains(t, got.out, `"detail": "barrier: sealed: sealed by an operator`)
	require.NoError(t, s.barrier.Start(t.Context()))

	s.barrier.open()
	c.Services["other"] = cli.Endpoint{URL: "https://127.0.0.1:1"}
	require.NoError(t, cli.WriteContext(file, c))
	got = suiteStatus(t, file)
	assert.Equal(t, 1, got.code)
	assert.Regexp(t, `(?m)^thing +degraded`, got.out)
	assert.Regexp(t, `(?m)^other +failing .*services.other.admin_url$`, got.out)
	c.Services["other"] = cli.Endpoint{URL: "https://127.0.0.1:1", AdminURL: "https://127.0.0.1:1"}
	require.NoError(t, cli.WriteContext(file, c))
	assert.Regexp(t, `(?m)^other +failing .*nothing answers at https://127.0.0.1:1`, suiteStatus(t, file).out)

	c.Services = map[string]cli.Endpoint{"unknown": {}}
	require.NoError(t, cli.WriteContext(file, c))
	assert.Contains(t, suiteStatus(t, file).err, "names no service of this suite")
	assert.Contains(t, suiteStatus(t, file+"x").err, "does not exist")
	address := s.fake(t, statusWithoutMeaning)
	c.Services = map[string]cli.Endpoint{"thing": {AdminURL: "https://" + address}}
	require.NoError(t, cli.WriteContext(file, c))
	got = suiteStatus(t, file)
	assert.Equal(t, 1, got.code)
	assert.Regexp(t, `(?m)^thing +failing`, got.out)
}
