package fips_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

func TestCheck_PassesUnderEnforcement(t *testing.T) {
	t.Parallel()
	require.NoError(t, fips.Check())
	assert.NotEmpty(t, fips.Module())
}

// The test binary guards itself in TestMain, so it is its own subject.
func TestRequire_EnvironmentCannotSwitchEnforcementOff(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for _, setting := range []string{"fips140=off", "fips140=on", "tlsmlkem=0,fips140=on"} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			got := run(t, self, []string{"-test.run=^TestCheck_"}, "GODEBUG="+setting)
			assert.Equal(t, fips.ExitCode, got.exit)
			assertOneLine(t, got.stderr, "FIPS 140-3 mode is not enforced")
			assert.Empty(t, got.stdout)
		})
	}
}

func TestRequire_RunsUnderEnforcement(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	got := run(t, self, []string{"-test.run=^TestCheck_"}, "GODEBUG=fips140=only")
	assert.Zero(t, got.exit, got.stderr)
}

func TestRequire_ReleaseBuildNeedsTheCertifiedModule(t *testing.T) {
	t.Parallel()
	const setRelease = "-X github.com/cryptoutil/cryptoutil/libs/crypto/fips.release=1"
	for name, c := range map[string]struct {
		module, ldflags string
		exit            int
		stderr          string
	}{
		"release with the certified module": {module: "certified", ldflags: setRelease},
		"release with another module":       {module: "off", ldflags: setRelease, exit: fips.ExitCode, stderr: "without the certified FIPS 140-3 module"},
		"development with another module":   {module: "off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(t.TempDir(), "guarded")
			if runtime.GOOS == "windows" {
				program += ".exe"
			}
			built := run(t, "go", []string{"build", "-o", program, "-ldflags", c.ldflags, "./testdata/guarded"}, "GOFIPS140="+c.module)
			require.Zero(t, built.exit, built.stderr)

			got := run(t, program, nil, "GODEBUG=fips140=only")
			assert.Equal(t, c.exit, got.exit)
			if c.exit != 0 {
				assertOneLine(t, got.stderr, c.stderr)
				return
			}
			assert.Empty(t, got.stderr)
		})
	}
}

type result struct {
	exit           int
	stdout, stderr string
}

func run(t *testing.T, program string, args []string, environ ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), environ...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func assertOneLine(t *testing.T, text, contains string) {
	t.Helper()
	assert.Equal(t, 1, bytes.Count([]byte(text), []byte("\n")), "want one line, got %q", text)
	assert.Contains(t, text, contains)
}
