package usetest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// maxAuditText is how many bytes of a text the audit trail keeps.
const maxAuditText = 512

// A change of rights is one event however many scopes it is about, and not a second one because the request was observed as well.
func TestTrail_ChangesOfRightsAreOneEventWhateverTheirScopes(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := kmstest.Prepare(t, engine)
			certificate := kmstest.Administer(t, &cfg)
			s := kmstest.Run(t, cfg, files).As(t, certificate)
			var scopes []string
			for i := range 60 {
				scopes = append(scopes, fmt.Sprintf("kms:scope-%d", i))
			}
			few := []string{"kms:read", "kms:verify"}
			changes := []struct {
				action, path string
				scopes       []string
				made         kmstest.Answer
			}{
				{action: "role.create", path: "roles", scopes: scopes},
				{action: "client.create", path: "clients", scopes: scopes},
				{action: "role.create", path: "roles", scopes: few},
				{action: "tenant.create", path: "tenants"},
			}
			for i, change := range changes {
				body := map[string]any{"name": fmt.Sprintf("name-%d", i), "scopes": change.scopes}
				if change.scopes == nil {
					body = map[string]any{"id": "acme"}
				}
				changes[i].made = s.Ask(t, http.MethodPost, change.path, body).Done(t, http.StatusCreated)
			}
			// What is observed of requests arrives in their order: once this refusal is there, nothing is on its way any more.
			refused := s.Ask(t, http.MethodPost, "roles", map[string]any{"name": "name-0", "scopes": few}).Done(t, http.StatusConflict)
			require.Eventually(t, func() bool {
				return len(s.TrailOf(t, refused)) == 1 && len(s.TrailOf(t, changes[3].made)) > 0
			}, 10*time.Second, 20*time.Millisecond)
			for _, change := range changes {
				events := s.TrailOf(t, change.made)
				require.Len(t, events, 1, change.action)
				event := events[0]
				assert.Equal(t, change.action, event["action"])
				assert.Equal(t, change.made.Member(t, "id"), event["object"].(map[string]any)["id"])
				assert.Equal(t, map[string]any{"kind": "client", "id": "root.example"}, event["actor"])
				want := strings.Join(change.scopes, " ")
				if want == "" {
					assert.NotContains(t, event, "fields")
					continue
				}
				got := event["fields"].(map[string]any)["scopes"].(string)
				if len(want) > maxAuditText {
					assert.LessOrEqual(t, len(got), maxAuditText)
					assert.True(t, utf8.ValidString(got))
					assert.True(t, strings.HasPrefix(want, strings.TrimSuffix(got, "…")), got)
					assert.True(t, strings.HasSuffix(got, "…"), "whoever reads it sees that there were more: %s", got)
				} else {
					assert.Equal(t, want, got)
				}
			}
		})
	}
}

// What an alias is called, and what it stood for before, is in the trail; so is every state that a refused change would have needed in the answer.
func TestTrail_NamesAliases(t *testing.T) {
	t.Parallel()
	kmstest.EachAdministered(t, func(t *testing.T, s, _ *kmstest.Service) {
		first, second := s.Made(t, "first", nil), s.Made(t, "second", nil)
		s.Post(t, "", "aliases", map[string]any{"name": "wages", "key": first})
		s.Call(t, "", http.MethodPatch, "aliases/wages", map[string]any{"key": second}).Done(t, http.StatusOK)
		s.Call(t, "", http.MethodDelete, "aliases/wages", nil).Done(t, http.StatusNoContent)
		for action, want := range map[string]string{"alias.create": "wages", "alias.move": "wages from " + first, "alias.delete": "wages"} {
			require.Eventually(t, func() bool {
				got := s.Ask(t, http.MethodGet, "audit/events?limit=1000&action="+action, nil)
				return got.Status == http.StatusOK && strings.Contains(string(got.Body), `"`+want+`"`)
			}, 10*time.Second, 50*time.Millisecond, action)
		}
		s.Post(t, "", "elastic-keys/first/schedule-deletion", nil)
		got := s.Call(t, "", http.MethodPatch, "elastic-keys/first", map[string]any{"description": "x"}, "If-Match", `"2"`)
		got.Refused(t, http.StatusConflict, "invalid_state", "to be deleted")
		for _, state := range []string{"pending_delete", "active", "disabled", "pending_import"} {
			assert.Contains(t, got.Member(t, "detail"), state)
		}
	})
}
