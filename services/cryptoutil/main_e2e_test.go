//go:build e2e

// The tests with the build tag e2e know nothing of the code: they start the built programs as a user does, and look at what these print, answer
// and leave on disk. Nothing in them waits for a time to pass: they wait for output, for an answer or for the end of a process, all bounded.
package cryptoutil_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
)

// binVariable names the folder with the built programs. Unset, TestMain builds them.
const binVariable = "CRYPTOUTIL_TEST_BIN"

// parallel is how many of these tests run at once, whatever the number of processors: they mostly wait for other processes.
const parallel = "4"

func TestMain(m *testing.M) {
	fips.Require()
	flag.Parse()
	remove, err := prepare()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer remove()
	m.Run()
}

// prepare sees to the programs and to the number of tests at once. What it returns takes back what it made.
func prepare() (remove func(), err error) {
	remove = func() {}
	if err := flag.Set("test.parallel", parallel); err != nil {
		return remove, err
	}
	if os.Getenv(binVariable) != "" {
		return remove, nil
	}
	folder, err := os.MkdirTemp("", "cryptoutil-bin-")
	if err != nil {
		return remove, err
	}
	remove = func() { _ = os.RemoveAll(folder) } // a leftover in the system's temporary folder harms nothing
	build := exec.CommandContext(context.Background(), "go", "build", "-o", folder+string(os.PathSeparator),
		"./cmd/cryptoutil", "github.com/cryptoutil/cryptoutil/services/kms/cmd/kms-server", "github.com/cryptoutil/cryptoutil/services/jose/cmd/jose-server")
	if output, err := build.CombinedOutput(); err != nil {
		remove()
		return func() {}, errors.Join(fmt.Errorf("build the programs: %w", err), errors.New(string(output)))
	}
	return remove, os.Setenv(binVariable, folder)
}
