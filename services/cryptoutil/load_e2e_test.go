//go:build e2e

package cryptoutil_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// The load scenario. Variables make a short trial into the measurement that docs/benchmarks/kms.md reports.
const (
	loadSeconds        = "CRYPTOUTIL_LOAD_SECONDS" // how long it lasts
	loadRate           = "CRYPTOUTIL_LOAD_RATE"    // requests per second
	tableMilliseconds  = "CRYPTOUTIL_LOAD_CELL_MS" // how long each cell of the table of throughput is measured
	defaultLoadSeconds = 5
	defaultLoadRate    = 200
	defaultCell        = 150
	loadCallers        = 64   // who ask, on loadConnections connections
	loadConnections    = 8    // with HTTP/2
	loadKiB            = 1024 // bytes that are encrypted and signed
	ticksPerSecond     = 100  // of /proc/*/stat on Linux
	encryptShare       = 40   // percent of the mix
	decryptShare       = 40
	signShare          = 12 // verify has the rest
	mostGrowth         = 96 << 10
)

// loader calls one service.
type loader struct {
	connections                   []*api
	plaintext, ciphertext, signed string
}

// newLoader makes keys and what is to be decrypted and verified.
func newLoader(t *testing.T, i *installation) *loader {
	t.Helper()
	l := &loader{plaintext: strings.Repeat("QUFB", loadKiB/3)}
	for range loadConnections {
		l.connections = append(l.connections, i.api(t))
	}
	i.createKey(t, "load-encrypt", "A256GCM/A256KW")
	i.createKey(t, "load-sign", "ES256")
	var made struct{ Ciphertext, Signature string }
	for _, prepare := range []struct{ path, member string }{{"load-encrypt/encrypt", "plaintext"}, {"load-sign/sign", "payload"}} {
		got, err := l.connections[0].do(t.Context(), http.MethodPost, "elastic-keys/"+prepare.path, map[string]string{prepare.member: l.plaintext}, &made)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	}
	l.ciphertext, l.signed = made.Ciphertext, made.Signature
	return l
}

// do makes one request of a kind.
func (l *loader) do(ctx context.Context, connection int, operation string) (status int, err error) {
	var path string
	var body map[string]string
	switch operation {
	case "encrypt":
		path, body = "load-encrypt/encrypt", map[string]string{"plaintext": l.plaintext}
	case "decrypt":
		path, body = "load-encrypt/decrypt", map[string]string{"ciphertext": l.ciphertext}
	case "sign":
		path, body = "load-sign/sign", map[string]string{"payload": l.plaintext}
	default:
		path, body = "load-sign/verify", map[string]string{"signature": l.signed}
	}
	got, err := l.connections[connection%len(l.connections)].do(ctx, http.MethodPost, "elastic-keys/"+path, body, nil)
	return got.status, err
}

// some is an operation of the mix.
func some() string {
	switch n := rand.IntN(100); {
	case n < encryptShare:
		return "encrypt"
	case n < encryptShare+decryptShare:
		return "decrypt"
	case n < encryptShare+decryptShare+signShare:
		return "sign"
	default:
		return "verify"
	}
}

// outcomes is what came of requests.
type outcomes struct {
	mu       sync.Mutex
	statuses map[int]int
	failures []string
	took     map[string]durations
}

func (o *outcomes) add(operation string, status int, err error, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		o.failures = append(o.failures, err.Error())
		return
	}
	o.statuses[status]++
	o.took[operation] = append(o.took[operation], took)
}

// At a steady rate that it can bear the service refuses nobody, whatever the mix, and does not grow. A request's time counts from the moment it
// was due, so that one which waits for a caller is not left out.
func TestLoad_ASteadyMixIsServedWithoutErrors(t *testing.T) { //nolint:paralleltest // it measures
	seconds, rate := setting(t, loadSeconds, defaultLoadSeconds), setting(t, loadRate, defaultLoadRate)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			i := victim(t, engine)()
			l := newLoader(t, i)
			l.steady(t, rate, time.Second) // caches and connections
			before, spent := i.resident(t), i.processorTime(t)
			got := l.steady(t, rate, time.Duration(seconds)*time.Second)
			spent = i.processorTime(t) - spent
			after := i.resident(t)
			all := slices.Concat(got.took["encrypt"], got.took["decrypt"], got.took["sign"], got.took["verify"])
			t.Logf("%d requests at %d a second, %d callers: %v", len(all), rate, loadCallers, got.statuses)
			for _, operation := range []string{"encrypt", "decrypt", "sign", "verify"} {
				t.Logf("%-7s %s", operation, got.took[operation])
			}
			t.Logf("all     %s", all)
			t.Logf("processor time of the service for each request: %s; memory %d -> %d KiB", spent/time.Duration(max(len(all), 1)), before, after)
			assert.Empty(t, got.failures)
			assert.Equal(t, map[int]int{http.StatusOK: len(all)}, got.statuses)
			assert.Less(t, after-before, mostGrowth)
			i.stop(t)
		})
	}
}

// steady makes requests at a rate, whether those before are answered or not.
func (l *loader) steady(t *testing.T, rate uint64, lasting time.Duration) *outcomes {
	t.Helper()
	got := &outcomes{statuses: map[int]int{}, took: map[string]durations{}}
	due := make(chan time.Time, 2*rate)
	var callers sync.WaitGroup
	for n := range loadCallers {
		callers.Go(func() {
			for at := range due {
				operation := some()
				status, err := l.do(context.WithoutCancel(t.Context()), n, operation)
				got.add(operation, status, err, time.Since(at))
			}
		})
	}
	interval := time.Second / time.Duration(rate)
	end := time.Now().Add(lasting)
	for next := time.Now(); next.Before(end); next = next.Add(interval) {
		time.Sleep(time.Until(next)) //nolint:forbidigo // the rate is what is wanted
		due <- next
	}
	close(due)
	callers.Wait()
	return got
}

// How much the service does by operation, by how many ask at once, and on which engine.
func TestLoad_Throughput(t *testing.T) { //nolint:paralleltest // it measures
	cell := time.Duration(setting(t, tableMilliseconds, defaultCell)) * time.Millisecond
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			i := victim(t, engine)()
			l := newLoader(t, i)
			for _, operation := range []string{"encrypt", "decrypt", "sign", "verify"} {
				for _, callers := range []int{1, 8, loadCallers} {
					spent := i.processorTime(t)
					got := l.flatOut(t, operation, callers, cell)
					spent = i.processorTime(t) - spent
					n := len(got.took[operation])
					t.Logf("| %s | %s | %d | %d | %s | %s |", engine, operation, callers, int(float64(n)/cell.Seconds()),
						(spent / time.Duration(max(n, 1))).Round(time.Microsecond), got.took[operation])
					assert.Empty(t, got.failures)
					assert.Equal(t, map[int]int{http.StatusOK: n}, got.statuses)
					assert.Positive(t, n)
				}
			}
			i.stop(t)
		})
	}
}

// flatOut has callers ask one after the other.
func (l *loader) flatOut(t *testing.T, operation string, callers int, lasting time.Duration) *outcomes {
	t.Helper()
	got := &outcomes{statuses: map[int]int{}, took: map[string]durations{}}
	end := time.Now().Add(lasting)
	var group sync.WaitGroup
	for n := range callers {
		group.Go(func() {
			for began := time.Now(); began.Before(end); began = time.Now() {
				status, err := l.do(context.WithoutCancel(t.Context()), n, operation)
				got.add(operation, status, err, time.Since(began))
			}
		})
	}
	group.Wait()
	return got
}

// processorTime is what the service has used so far.
func (i *installation) processorTime(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", i.cmd.Process.Pid))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), ") ") // the name before it may hold anything
	require.True(t, found)
	fields := strings.Fields(rest)
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime of proc(5)
		n, err := strconv.ParseInt(field, 10, 64)
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}
