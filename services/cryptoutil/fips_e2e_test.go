//go:build e2e

package cryptoutil_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exitNotEnforced is EX_CONFIG of sysexits(3).
const exitNotEnforced = 78

func TestFIPS_ThePrograms(t *testing.T) {
	t.Parallel()
	for _, name := range []string{suite, kmsServer} {
		for _, weaker := range []string{"fips140=off", "fips140=on", "fips140=only,fips140=off", "tlsmlkem=0,fips140=on"} {
			for _, args := range [][]string{{"version"}, {"--help"}, {}, {"dev"}, {"start", "--config", "kms.yaml"}} {
				got := call{path: program(t, name), args: args, env: environment(t.TempDir(), "GODEBUG="+weaker)}.run(t)
				assert.Equal(t, exitNotEnforced, got.exit, "%s %s %v", weaker, name, args)
				assert.Empty(t, got.stdout)
				assert.Regexp(t, `^fips: [^\n]*GODEBUG=fips140=only\n$`, got.stderr, "one line that names the fix")
			}
		}
		for _, enforced := range []string{"", "GODEBUG=fips140=only", "GODEBUG=", "GODEBUG=fips140=off,fips140=only"} {
			got := call{path: program(t, name), args: []string{"version"}, env: environment(t.TempDir(), enforced)}.run(t)
			assert.Zero(t, got.exit, "%s: %s", enforced, got.stderr)
			assert.Empty(t, got.stderr)
			assert.Regexp(t, `(?m)^FIPS mode +only$`, got.stdout)
		}
	}
}

func TestFIPS_DevelopmentModeMakesNothingWithoutIt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	got := call{path: program(t, suite), args: []string{"dev", "--data", dir}, env: environment(t.TempDir(), "GODEBUG=fips140=off")}.run(t)
	assert.Equal(t, exitNotEnforced, got.exit)
	assert.NoDirExists(t, dir)
}

// A test run that tests something else than what ships must not pass for one.
func TestFIPS_TestsRefuseToRunWithoutIt(t *testing.T) {
	t.Parallel()
	goTool, err := exec.LookPath("go")
	require.NoError(t, err)
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	for _, setting := range []string{"fips140=off", "fips140=on"} {
		got := call{path: goTool, args: []string{"test", "-count=1", "-run=^$", "./libs/config"}, dir: root, env: append(os.Environ(), "GODEBUG="+setting)}.run(t)
		assert.Equal(t, 1, got.exit, "%s: %s%s", setting, got.stdout, got.stderr)
		assert.Contains(t, got.stdout, "FIPS 140-3 mode is not enforced")
		assert.Contains(t, got.stdout, "GODEBUG=fips140=only")
		assert.Contains(t, got.stdout, "FAIL")
		assert.Less(t, strings.Count(got.stdout, "\n"), 6, got.stdout)
	}
}
