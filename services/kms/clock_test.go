package kms_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// clock is what a machine knows the time by. Time passes as it does, and as a test has it pass; the wall clock can be set.
type clock struct {
	began time.Time

	mu          sync.Mutex
	passed, set time.Duration // guarded by mu
}

func newClock() *clock { return &clock{began: time.Now()} }

func (c *clock) wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.passed + c.set)
}

func (c *clock) elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.began) + c.passed
}

// pass has time pass.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passed += d
}

// jump sets the wall clock.
func (c *clock) jump(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set += by
}

// timed is a service by a clock of the test's, as its administrator sees it, that looks for work all the time.
func timed(t *testing.T, engine string, c *clock) (root *service, again func() *service) {
	t.Helper()
	cfg, files := prepare(t, engine)
	certificate := administer(t, &cfg)
	cfg.Keys.MaintenanceInterval, cfg.Keys.FlushInterval = 100*time.Millisecond, 100*time.Millisecond
	start := func() *service {
		logs := &logBuffer{}
		t.Cleanup(func() {
			if t.Failed() {
				t.Log(logs.String())
			}
		})
		cfg.Telemetry.LogLevel = "warn"
		s := runProgram(t, kms.Timed(c.wall, c.elapsed), cfg, files, logs)
		s.logs = logs
		return s.as(t, certificate)
	}
	return start(), start
}

// make creates a key with the members given.
func (s *service) made(t *testing.T, name string, members map[string]any) string {
	t.Helper()
	body := merge(map[string]any{"name": name, "algorithm": "A256GCM/A256KW"}, members)
	return s.ask(t, http.MethodPost, "elastic-keys", body).done(t, http.StatusCreated).member(t, "id")
}

// key reads a key as it is.
func (s *service) key(t *testing.T, ref string) map[string]any {
	t.Helper()
	return s.ask(t, http.MethodGet, "elastic-keys/"+ref, nil).done(t, http.StatusOK).object(t)
}

// maintained waits until the service has looked for work twice: a key that is used up is rotated whatever the clock says.
func (s *service) maintained(t *testing.T, spent string) {
	t.Helper()
	for range 2 {
		before := s.key(t, spent)["version_count"].(float64)
		require.Eventually(t, func() bool { // a use just after a rotation may still be the old version's
			s.ask(t, http.MethodPost, "elastic-keys/"+spent+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).done(t, http.StatusOK)
			return s.key(t, spent)["version_count"].(float64) > before
		}, time.Minute, 20*time.Millisecond)
	}
}

// clockCheck is what healthz says of the clock.
func (s *service) clockCheck(t *testing.T) (status, detail string) {
	t.Helper()
	got, err := s.exchange(s.adminRequest(t, http.MethodGet, "healthz", ""))
	require.NoError(t, err)
	for _, check := range got.object(t)["checks"].([]any) {
		if check := check.(map[string]any); check["name"] == "clock" {
			detail, _ := check["detail"].(string)
			return check["status"].(string), detail
		}
	}
	t.Fatalf("healthz does not know the clock: %s", got.body)
	return "", ""
}

// A wall clock that jumps deletes, destroys and rotates nothing; time that has passed does.
func TestClock_NothingEndsBeforeItsTime(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			s, again := timed(t, engine, c)
			doomed, turning := s.made(t, "doomed", nil), s.made(t, "turning", map[string]any{"rotation": map[string]any{"every_seconds": 3600}})
			split := s.made(t, "split", nil)
			spent := s.made(t, "spent", map[string]any{"rotation": map[string]any{"uses": 1}})
			s.ask(t, http.MethodPost, "elastic-keys/split/rotate", nil).done(t, http.StatusCreated)
			s.ask(t, http.MethodPost, "elastic-keys/doomed/schedule-deletion", map[string]any{"wait_days": 7}).done(t, http.StatusOK)
			s.ask(t, http.MethodPost, "elastic-keys/split/material-keys/1/schedule-destruction", map[string]any{"wait_days": 7}).done(t, http.StatusOK)
			unchanged := func(what string) {
				t.Helper()
				s.maintained(t, spent)
				assert.Equal(t, "pending_delete", s.key(t, doomed)["status"], what)
				assert.EqualValues(t, 1, s.key(t, turning)["version_count"], what)
				assert.Equal(t, "destroy_scheduled", s.ask(t, http.MethodGet, "elastic-keys/"+split+"/material-keys/1", nil).member(t, "status"), what)
			}
			unchanged("at first")
			status, _ := s.clockCheck(t)
			assert.Equal(t, "ok", status)

			c.jump(40 * day)
			unchanged("40 days forward")
			status, detail := s.clockCheck(t)
			assert.Equal(t, "failing", status)
			assert.Contains(t, detail, "set the clock right")
			assert.Contains(t, s.logs.String(), "the clock was set")
			s = restarted(t, s, again)
			unchanged("40 days forward, and a restart")

			c.jump(-80 * day)
			unchanged("40 days back")
			_, detail = s.clockCheck(t)
			assert.Contains(t, detail, "behind")
			s = restarted(t, s, again)
			unchanged("40 days back, and a restart")

			c.jump(40 * day)
			unchanged("and right again")
			status, _ = s.clockCheck(t)
			assert.Equal(t, "ok", status)

			c.pass(2 * time.Hour)
			require.Eventually(t, func() bool { return s.key(t, turning)["version_count"].(float64) == 2 }, time.Minute, 20*time.Millisecond, "it rotates by age")
			assert.Equal(t, "pending_delete", s.key(t, doomed)["status"])
			c.pass(7 * day)
			require.Eventually(t, func() bool {
				return s.ask(t, http.MethodGet, "elastic-keys/"+doomed, nil).status == http.StatusNotFound
			}, time.Minute, 20*time.Millisecond, "it is deleted after the wait")
			require.Eventually(t, func() bool {
				return s.ask(t, http.MethodGet, "elastic-keys/"+split+"/material-keys/1", nil).member(t, "status") == "destroyed"
			}, time.Minute, 20*time.Millisecond)
			// The trail knows that nobody asked for it then.
			require.Eventually(t, func() bool {
				trail := string(s.ask(t, http.MethodGet, "audit/export", nil).done(t, http.StatusOK).body)
				for _, line := range strings.Split(trail, "\n") {
					if strings.Contains(line, `"key.delete"`) {
						return strings.Contains(line, doomed) && strings.Contains(line, `"service"`)
					}
				}
				return false
			}, time.Minute, 50*time.Millisecond)
			// The name is free, the tombstone is listed for who asks for it.
			s.made(t, "doomed", nil)
			tombs := s.ask(t, http.MethodGet, "elastic-keys?status=deleted", nil).done(t, http.StatusOK).items(t)
			require.Len(t, tombs, 1)
			assert.Equal(t, doomed, tombs[0]["id"])
		})
	}
}

// restarted stops the service, and starts it on the same machine.
func restarted(t *testing.T, s *service, again func() *service) *service {
	t.Helper()
	s.stop()
	return again()
}
