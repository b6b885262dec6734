//go:build e2e

package cryptoutil_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The overload. A variable changes how many seconds it lasts.
const (
	inFlight        = 64            // what the service works on at once
	overload        = 10 * inFlight // what callers ask for at once
	overloadSeconds = 30
	idleSeconds     = 2 // what the machine's other work costs livez is measured before
	secondsVariable = "CRYPTOUTIL_TEST_OVERLOAD_SECONDS"
	// planVariable has the test's own program be the callers.
	planVariable = "CRYPTOUTIL_TEST_OVERLOAD_PLAN"
	// mostResident is how much more memory the process may have afterwards than when it was warm, in KiB.
	mostResident = 64 << 10
	// livenessLimit is where livez fails even on a busy machine; 50 ms is the aim.
	livenessLimit = time.Second
)

// plan is what the callers are to do, and where. They are a process of their own, so that they take no time from who watches.
type plan struct {
	Dir, Public, Key string
	Tokens           []string
	Slow             int // how many requests are held open, by callers who are slow to say what they want
	Seconds          float64
}

// result is what they got.
type result struct {
	Statuses map[int]int
	Failures []string
	Served   durations
}

type durations []time.Duration

// String tells the distribution.
func (d durations) String() string {
	if len(d) == 0 {
		return "none"
	}
	slices.Sort(d)
	at := func(percent int) time.Duration {
		return d[min(len(d)-1, len(d)*percent/100)].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("n %d, p50 %s, p99 %s, max %s", len(d), at(50), at(99), d[len(d)-1].Round(10*time.Microsecond))
}

// Ten times its capacity leaves the service alive, honest and as large as it was, and the next request is served at once.
func TestOverload_OfTheRealProgram(t *testing.T) { //nolint:paralleltest // it needs the machine for itself
	dir, _ := initialize(t)
	file := filepath.Join(dir, "kms.yaml")
	replaceInFile(t, file, regexp.MustCompile(`(?m)^data_dir:.*$`), "$0\nlimits:\n  max_in_flight: "+strconv.Itoa(inFlight))
	var tokens []string
	for n := range 4 {
		made := call{path: program(t, kmsServer), args: []string{
			"credential", "add", "--config", file, "--id", fmt.Sprintf("caller-%d", n), "--scopes", "kms:encrypt",
		}, env: environment(t.TempDir())}.run(t)
		require.Zero(t, made.exit, made.stderr)
		tokens = append(tokens, strings.TrimSpace(made.stdout))
	}
	i := serve(t, dir)
	i.createKey(t, "busy", "A256GCM/A256KW")
	work := plan{Dir: dir, Public: i.public, Key: "busy", Tokens: tokens, Slow: inFlight * 3 / 4, Seconds: 3}
	i.flood(t, work) // caches, connections and buffers
	before := i.resident(t)
	work.Seconds = float64(setting(t, secondsVariable, overloadSeconds))

	quiet := i.watchLiveness(t)
	time.Sleep(idleSeconds * time.Second) //nolint:forbidigo // how the machine is by itself
	idle := quiet()
	end := i.watchLiveness(t)
	got := i.flood(t, work)
	livez := end()
	began := time.Now()
	answer, err := i.api(t).do(t.Context(), http.MethodPost, "elastic-keys/busy/encrypt", map[string]string{"plaintext": "aGVsbG8"}, nil)
	recovered := time.Since(began)
	require.NoError(t, err)
	after := i.resident(t)

	t.Logf("answers by status: %v", got.Statuses)
	t.Logf("served: %s", got.Served)
	t.Logf("livez before: %s", idle)
	t.Logf("livez: %s; the next request afterwards took %s, with its TLS handshake", livez, recovered.Round(100*time.Microsecond))
	t.Logf("resident memory warm %d KiB, afterwards %d KiB", before, after)
	assert.Equal(t, http.StatusOK, answer.status, "%s", answer.body)
	assert.Empty(t, got.Failures)
	assert.Positive(t, got.Statuses[http.StatusOK])
	assert.Positive(t, got.Statuses[http.StatusServiceUnavailable])
	slices.Sort(livez)
	assert.Less(t, livez[len(livez)*99/100], livenessLimit)
	assert.Less(t, recovered, livenessLimit)
	assert.Less(t, after-before, mostResident)
	assert.Equal(t, "ok\n", i.run(t, "health"))
	i.stop(t)
}

// flood has another process be the callers. It gives way to the service where both want a processor: the machine is to be the service's.
func (i *installation) flood(t *testing.T, p plan) (got result) {
	t.Helper()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	file := t.TempDir() + "/result.json"
	args := []string{"-n", "19", os.Args[0], "-test.run=^TestOverload_Callers$", "-test.v"}
	caller := call{path: "/usr/bin/nice", args: args, env: environment(t.TempDir(), planVariable+"="+string(text), planVariable+"_RESULT="+file, binVariable+"="+os.Getenv(binVariable))}
	command := exec.CommandContext(t.Context(), caller.path, caller.args...)
	command.Env = caller.env
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	require.NoError(t, command.Start())
	ordinary := takePrecedence(t)
	err = command.Wait()
	ordinary()
	require.NoError(t, err, "%s", output.String())
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &got))
	return got
}

// takePrecedence has this process, which measures, run before every other until the function that it returns is called, where it may: what
// it measures is otherwise how long it waited for a processor itself.
func takePrecedence(t *testing.T) (end func()) {
	t.Helper()
	schedule := func(policy, priority string) error {
		return exec.CommandContext(t.Context(), "chrt", "--all-tasks", policy, "--pid", priority, strconv.Itoa(os.Getpid())).Run()
	}
	if err := schedule("--fifo", "1"); err != nil {
		t.Logf("no precedence for the measurement, which includes waiting for a processor: %s", err)
		return func() {}
	}
	return func() { assert.NoError(t, schedule("--other", "0")) }
}

// resident is the memory of the process, in KiB.
func (i *installation) resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", i.cmd.Process.Pid))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "VmRSS:")
	require.True(t, found)
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return kib
}

// watchLiveness asks livez again and again until the function that it returns is called.
func (i *installation) watchLiveness(t *testing.T) (end func() durations) {
	t.Helper()
	watcher := i.api(t)
	watcher.base = i.admin + "/admin/v1/"
	ctx, stop := context.WithCancel(t.Context())
	var took durations
	var failure error
	var watching sync.WaitGroup
	watching.Go(func() {
		for failure == nil && ctx.Err() == nil {
			began := time.Now()
			got, err := watcher.do(context.WithoutCancel(ctx), http.MethodGet, "livez", nil, nil)
			took = append(took, time.Since(began))
			if err == nil && got.status != http.StatusOK {
				err = fmt.Errorf("livez answered %d", got.status)
			}
			failure = err
			time.Sleep(10 * time.Millisecond) //nolint:forbidigo // the interval between two looks
		}
	})
	return func() durations {
		t.Helper()
		stop()
		watching.Wait()
		require.NoError(t, failure)
		return took
	}
}

// TestOverload_Callers is the process that flood starts; it tests nothing by itself.
func TestOverload_Callers(t *testing.T) { //nolint:paralleltest // it is a process of its own
	text := os.Getenv(planVariable)
	if text == "" {
		return // it is not such a process
	}
	var p plan
	require.NoError(t, json.Unmarshal([]byte(text), &p))
	content, err := json.Marshal(p.carryOut(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(os.Getenv(planVariable+"_RESULT"), content, 0o600))
}

// carryOut asks as fast as it can, from many connections, on some of which many requests are under way at once.
func (p plan) carryOut(t *testing.T) result {
	t.Helper()
	i := installation{product: kmsProduct, dir: p.Dir, public: p.Public}
	deadline := time.Now().Add(time.Duration(p.Seconds * float64(time.Second)))
	var connections []*api
	for n := range 4 * len(p.Tokens) {
		connection := i.api(t)
		connection.token = p.Tokens[n%len(p.Tokens)]
		connections = append(connections, connection)
	}
	var callers sync.WaitGroup
	results := make([]result, overload+p.Slow)
	for n := range results {
		r := &results[n]
		r.Statuses = map[int]int{}
		connection := connections[n%len(connections)]
		callers.Go(func() {
			for time.Now().Before(deadline) {
				body := io.Reader(strings.NewReader(`{"plaintext":"aGVsbG8"}`))
				if n >= overload {
					body = &hesitant{}
				}
				r.ask(connection, p.Key, body)
			}
		})
	}
	callers.Wait()
	sum := result{Statuses: map[int]int{}}
	for _, r := range results {
		for status, n := range r.Statuses {
			sum.Statuses[status] += n
		}
		sum.Failures, sum.Served = append(sum.Failures, r.Failures...), append(sum.Served, r.Served...)
	}
	return sum
}

// ask makes one request and takes note of the answer, which must be one that a client can go by.
func (r *result) ask(connection *api, key string, body io.Reader) {
	began := time.Now()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, connection.base+"elastic-keys/"+key+"/encrypt", body)
	if err != nil {
		r.Failures = append(r.Failures, err.Error())
		return
	}
	request.Header.Set("Authorization", "Bearer "+connection.token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := connection.client.Do(request)
	if err != nil {
		r.Failures = append(r.Failures, err.Error())
		return
	}
	text, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		r.Failures = append(r.Failures, err.Error())
		return
	}
	r.Statuses[answer.StatusCode]++
	_, slow := body.(*hesitant)
	switch {
	case answer.StatusCode == http.StatusOK && !slow:
		r.Served = append(r.Served, time.Since(began))
	case answer.StatusCode == http.StatusOK:
	case answer.StatusCode != http.StatusServiceUnavailable && answer.StatusCode != http.StatusTooManyRequests, answer.Header.Get("Retry-After") == "":
		r.Failures = append(r.Failures, fmt.Sprintf("%d %v %s", answer.StatusCode, answer.Header, text))
	}
}

// hesitation is how long a slow caller stops in the middle.
const hesitation = 2 * time.Second

// hesitant is the body of a caller who is slow to say what he wants.
type hesitant struct{ said int }

// Read implements io.Reader.
func (h *hesitant) Read(p []byte) (int, error) {
	parts := []string{`{"plaintext"`, `:"aGVsbG8"}`}
	if h.said == len(parts) {
		return 0, io.EOF
	}
	if h.said == 1 {
		time.Sleep(hesitation) //nolint:forbidigo // that is what it is for
	}
	h.said++
	return copy(p, parts[h.said-1]), nil
}
