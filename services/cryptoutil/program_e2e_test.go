//go:build e2e

package cryptoutil_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait. It is for a machine under load; nothing is expected to take nearly as long.
const patience = 60 * time.Second

// tick is how often something is looked at that tells nobody when it changes.
const tick = 20 * time.Millisecond

// The programs.
const (
	suite      = "cryptoutil"
	kmsServer  = "kms-server"
	joseServer = "jose-server"
)

// program is the path of a built program.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(os.Getenv(binVariable), name))
	require.NoError(t, err)
	require.FileExists(t, path)
	return path
}

// environment is what a child process sees: nothing of the caller's settings, above all no GODEBUG, and a home of its own. Later
// variables win.
func environment(home string, more ...string) []string {
	env := []string{"HOME=" + home, "PATH=" + os.Getenv(binVariable) + string(os.PathListSeparator) + os.Getenv("PATH"), "LC_ALL=C"}
	if folder := os.Getenv("GOCOVERDIR"); folder != "" { // binaries built with -cover leave their counts there
		env = append(env, "GOCOVERDIR="+folder)
	}
	return append(env, more...)
}

// setting is the number in an environment variable, else the one given.
func setting(t testing.TB, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	number, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, variable)
	return number
}

// call is one run of a program to its end.
type call struct {
	path  string
	args  []string
	env   []string
	dir   string
	stdin io.Reader
}

// outcome is what a run left.
type outcome struct {
	exit           int
	stdout, stderr string
	elapsed        time.Duration
}

// run executes the call. A program that does not end in time fails the test.
func (c call) run(t testing.TB) outcome {
	t.Helper()
	got, err := c.try(t.Context())
	require.NoError(t, err, "%s %s", c.path, strings.Join(c.args, " "))
	return got
}

// try is run for goroutines other than the test's own.
func (c call) try(ctx context.Context) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.env, c.dir, c.stdin, &stdout, &stderr
	cmd.WaitDelay = time.Second
	begun := time.Now()
	err := cmd.Run()
	got := outcome{stdout: stdout.String(), stderr: stderr.String(), elapsed: time.Since(begun)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return got, errors.Join(ctx.Err(), errors.New(got.stdout+got.stderr))
	case err != nil && !errors.As(err, &exit):
		return got, err
	}
	got.exit = cmd.ProcessState.ExitCode()
	return got, nil
}

// process is a program that goes on until it is ended.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *transcript
	begun          time.Time
	ended          chan struct{} // closed when the process is gone and exit is set
	exit           int           // -1 for one that a signal ended
}

// launch starts a program. With the test it is killed, by its process id, and waited for.
func launch(t testing.TB, c call) *process {
	t.Helper()
	p := &process{stdout: newTranscript(), stderr: newTranscript(), ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), c.path, c.args...)
	p.cmd.Env, p.cmd.Dir, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = c.env, c.dir, c.stdin, p.stdout, p.stderr
	p.begun = time.Now()
	require.NoError(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the exit code tells
		p.exit = p.cmd.ProcessState.ExitCode()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s wrote:\n%s%s", filepath.Base(c.path), p.stdout, p.stderr)
		}
	})
	return p
}

// signal sends a signal to the process.
func (p *process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}

// kill ends the process as a power failure does, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have gone already
	<-p.ended
}

// wait waits for the end of the process and returns its exit code.
func (p *process) wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		require.Fail(t, "the process does not end")
	}
	return p.exit
}

// stop ends the process as an operator does, and requires that it agrees.
func (p *process) stop(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	require.Zero(t, p.wait(t), "%s%s", p.stdout, p.stderr)
}

// await waits until standard output holds a text, and returns all of it.
func (p *process) await(t testing.TB, text string) string {
	t.Helper()
	late := time.After(patience)
	for {
		sofar, more := p.stdout.read()
		if strings.Contains(sofar, text) {
			return sofar
		}
		select {
		case <-more:
		case <-p.ended:
			if sofar, _ := p.stdout.read(); strings.Contains(sofar, text) {
				return sofar
			}
			require.Fail(t, "the process ended", "exit %d\n%s%s", p.exit, p.stdout, p.stderr)
		case <-late:
			require.Fail(t, "the process does not say "+text, "%s%s", p.stdout, p.stderr)
		}
	}
}

// eventually looks until it is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	eventuallyWithin(t, patience, tick, what, so)
}

// eventuallyWithin is eventually with a bound and an interval of its own.
func eventuallyWithin(t testing.TB, bound, interval time.Duration, what string, so func() bool) {
	t.Helper()
	late := time.After(bound)
	again := time.NewTicker(interval)
	defer again.Stop()
	for !so() {
		select {
		case <-again.C:
		case <-late:
			require.Fail(t, "never: "+what)
		}
	}
}

// transcript keeps what a process writes.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer  // guarded by mu
	more chan struct{} // guarded by mu; closed when there is more than there was
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{})} }

func (o *transcript) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(p)
}

// read returns what there is, and a channel that is closed when there is more.
func (o *transcript) read() (text string, more <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.more
}

func (o *transcript) String() string {
	text, _ := o.read()
	return text
}
