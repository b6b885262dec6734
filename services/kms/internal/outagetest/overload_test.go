package outagetest_test

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// The overload: ten times as many requests at once as the service works on.
const (
	capacity     = 16
	overload     = 10 * capacity
	overloadTime = 3 * time.Second
	// mostGrowth is how much more of the heap may be in use afterwards, in bytes; the clients are in the same process.
	mostGrowth = 24 << 20
)

// Beyond its capacity the service does what it can, sends the rest away at once, and afterwards is as before. The test is not parallel: it
// measures the memory of the process.
func TestOverload_IsRefusedAndPasses(t *testing.T) { //nolint:paralleltest // see above
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	cfg.Limits.MaxInFlight = capacity
	s := kmstest.Run(t, cfg, files)
	h := kmstest.NewHolding(t, s, "default", s.Operator(t))
	var tokens []string
	for i := range 4 {
		tokens = append(tokens, s.Token(t, "default", fmt.Sprintf("caller-%d", i), "kms:encrypt", "kms:sign"))
	}
	overloadFor(t, s, h, tokens, overloadTime/6) // caches, connections and pools
	before := heapInUse()

	slow := hold(t, s, h, tokens[:2], capacity*3/4)
	end := watchLiveness(t, s)
	counts := overloadFor(t, s, h, tokens, overloadTime)
	livez := end()
	for _, w := range slow { // they were accepted, and are served
		w.Sayf(t, ":\"aGVsbG8\"}")
		got := w.Hear(t)
		require.NotNil(t, got)
		assert.Equal(t, http.StatusOK, got.Status, "%s", got.Body)
	}
	began := time.Now()
	s.Post(t, tokens[0], "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
	recovered := time.Since(began)
	after := heapInUse()

	t.Logf("answers by status: %v", counts.statuses)
	t.Logf("served: %s; refused: %s", counts.served, counts.refused)
	t.Logf("livez: %s; the next request afterwards took %s", livez, recovered.Round(time.Microsecond))
	t.Logf("heap in use before %d KiB, after %d KiB", before>>10, after>>10)
	assert.Positive(t, counts.statuses[http.StatusOK], "nothing was served")
	assert.Positive(t, counts.statuses[http.StatusServiceUnavailable]+counts.statuses[http.StatusTooManyRequests], "it was no overload")
	assert.Less(t, livez.percentile(99), mostLiveness)
	assert.Less(t, recovered, mostLiveness)
	assert.Less(t, int64(after)-int64(before), int64(mostGrowth), "the memory grows")
	code, status, _, _ := s.Check(t, "readyz", "database")
	assert.Equal(t, http.StatusOK, code)
	assert.Equal(t, "ok", status)
}

// hold has callers take a part of the capacity, who are slow to say what they want.
func hold(t *testing.T, s *kmstest.Service, h kmstest.Holding, tokens []string, n int) (slow []kmstest.Wire) {
	t.Helper()
	for i := range n {
		w := s.Dial(t)
		w.Sayf(t, head+"Content-Length: 23\r\n\r\n{\"plaintext\"", h.Secret, tokens[i%len(tokens)])
		slow = append(slow, w)
	}
	status := s.AdminRequest(t, http.MethodGet, "status", "")
	require.Eventually(t, func() bool {
		got, err := s.Exchange(status.Clone(status.Context()))
		return err == nil && got.Object(t)["in_flight"] == float64(n)
	}, 10*time.Second, time.Millisecond)
	return slow
}

// heapInUse is what is left of the heap after collections.
func heapInUse() uint64 {
	for range 3 { // finalizers, then what they held
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse
}

// answers are those that callers got.
type answers struct {
	statuses        map[int]int
	served, refused times
}

// overloadFor has all callers ask as fast as they can, and makes sure that each answer is one of success, or asks to come back.
func overloadFor(t *testing.T, s *kmstest.Service, h kmstest.Holding, tokens []string, duration time.Duration) answers {
	t.Helper()
	all := make([]answers, overload)
	failures := make([]error, overload)
	deadline := time.Now().Add(duration)
	var connections []*kmstest.Service
	for i := range 8 {
		connections = append(connections, s.Apart(t, i%2 == 0)) // some on HTTP/2, where many share a connection
	}
	var callers sync.WaitGroup
	for i := range all {
		all[i].statuses = map[int]int{}
		own, token := connections[i%len(connections)], tokens[i%len(tokens)]
		ask := func() *http.Request {
			if i%4 == 0 {
				return own.Request(t, token, http.MethodPost, "elastic-keys/"+h.Signer+"/sign", map[string]any{"payload": "aGVsbG8"})
			}
			return own.Request(t, token, http.MethodPost, "elastic-keys/"+h.Secret+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		}
		callers.Go(func() {
			for time.Now().Before(deadline) {
				began := time.Now()
				got, err := own.Exchange(ask())
				if err == nil {
					err = all[i].count(got, time.Since(began))
				}
				if err != nil {
					failures[i] = err
					return
				}
			}
		})
	}
	callers.Wait()
	sum := answers{statuses: map[int]int{}}
	for i, one := range all {
		require.NoError(t, failures[i])
		for status, n := range one.statuses {
			sum.statuses[status] += n
		}
		sum.served, sum.refused = slices.Concat(sum.served, one.served), slices.Concat(sum.refused, one.refused)
	}
	for _, connection := range connections {
		connection.HTTP.CloseIdleConnections()
	}
	return sum
}

// count takes note of an answer, which must be one that a client can go by.
func (a *answers) count(got kmstest.Answer, took time.Duration) error {
	a.statuses[got.Status]++
	switch {
	case got.Status == http.StatusOK:
		a.served = append(a.served, took)
		return nil
	case got.Status != http.StatusServiceUnavailable && got.Status != http.StatusTooManyRequests, got.Header.Get("Retry-After") == "":
		return fmt.Errorf("%d %v %s", got.Status, got.Header, got.Body)
	default:
		a.refused = append(a.refused, took)
		return nil
	}
}
