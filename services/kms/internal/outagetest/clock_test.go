package outagetest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// maintained waits until the service has looked for work twice: a key that is used up is rotated whatever the clock says.
func maintained(t *testing.T, s *kmstest.Service, spent string) {
	t.Helper()
	for range 2 {
		before := s.Key(t, spent)["version_count"].(float64)
		require.Eventually(t, func() bool { // a use just after a rotation may still be the old version's
			s.Ask(t, http.MethodPost, "elastic-keys/"+spent+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Done(t, http.StatusOK)
			return s.Key(t, spent)["version_count"].(float64) > before
		}, time.Minute, 20*time.Millisecond)
	}
}

// clockCheck is what healthz says of the clock.
func clockCheck(t *testing.T, s *kmstest.Service) (status, detail string) {
	t.Helper()
	got, err := s.Exchange(s.AdminRequest(t, http.MethodGet, "healthz", ""))
	require.NoError(t, err)
	for _, check := range got.Object(t)["checks"].([]any) {
		if check := check.(map[string]any); check["name"] == "clock" {
			detail, _ := check["detail"].(string)
			return check["status"].(string), detail
		}
	}
	t.Fatalf("healthz does not know the clock: %s", got.Body)
	return "", ""
}

// A wall clock that jumps deletes, destroys and rotates nothing; time that has passed does.
func TestClock_NothingEndsBeforeItsTime(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c := kmstest.NewClock()
			s, again := kmstest.Timed(t, engine, c)
			doomed, turning := s.Made(t, "doomed", nil), s.Made(t, "turning", map[string]any{"rotation": map[string]any{"every_seconds": 3600}})
			split := s.Made(t, "split", nil)
			spent := s.Made(t, "spent", map[string]any{"rotation": map[string]any{"uses": 1}})
			s.Ask(t, http.MethodPost, "elastic-keys/split/rotate", nil).Done(t, http.StatusCreated)
			s.Ask(t, http.MethodPost, "elastic-keys/doomed/schedule-deletion", map[string]any{"wait_days": 7}).Done(t, http.StatusOK)
			s.Ask(t, http.MethodPost, "elastic-keys/split/material-keys/1/schedule-destruction", map[string]any{"wait_days": 7}).Done(t, http.StatusOK)
			unchanged := func(what string) {
				t.Helper()
				maintained(t, s, spent)
				assert.Equal(t, "pending_delete", s.Key(t, doomed)["status"], what)
				assert.EqualValues(t, 1, s.Key(t, turning)["version_count"], what)
				assert.Equal(t, "destroy_scheduled", s.Ask(t, http.MethodGet, "elastic-keys/"+split+"/material-keys/1", nil).Member(t, "status"), what)
			}
			unchanged("at first")
			status, _ := clockCheck(t, s)
			assert.Equal(t, "ok", status)

			c.Jump(40 * kmstest.Day)
			unchanged("40 days forward")
			status, detail := clockCheck(t, s)
			assert.Equal(t, "failing", status)
			assert.Contains(t, detail, "set the clock right")
			assert.Contains(t, s.Logs.String(), "the clock was set")
			s = kmstest.Restarted(t, s, again)
			unchanged("40 days forward, and a restart")

			c.Jump(-80 * kmstest.Day)
			unchanged("40 days back")
			_, detail = clockCheck(t, s)
			assert.Contains(t, detail, "behind")
			s = kmstest.Restarted(t, s, again)
			unchanged("40 days back, and a restart")

			c.Jump(40 * kmstest.Day)
			unchanged("and right again")
			status, _ = clockCheck(t, s)
			assert.Equal(t, "ok", status)

			c.Pass(2 * time.Hour)
			require.Eventually(t, func() bool { return s.Key(t, turning)["version_count"].(float64) == 2 }, time.Minute, 20*time.Millisecond, "it rotates by age")
			assert.Equal(t, "pending_delete", s.Key(t, doomed)["status"])
			c.Pass(7 * kmstest.Day)
			require.Eventually(t, func() bool {
				return s.Ask(t, http.MethodGet, "elastic-keys/"+doomed, nil).Status == http.StatusNotFound
			}, time.Minute, 20*time.Millisecond, "it is deleted after the wait")
			require.Eventually(t, func() bool {
				return s.Ask(t, http.MethodGet, "elastic-keys/"+split+"/material-keys/1", nil).Member(t, "status") == "destroyed"
			}, time.Minute, 20*time.Millisecond)
			// The trail knows that nobody asked for it then.
			require.Eventually(t, func() bool {
				trail := string(s.Ask(t, http.MethodGet, "audit/export", nil).Done(t, http.StatusOK).Body)
				for _, line := range strings.Split(trail, "\n") {
					if strings.Contains(line, `"key.delete"`) {
						return strings.Contains(line, doomed) && strings.Contains(line, `"service"`)
					}
				}
				return false
			}, time.Minute, 50*time.Millisecond)
			// The name is free, the tombstone is listed for who asks for it.
			s.Made(t, "doomed", nil)
			tombs := s.Ask(t, http.MethodGet, "elastic-keys?status=deleted", nil).Done(t, http.StatusOK).Items(t)
			require.Len(t, tombs, 1)
			assert.Equal(t, doomed, tombs[0]["id"])
		})
	}
}
