package kmstest

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// Clock is what a machine knows the time by. Time passes as it does, and as a test has it pass; the wall clock can be set.
type Clock struct {
	began time.Time

	mu          sync.Mutex
	passed, set time.Duration // guarded by mu
}

// NewClock is a clock that shows the time of the machine until a test has it show another.
func NewClock() *Clock { return &Clock{began: time.Now()} }

func (c *Clock) wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.passed + c.set)
}

func (c *Clock) elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.began) + c.passed
}

// Pass has time pass.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed += d
}

// Jump sets the wall clock.
func (c *Clock) Jump(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set += by
}

// Timed is a service by a clock of the test's, as its administrator sees it, that looks for work all the time.
func Timed(t *testing.T, engine string, c *Clock) (root *Service, again func() *Service) {
	t.Helper()
	cfg, files := Prepare(t, engine)
	certificate := Administer(t, &cfg)
	cfg.Keys.MaintenanceInterval, cfg.Keys.FlushInterval = 100*time.Millisecond, 100*time.Millisecond
	start := func() *Service {
		logs := &LogBuffer{}
		t.Cleanup(func() {
			if t.Failed() {
				t.Log(logs.String())
			}
		})
		cfg.Telemetry.LogLevel = "warn"
		s := runProgram(t, kms.Timed(c.wall, c.elapsed), cfg, files, logs)
		s.Logs = logs
		return s.As(t, certificate)
	}
	return start(), start
}

// Made creates a key with the members given and returns its id.
func (s *Service) Made(t *testing.T, name string, members map[string]any) string {
	t.Helper()
	body := Merge(map[string]any{"name": name, "algorithm": "A256GCM/A256KW"}, members)
	return s.Ask(t, http.MethodPost, "elastic-keys", body).Done(t, http.StatusCreated).Member(t, "id")
}

// Key reads a key as it is.
func (s *Service) Key(t *testing.T, ref string) map[string]any {
	t.Helper()
	return s.Ask(t, http.MethodGet, "elastic-keys/"+ref, nil).Done(t, http.StatusOK).Object(t)
}

// Restarted stops the service, and starts it on the same machine.
func Restarted(t *testing.T, s *Service, again func() *Service) *Service {
	t.Helper()
	s.Stop()
	return again()
}
