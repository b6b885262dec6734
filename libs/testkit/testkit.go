// Package testkit has what tests of several modules need. Only tests import it.
//
// What a test needs from its machine, a program or a server, may be absent on a developer's: the test is then skipped, and says so. Where
// CRYPTOUTIL_TEST_REQUIRED=1 is set, as in continuous integration, its absence fails the test instead: see [Missing].
package testkit

import (
	"os"
	"os/exec"
	"testing"
)

// requiredVariable set to 1 turns skips for want of a tool into failures.
const requiredVariable = "CRYPTOUTIL_TEST_REQUIRED"

// RequireTool returns the path of a program that the test runs, such as openssl, curl, bash or chromium. Without it the test ends.
func RequireTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "the program "+name+" is not installed")
	}
	return path
}

// Missing ends the test because what it needs is not there: skipped, or failed where everything is required.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(requiredVariable) == "1" {
		t.Fatalf("%s, and %s=1 requires it", what, requiredVariable)
	}
	t.Skipf("%s; the test does not run", what)
}
