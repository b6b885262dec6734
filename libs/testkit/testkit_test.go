package testkit_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// subjectVariable has the test binary, run again, execute TestSubject.
const subjectVariable = "CRYPTOUTIL_TEST_SUBJECT"

func TestSubject(t *testing.T) { //nolint:paralleltest // alone in its process
	if os.Getenv(subjectVariable) == "" {
		t.Skip("runs in a process of its own")
	}
	testkit.RequireTool(t, "no-such-program")
	t.Error("it went on without the program")
}

func TestRequireTool_SkipsOrFailsAndSaysWhy(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for _, required := range []string{"0", "1"} {
		command := exec.CommandContext(t.Context(), self, "-test.run=^TestSubject$", "-test.v")
		command.Env = append(os.Environ(), subjectVariable+"=1", "CRYPTOUTIL_TEST_REQUIRED="+required)
		output, err := command.CombinedOutput()
		assert.Contains(t, string(output), "the program no-such-program is not installed")
		assert.NotContains(t, string(output), "it went on")
		if required == "1" {
			require.Error(t, err)
			assert.Contains(t, string(output), "--- FAIL: TestSubject")
		} else {
			require.NoError(t, err)
			assert.Contains(t, string(output), "--- SKIP: TestSubject")
		}
	}
	assert.Equal(t, self, testkit.RequireTool(t, self))
}
