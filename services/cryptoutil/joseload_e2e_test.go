//go:build e2e

package cryptoutil_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// The scenario of the JWK Authority: ES256, as many signatures as verifications, on 1 KiB. CRYPTOUTIL_LOAD_RATE and CRYPTOUTIL_LOAD_SECONDS make a short
// trial into the measurement that docs/benchmarks/jose.md reports.
const (
	longestLoad  = time.Minute // that a histogram counts apart
	loadFigures  = 3           // significant ones of a histogram
	signedInLoad = "sign"
	readInLoad   = "verify"
)

// joseLoader calls one service.
type joseLoader struct {
	connections     []*api
	payload, signed string
}

func newJOSELoader(t *testing.T, i *installation) *joseLoader {
	t.Helper()
	l := &joseLoader{payload: strings.Repeat("QUFB", loadKiB/3)}
	for range loadConnections {
		l.connections = append(l.connections, i.api(t))
	}
	require.NoError(t, asked(t.Context(), l.connections[0], "keys", map[string]any{"name": "load", "algorithm": "ES256"}, nil))
	var made struct{ Message string }
	require.NoError(t, asked(t.Context(), l.connections[0], "jws/sign", map[string]any{"key": "load", "payload": l.payload}, &made))
	l.signed = made.Message
	return l
}

// do makes the nth request.
func (l *joseLoader) do(ctx context.Context, connection, n int) (operation string, status int, err error) {
	operation, body := signedInLoad, map[string]string{"key": "load", "payload": l.payload}
	if n%2 == 1 {
		operation, body = readInLoad, map[string]string{"message": l.signed}
	}
	got, err := l.connections[connection%len(l.connections)].do(ctx, http.MethodPost, "jws/"+operation, body, nil)
	return operation, got.status, err
}

// latencies counts what came of requests, in little memory however many they are.
type latencies struct {
	mu       sync.Mutex
	statuses map[int]int                        // guarded by mu
	failures []string                           // guarded by mu
	took     map[string]*hdrhistogram.Histogram // guarded by mu; microseconds, by operation
}

func newLatencies() *latencies {
	fresh := func() *hdrhistogram.Histogram {
		return hdrhistogram.New(1, longestLoad.Microseconds(), loadFigures)
	}
	return &latencies{statuses: map[int]int{}, took: map[string]*hdrhistogram.Histogram{signedInLoad: fresh(), readInLoad: fresh(), "all": fresh()}}
}

func (l *latencies) add(operation string, status int, err error, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failures = append(l.failures, err.Error())
		return
	}
	l.statuses[status]++
	for _, histogram := range []*hdrhistogram.Histogram{l.took[operation], l.took["all"]} {
		if err := histogram.RecordValue(min(took, longestLoad).Microseconds()); err != nil {
			l.failures = append(l.failures, err.Error())
		}
	}
}

// line tells a distribution.
func (l *latencies) line(operation string) string {
	h := l.took[operation]
	at := func(percent float64) time.Duration {
		return (time.Duration(h.ValueAtQuantile(percent)) * time.Microsecond).Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%-6s n %d, p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", operation, h.TotalCount(), at(50), at(90), at(99), at(99.9), at(100))
}

// steady makes requests at a rate, whether those before are answered or not. A request's time counts from the moment it was due.
func (l *joseLoader) steady(t *testing.T, rate uint64, lasting time.Duration) *latencies {
	t.Helper()
	type turn struct {
		at time.Time
		n  int
	}
	got := newLatencies()
	due := make(chan turn, 2*rate)
	var callers sync.WaitGroup
	for n := range loadCallers {
		callers.Go(func() {
			for next := range due {
				operation, status, err := l.do(context.WithoutCancel(t.Context()), n, next.n)
				got.add(operation, status, err, time.Since(next.at))
			}
		})
	}
	interval, count := time.Second/time.Duration(rate), 0
	end := time.Now().Add(lasting)
	for next := time.Now(); next.Before(end); next = next.Add(interval) {
		time.Sleep(time.Until(next)) //nolint:forbidigo // the rate is what is wanted
		due <- turn{next, count}
		count++
	}
	close(due)
	callers.Wait()
	return got
}

// At a steady rate that it can bear the authority refuses nobody and does not grow.
func TestLoad_JOSESignsAndVerifiesWithoutErrors(t *testing.T) { //nolint:paralleltest // it measures
	seconds, rate := setting(t, loadSeconds, defaultLoadSeconds), setting(t, loadRate, defaultLoadRate)
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			dir, _ := joseProduct.prepared(t, engine)
			i := joseProduct.serve(t, dir)
			l := newJOSELoader(t, i)
			l.steady(t, rate, time.Second) // caches and connections
			before, spent := i.resident(t), i.processorTime(t)
			got := l.steady(t, rate, time.Duration(seconds)*time.Second)
			spent = i.processorTime(t) - spent
			after := i.resident(t)
			count := got.took["all"].TotalCount()
			t.Logf("%d requests at %d a second, %d callers: %v", count, rate, loadCallers, got.statuses)
			for _, operation := range []string{signedInLoad, readInLoad, "all"} {
				t.Log(got.line(operation))
			}
			t.Logf("processor time of the service for each request: %s; memory %d -> %d KiB", spent/time.Duration(max(count, 1)), before, after)
			assert.Empty(t, got.failures)
			assert.Equal(t, map[int]int{http.StatusOK: int(count)}, got.statuses)
			assert.Less(t, after-before, mostGrowth)
			i.stop(t)
		})
	}
}
