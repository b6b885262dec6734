package kms_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// to brings a new key into a state by the API, and returns its id.
func (s *service) to(t *testing.T, name string, state keyring.ElasticStatus) string {
	t.Helper()
	origin := "generated"
	if state == keyring.ElasticPendingImport {
		origin = "imported"
	}
	id := s.made(t, name, map[string]any{"origin": origin})
	switch state {
	case keyring.ElasticDisabled:
		s.post(t, "", "elastic-keys/"+id+"/disable", nil)
	case keyring.ElasticPendingDelete:
		s.post(t, "", "elastic-keys/"+id+"/schedule-deletion", nil)
	}
	return id
}

// Every change of a key's state that the table has happens, and every other one is refused with both states named.
func TestLife_KeysFollowTheTable(t *testing.T) {
	t.Parallel()
	eachAdministered(t, func(t *testing.T, s, _ *service) {
		reachable := []keyring.ElasticStatus{keyring.ElasticActive, keyring.ElasticDisabled, keyring.ElasticPendingDelete, keyring.ElasticPendingImport}
		tried := 0
		for _, transition := range keyring.ElasticTransitions() {
			if !slices.Contains([]string{"enable", "disable", "schedule-deletion", "cancel-deletion"}, transition.Action) {
				continue // nobody asks for it
			}
			for i, from := range reachable {
				id := s.to(t, fmt.Sprintf("%s-%d", transition.Action, i), from)
				before := s.call(t, "", http.MethodGet, "elastic-keys/"+id, nil)
				got := s.call(t, "", http.MethodPost, "elastic-keys/"+id+"/"+transition.Action, nil)
				after := s.call(t, "", http.MethodGet, "elastic-keys/"+id, nil)
				tried++
				if transition.Allows(from) {
					require.Equal(t, http.StatusOK, got.status, "%s from %s: %s", transition.Action, from, got.body)
					assert.Equal(t, string(transition.To), after.member(t, "status"))
					assert.NotEqual(t, before.header.Get("ETag"), after.header.Get("ETag"))
					continue
				}
				got.refused(t, http.StatusConflict, "invalid_state", transition.Action+" from "+string(from))
				assert.Contains(t, got.member(t, "detail"), string(from))
				assert.Contains(t, got.member(t, "detail"), string(transition.From[0]))
				assert.Equal(t, before.header.Get("ETag"), after.header.Get("ETag"))
			}
			s.call(t, "", http.MethodPost, "elastic-keys/nobodys/"+transition.Action, nil).refused(t, http.StatusNotFound, "not_found", transition.Action)
		}
		assert.Equal(t, 16, tried)
	})
}

// toVersion brings version 1 of a new key into a state.
func (s *service) toVersion(t *testing.T, name string, state keyring.VersionStatus) string {
	t.Helper()
	path := "elastic-keys/" + s.made(t, name, nil) + "/material-keys"
	s.post(t, "", path, nil)
	action := map[keyring.VersionStatus]string{
		keyring.VersionDisabled: "disable", keyring.VersionCompromised: "mark-compromised", keyring.VersionDestroyScheduled: "schedule-destruction",
	}[state]
	if action != "" {
		s.post(t, "", path+"/1/"+action, nil)
	}
	return path + "/1"
}

func TestLife_VersionsFollowTheTable(t *testing.T) {
	t.Parallel()
	eachAdministered(t, func(t *testing.T, s, _ *service) {
		reachable := []keyring.VersionStatus{keyring.VersionEnabled, keyring.VersionDisabled, keyring.VersionCompromised, keyring.VersionDestroyScheduled}
		tried := 0
		for _, transition := range keyring.VersionTransitions() {
			if !slices.Contains([]string{"enable", "disable", "mark-compromised", "schedule-destruction", "restore"}, transition.Action) {
				continue
			}
			for i, from := range reachable {
				path := s.toVersion(t, fmt.Sprintf("%s-%d", transition.Action, i), from)
				got := s.call(t, "", http.MethodPost, path+"/"+transition.Action, nil)
				tried++
				if transition.Allows(from) {
					require.Equal(t, http.StatusOK, got.status, "%s from %s: %s", transition.Action, from, got.body)
					assert.Equal(t, string(transition.To), s.call(t, "", http.MethodGet, path, nil).member(t, "status"))
					continue
				}
				got.refused(t, http.StatusConflict, "invalid_state", transition.Action+" from "+string(from))
				assert.Contains(t, got.member(t, "detail"), string(from))
				assert.Contains(t, got.member(t, "detail"), string(transition.From[0]))
				assert.Equal(t, string(from), s.call(t, "", http.MethodGet, path, nil).member(t, "status"))
			}
		}
		assert.Equal(t, 20, tried)
		// What was compromised is that again after a restore.
		path := s.toVersion(t, "marked", keyring.VersionCompromised)
		s.post(t, "", path+"/schedule-destruction", nil)
		s.post(t, "", path+"/restore", nil)
		assert.Equal(t, "compromised", s.call(t, "", http.MethodGet, path, nil).member(t, "status"))
	})
}

// A wait has its bounds, a caller learns the date, and a dry run changes nothing.
func TestLife_EndsWait(t *testing.T) {
	t.Parallel()
	eachAdministered(t, func(t *testing.T, s, _ *service) {
		id := s.made(t, "key", nil)
		key, version := "elastic-keys/"+id, "elastic-keys/"+id+"/material-keys/1"
		s.post(t, "", key+"/rotate", nil)
		for _, path := range []string{key + "/schedule-deletion", version + "/schedule-destruction"} {
			for _, days := range []int{-1, 0, 1, 6, 31, 1 << 40} {
				s.call(t, "", http.MethodPost, path, map[string]any{"wait_days": days}).refused(t, http.StatusBadRequest, "validation_failed", path)
			}
		}
		s.post(t, "", key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		require.Eventually(t, func() bool {
			uses, _ := s.call(t, "", http.MethodGet, key+"/material-keys/2", nil).object(t)["uses"].(map[string]any)
			return uses["count"].(float64) == 1 && uses["bytes"].(float64) == 5 && uses["last_used_at"] != nil
		}, 10*time.Second, 20*time.Millisecond, "uses are stored")
		before := s.call(t, "", http.MethodGet, key, nil)
		for _, days := range []int{7, 30} {
			plan := s.post(t, "", key+"/schedule-deletion?dry_run=true", map[string]any{"wait_days": days}).object(t)
			assert.Equal(t, true, plan["dry_run"])
			assert.Equal(t, false, plan["safe"], "it was used just now")
			assert.Len(t, plan["versions"], 2)
			at, err := time.Parse(time.RFC3339, plan["delete_at"].(string))
			require.NoError(t, err)
			assert.WithinDuration(t, time.Now().Add(time.Duration(days)*day), at, time.Minute)
			plan = s.post(t, "", version+"/schedule-destruction?dry_run=true", map[string]any{"wait_days": days}).object(t)
			assert.Equal(t, true, plan["safe"], "version 1 was never used")
			plan = s.post(t, "", key+"/material-keys/2/schedule-destruction?dry_run=true", nil).object(t)
			assert.Equal(t, false, plan["safe"], "version 2 is primary")
		}
		assert.Equal(t, before.body, s.call(t, "", http.MethodGet, key, nil).body, "a dry run changes nothing")
		plan := s.post(t, "", version+"/schedule-destruction", nil).object(t)
		assert.Equal(t, false, plan["dry_run"])
		shown := s.call(t, "", http.MethodGet, version, nil).object(t)
		assert.Equal(t, plan["destroy_at"], shown["destroy_at"])
		plan = s.post(t, "", key+"/schedule-deletion", nil).object(t)
		shown = s.call(t, "", http.MethodGet, key, nil).object(t)
		assert.Equal(t, plan["delete_at"], shown["delete_at"])
		for _, again := range []string{"", "?dry_run=true"} {
			s.call(t, "", http.MethodPost, key+"/schedule-deletion"+again, nil).refused(t, http.StatusConflict, "invalid_state", "twice")
		}
		// Who still wants to use it is counted.
		for range 3 {
			s.call(t, "", http.MethodPost, key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).refused(t, http.StatusConflict, "invalid_state", "pending")
		}
		require.Eventually(t, func() bool {
			refused, _ := s.call(t, "", http.MethodGet, key, nil).object(t)["refused_uses"].(map[string]any)
			return refused["count"].(float64) == 3 && refused["last_refused_at"] != nil
		}, 10*time.Second, 20*time.Millisecond, "refused uses are counted")
		s.call(t, "", http.MethodPatch, key, map[string]any{"description": "x"}, "If-Match", "*").refused(t, http.StatusBadRequest, "bad_request", "any version")
		s.post(t, "", key+"/cancel-deletion", nil)
		got := s.call(t, "", http.MethodGet, key, nil).object(t)
		assert.Equal(t, "disabled", got["status"])
		assert.NotContains(t, got, "delete_at")
		assert.NotContains(t, got, "refused_uses")
	})
}

// A credential that is bound to nobody does not bring anything to its end, and neither does one without the scope.
func TestLife_TheEndTakesAStepUp(t *testing.T) {
	t.Parallel()
	eachAdministered(t, func(t *testing.T, s, _ *service) {
		id := s.made(t, "key", nil)
		plain := *s
		for _, path := range []string{"/schedule-deletion", "/schedule-deletion?dry_run=true", "/material-keys/1/schedule-destruction"} {
			plain.call(t, s.operator(t), http.MethodPost, "elastic-keys/"+id+path, nil).refused(t, http.StatusUnauthorized, "step_up_required", path)
		}
		assert.Equal(t, "active", s.key(t, id)["status"])
	})
}
