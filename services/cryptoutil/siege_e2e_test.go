//go:build e2e

package cryptoutil_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// siege is a service that is killed again and again while clients work with it.
type siege struct {
	product product
	dir     string
	data    database.Config
	ends    chan struct{} // closed after the last kill
	gone    chan struct{} // closed when the service does not come again

	mu    sync.Mutex
	now   *installation // guarded by mu
	next  chan struct{} // guarded by mu; closed when there is a new one
	still []stillness   // guarded by mu

	proven int64 // up to where the audit trail was verified; of who kills

	serial, asked, again atomic.Int64 // requests
	mean                 sync.Map     // by client: how many of its requests a kill has cut off, *atomic.Int64
}

// stillness is what a client wants done while the service is down.
type stillness struct {
	do   func(ctx context.Context, db *database.DB) error
	done chan struct{}
}

// besiege prepares a service that does at once what time has come for, and starts it.
func besiege(t *testing.T, engine string) *siege {
	t.Helper()
	return besiegeProduct(t, kmsProduct, engine, "\nkeys:\n  maintenance_interval: 100ms\n  flush_interval: 100ms\n")
}

// besiegeProduct prepares a service with more in its configuration, and starts it.
func besiegeProduct(t *testing.T, p product, engine, more string) *siege {
	t.Helper()
	s := &siege{product: p, ends: make(chan struct{}), gone: make(chan struct{}), next: make(chan struct{})}
	s.dir, s.data = p.prepared(t, engine)
	p.configure(t, s.dir, more)
	s.start(t)
	return s
}

// start starts the service and tells those who wait for it.
func (s *siege) start(t *testing.T) {
	t.Helper()
	i := s.product.serve(t, s.dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = i
	close(s.next)
	s.next = make(chan struct{})
}

// service is the one that runs now, and a channel that is closed when there is another.
func (s *siege) service() (i *installation, next <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.next
}

// kill kills the service, looks at what it has left, and starts it again.
func (s *siege) kill(t *testing.T, look func(ctx context.Context, db *database.DB)) {
	t.Helper()
	i, _ := s.service()
	i.kill()
	s.mu.Lock()
	wanted := s.still
	s.still = nil
	s.mu.Unlock()
	inDatabase(t, s.data, func(ctx context.Context, db *database.DB) error {
		look(ctx, db)
		for _, statement := range []string{
			"UPDATE leases SET expires_at = 0", // what a dead service holds, its successor otherwise waits for
			"UPDATE idempotency_records SET claimed_at = 0 WHERE state = 'running'",
		} {
			if _, err := db.Exec(ctx, statement); err != nil {
				return err
			}
		}
		for _, one := range wanted {
			if err := one.do(ctx, db); err != nil {
				return err
			}
		}
		return nil
	})
	s.start(t)
	for _, one := range wanted {
		close(one.done)
	}
}

// whenStill has something done in the database while the service is down, and waits until the service is up again. False: it will not be down again.
func (s *siege) whenStill(do func(ctx context.Context, db *database.DB) error) bool {
	one := stillness{do: do, done: make(chan struct{})}
	s.mu.Lock()
	s.still = append(s.still, one)
	s.mu.Unlock()
	select {
	case <-one.done:
		return true
	case <-s.ends:
	case <-s.gone:
	}
	select {
	case <-one.done: // by the last kill
		return true
	default:
		return false
	}
}

func (s *siege) ended() bool {
	select {
	case <-s.ends:
		return true
	case <-s.gone:
		return true
	default:
		return false
	}
}

// client works on and on: what has no answer it asks for again, with the Idempotency-Key that it had, until the service can tell what became of it.
type client struct {
	t    *testing.T
	s    *siege
	api  func(i *installation) *api // made anew for each service
	last *installation
	by   *api
	cut  *atomic.Int64 // requests that a kill has cut off
}

// landlord is one with the certificate of the program that administers.
func (s *siege) landlord(t *testing.T) *client {
	t.Helper()
	return s.client(t, func(i *installation) *api { return i.landlord(t) })
}

func (s *siege) client(t *testing.T, as func(i *installation) *api) *client {
	t.Helper()
	cut, _ := s.mean.LoadOrStore(filepath.Base(t.Name()), &atomic.Int64{})
	count, ok := cut.(*atomic.Int64)
	require.True(t, ok)
	return &client{t: t, s: s, api: as, cut: count}
}

// ask sends a request until it has an answer that stands.
func (c *client) ask(method, path string, in any, header ...string) reply {
	c.t.Helper()
	if method == http.MethodPost {
		header = append([]string{"Idempotency-Key", fmt.Sprintf("request-%d", c.s.serial.Add(1))}, header...)
	}
	return c.send(func(ctx context.Context, a *api) (reply, error) { return a.do(ctx, method, path, in, nil, header...) }, method+" "+path)
}

// send is ask for a request of any kind.
func (c *client) send(request func(ctx context.Context, a *api) (reply, error), what string) reply {
	c.t.Helper()
	late := time.Now().Add(2 * patience)
	for first := true; ; first = false {
		i, next := c.s.service()
		if i != c.last {
			c.last, c.by = i, c.api(i)
		}
		c.s.asked.Add(1)
		if !first {
			c.s.again.Add(1)
		}
		got, err := request(c.t.Context(), c.by)
		running := got.status == http.StatusConflict && bytes.Contains(got.body, []byte(`"idempotency_in_progress"`))
		switch {
		case err == nil && got.status != http.StatusServiceUnavailable && !running:
			require.Less(c.t, got.status, http.StatusInternalServerError, "%s: %s", what, got.body)
			return got
		case err != nil:
			c.cut.Add(1)
			select {
			case <-next:
			case <-c.s.gone:
			case <-time.After(patience):
			}
		default:
			time.Sleep(tick) //nolint:forbidigo // as Retry-After asks, in small
		}
		require.True(c.t, time.Now().Before(late), "%s: %v %d %s", what, err, got.status, got.body)
	}
}

// done is ask for what must succeed.
func (c *client) done(method, path string, in any, header ...string) fields {
	c.t.Helper()
	got := c.ask(method, path, in, header...)
	require.Equal(c.t, 2, got.status/100, "%s %s: %d %s", method, path, got.status, got.body)
	return fieldsOf(c.t, got)
}

// refused is ask for what must be refused, with its code.
func (c *client) refused(code, path string, in any, header ...string) {
	c.t.Helper()
	got := c.ask(http.MethodPost, path, in, header...)
	assert.Equal(c.t, code, fieldsOf(c.t, got).text("code"), "%s: %d %s", path, got.status, got.body)
}

// until looks until it is so, or nothing will change any more.
func (c *client) until(what string, so func() bool) {
	c.t.Helper()
	eventually(c.t, what, so)
}

// fields is a JSON object.
type fields map[string]any

func fieldsOf(t *testing.T, got reply) (f fields) {
	t.Helper()
	require.NoError(t, json.Unmarshal(got.body, &f), "%s", got.body)
	return f
}

func (f fields) text(name string) string {
	text, _ := f[name].(string)
	return text
}

func (f fields) number(name string) int {
	number, _ := f[name].(float64)
	return int(number)
}

// storm kills the service at random moments, half of them soon after its start, while all clients work. look sees what each kill has left.
func (s *siege) storm(t *testing.T, random *rand.Rand, rounds uint64, look func(ctx context.Context, db *database.DB), work map[string]func(t *testing.T)) {
	t.Helper()
	var working sync.WaitGroup
	for name, one := range work {
		working.Go(func() { // all at once, however few tests may be parallel
			t.Run(name, one)
		})
	}
	func() {
		defer close(s.ends)
		failed := true
		defer func() {
			if failed {
				close(s.gone)
			}
		}()
		for range rounds {
			most := []time.Duration{stormMoment / 4, stormMoment}[random.IntN(2)]
			time.Sleep(time.Duration(random.Int64N(int64(most)))) //nolint:forbidigo // the moment of the end
			s.kill(t, look)
			s.trailIsWhole(t)
			if t.Failed() {
				break
			}
		}
		failed = false
	}()
	working.Wait()
	cut := map[string]int64{}
	s.mean.Range(func(name, count any) bool {
		cut[name.(string)] = count.(*atomic.Int64).Load()
		return true
	})
	t.Logf("killed %d times; %d requests, of them %d repeated ones; cut off: %v", rounds, s.asked.Load(), s.again.Load(), cut)
}

// stormMoment is the longest that a service lives.
const stormMoment = time.Second

// trailIsWhole has what is new in the audit trail since the last time verified offline, with the events before it that it must go on from.
func (s *siege) trailIsWhole(t *testing.T) {
	t.Helper()
	const overlap = 10
	i, _ := s.service()
	a := i.landlord(t)
	read := func(path string) (text []byte) {
		eventually(t, path, func() bool {
			got, err := a.do(t.Context(), http.MethodGet, path, nil, nil)
			require.NoError(t, err)
			text = got.body
			return got.status == http.StatusOK
		})
		return text
	}
	dir := t.TempDir()
	file, keys := filepath.Join(dir, "trail.jsonl"), filepath.Join(dir, "keys.json")
	require.NoError(t, os.WriteFile(file, read(fmt.Sprintf("audit/export?from=%d", max(s.proven-overlap, 0))), 0o600))
	require.NoError(t, os.WriteFile(keys, read("audit/checkpoint-key"), 0o600))
	got := call{
		path: program(t, suite), args: []string{"audit", "verify", file, "--key", keys, "--partial", "--output", "json"}, env: environment(dir),
	}.run(t)
	require.True(t, verdictOf(t, got).Intact, "%s%s", got.stdout, got.stderr)
	var proven struct {
		Last int64 `json:"last"`
	}
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &proven))
	require.GreaterOrEqual(t, proven.Last, s.proven, "the trail has lost its end")
	s.proven = proven.Last
}
