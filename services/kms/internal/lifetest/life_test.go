package lifetest_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// to brings a new key into a state by the API, and returns its id.
func to(t *testing.T, s *kmstest.Service, name string, state keyring.ElasticStatus) string {
	t.Helper()
	origin := "generated"
	if state == keyring.ElasticPendingImport {
		origin = "imported"
	}
	id := s.Made(t, name, map[string]any{"origin": origin})
	switch state {
	case keyring.ElasticDisabled:
		s.Post(t, "", "elastic-keys/"+id+"/disable", nil)
	case keyring.ElasticPendingDelete:
		s.Post(t, "", "elastic-keys/"+id+"/schedule-deletion", nil)
	}
	return id
}

// Every change of a key's state that the table has happens, and every other one is refused with both states named.
func TestLife_KeysFollowTheTable(t *testing.T) {
	t.Parallel()
	kmstest.EachAdministered(t, func(t *testing.T, s, _ *kmstest.Service) {
		reachable := []keyring.ElasticStatus{keyring.ElasticActive, keyring.ElasticDisabled, keyring.ElasticPendingDelete, keyring.ElasticPendingImport}
		tried := 0
		for _, transition := range keyring.ElasticTransitions() {
			if !slices.Contains([]string{"enable", "disable", "schedule-deletion", "cancel-deletion"}, transition.Action) {
				continue // nobody asks for it
			}
			for i, from := range reachable {
				id := to(t, s, fmt.Sprintf("%s-%d", transition.Action, i), from)
				before := s.Call(t, "", http.MethodGet, "elastic-keys/"+id, nil)
				got := s.Call(t, "", http.MethodPost, "elastic-keys/"+id+"/"+transition.Action, nil)
				after := s.Call(t, "", http.MethodGet, "elastic-keys/"+id, nil)
				tried++
				if transition.Allows(from) {
					require.Equal(t, http.StatusOK, got.Status, "%s from %s: %s", transition.Action, from, got.Body)
					assert.Equal(t, string(transition.To), after.Member(t, "status"))
					assert.NotEqual(t, before.Header.Get("ETag"), after.Header.Get("ETag"))
					continue
				}
				got.Refused(t, http.StatusConflict, "invalid_state", transition.Action+" from "+string(from))
				assert.Contains(t, got.Member(t, "detail"), string(from))
				assert.Contains(t, got.Member(t, "detail"), string(transition.From[0]))
				assert.Equal(t, before.Header.Get("ETag"), after.Header.Get("ETag"))
			}
			s.Call(t, "", http.MethodPost, "elastic-keys/nobodys/"+transition.Action, nil).Refused(t, http.StatusNotFound, "not_found", transition.Action)
		}
		assert.Equal(t, 16, tried)
	})
}

// toVersion brings version 1 of a new key into a state.
func toVersion(t *testing.T, s *kmstest.Service, name string, state keyring.VersionStatus) string {
	t.Helper()
	path := "elastic-keys/" + s.Made(t, name, nil) + "/material-keys"
	s.Post(t, "", path, nil)
	action := map[keyring.VersionStatus]string{
		keyring.VersionDisabled: "disable", keyring.VersionCompromised: "mark-compromised", keyring.VersionDestroyScheduled: "schedule-destruction",
	}[state]
	if action != "" {
		s.Post(t, "", path+"/1/"+action, nil)
	}
	return path + "/1"
}

func TestLife_VersionsFollowTheTable(t *testing.T) {
	t.Parallel()
	kmstest.EachAdministered(t, func(t *testing.T, s, _ *kmstest.Service) {
		reachable := []keyring.VersionStatus{keyring.VersionEnabled, keyring.VersionDisabled, keyring.VersionCompromised, keyring.VersionDestroyScheduled}
		tried := 0
		for _, transition := range keyring.VersionTransitions() {
			if !slices.Contains([]string{"enable", "disable", "mark-compromised", "schedule-destruction", "restore"}, transition.Action) {
				continue
			}
			for i, from := range reachable {
				path := toVersion(t, s, fmt.Sprintf("%s-%d", transition.Action, i), from)
				got := s.Call(t, "", http.MethodPost, path+"/"+transition.Action, nil)
				tried++
				if transition.Allows(from) {
					require.Equal(t, http.StatusOK, got.Status, "%s from %s: %s", transition.Action, from, got.Body)
					assert.Equal(t, string(transition.To), s.Call(t, "", http.MethodGet, path, nil).Member(t, "status"))
					continue
				}
				got.Refused(t, http.StatusConflict, "invalid_state", transition.Action+" from "+string(from))
				assert.Contains(t, got.Member(t, "detail"), string(from))
				assert.Contains(t, got.Member(t, "detail"), string(transition.From[0]))
				assert.Equal(t, string(from), s.Call(t, "", http.MethodGet, path, nil).Member(t, "status"))
			}
		}
		assert.Equal(t, 20, tried)
		// What was compromised is that again after a restore.
		path := toVersion(t, s, "marked", keyring.VersionCompromised)
		s.Post(t, "", path+"/schedule-destruction", nil)
		s.Post(t, "", path+"/restore", nil)
		assert.Equal(t, "compromised", s.Call(t, "", http.MethodGet, path, nil).Member(t, "status"))
	})
}

// A wait has its bounds, a caller learns the date, and a dry run changes nothing.
func TestLife_EndsWait(t *testing.T) {
	t.Parallel()
	kmstest.EachAdministered(t, func(t *testing.T, s, _ *kmstest.Service) {
		id := s.Made(t, "key", nil)
		key, version := "elastic-keys/"+id, "elastic-keys/"+id+"/material-keys/1"
		s.Post(t, "", key+"/rotate", nil)
		for _, path := range []string{key + "/schedule-deletion", version + "/schedule-destruction"} {
			for _, days := range []int{-1, 0, 1, 6, 31, 1 << 40} {
				s.Call(t, "", http.MethodPost, path, map[string]any{"wait_days": days}).Refused(t, http.StatusBadRequest, "validation_failed", path)
			}
		}
		s.Post(t, "", key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		require.Eventually(t, func() bool {
			uses, _ := s.Call(t, "", http.MethodGet, key+"/material-keys/2", nil).Object(t)["uses"].(map[string]any)
			return uses["count"].(float64) == 1 && uses["bytes"].(float64) == 5 && uses["last_used_at"] != nil
		}, 10*time.Second, 20*time.Millisecond, "uses are stored")
		before := s.Call(t, "", http.MethodGet, key, nil)
		for _, days := range []int{7, 30} {
			plan := s.Post(t, "", key+"/schedule-deletion?dry_run=true", map[string]any{"wait_days": days}).Object(t)
			assert.Equal(t, true, plan["dry_run"])
			assert.Equal(t, false, plan["safe"], "it was used just now")
			assert.Len(t, plan["versions"], 2)
			at, err := time.Parse(time.RFC3339, plan["delete_at"].(string))
			require.NoError(t, err)
			assert.WithinDuration(t, time.Now().Add(time.Duration(days)*kmstest.Day), at, time.Minute)
			plan = s.Post(t, "", version+"/schedule-destruction?dry_run=true", map[string]any{"wait_days": days}).Object(t)
			assert.Equal(t, true, plan["safe"], "version 1 was never used")
			plan = s.Post(t, "", key+"/material-keys/2/schedule-destruction?dry_run=true", nil).Object(t)
			assert.Equal(t, false, plan["safe"], "version 2 is primary")
		}
		assert.Equal(t, before.Body, s.Call(t, "", http.MethodGet, key, nil).Body, "a dry run changes nothing")
		plan := s.Post(t, "", version+"/schedule-destruction", nil).Object(t)
		assert.Equal(t, false, plan["dry_run"])
		shown := s.Call(t, "", http.MethodGet, version, nil).Object(t)
		assert.Equal(t, plan["destroy_at"], shown["destroy_at"])
		plan = s.Post(t, "", key+"/schedule-deletion", nil).Object(t)
		shown = s.Call(t, "", http.MethodGet, key, nil).Object(t)
		assert.Equal(t, plan["delete_at"], shown["delete_at"])
		for _, again := range []string{"", "?dry_run=true"} {
			s.Call(t, "", http.MethodPost, key+"/schedule-deletion"+again, nil).Refused(t, http.StatusConflict, "invalid_state", "twice")
		}
		// Who still wants to use it is counted.
		for range 3 {
			s.Call(t, "", http.MethodPost, key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Refused(t, http.StatusConflict, "invalid_state", "pending")
		}
		require.Eventually(t, func() bool {
			refused, _ := s.Call(t, "", http.MethodGet, key, nil).Object(t)["refused_uses"].(map[string]any)
			return refused["count"].(float64) == 3 && refused["last_refused_at"] != nil
		}, 10*time.Second, 20*time.Millisecond, "refused uses are counted")
		s.Call(t, "", http.MethodPatch, key, map[string]any{"description": "x"}, "If-Match", "*").Refused(t, http.StatusBadRequest, "bad_request", "any version")
		s.Post(t, "", key+"/cancel-deletion", nil)
		got := s.Call(t, "", http.MethodGet, key, nil).Object(t)
		assert.Equal(t, "disabled", got["status"])
		assert.NotContains(t, got, "delete_at")
		assert.NotContains(t, got, "refused_uses")
	})
}

// A credential that is bound to nobody does not bring anything to its end, and neither does one without the scope.
func TestLife_TheEndTakesAStepUp(t *testing.T) {
	t.Parallel()
	kmstest.EachAdministered(t, func(t *testing.T, s, _ *kmstest.Service) {
		id := s.Made(t, "key", nil)
		plain := *s
		for _, path := range []string{"/schedule-deletion", "/schedule-deletion?dry_run=true", "/material-keys/1/schedule-destruction"} {
			plain.Call(t, s.Operator(t), http.MethodPost, "elastic-keys/"+id+path, nil).Refused(t, http.StatusUnauthorized, "step_up_required", path)
		}
		assert.Equal(t, "active", s.Key(t, id)["status"])
	})
}
