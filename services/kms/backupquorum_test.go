package kms_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// Where the configuration names who can open backups, nobody else gets one, and a quorum is in nobody's way.
func TestBackup_GoesToConfiguredRecipientsAlone(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			key, public := custody(t)
			_, stranger := custody(t)
			source := newVaultWith(t, engine, func(cfg *kms.Config) { cfg.Backup.Recipients = []string{key.ThumbprintSHA256()} })
			target := newVault(t, engine)
			source.made(t, "guarded", map[string]any{"policy": map[string]any{"quorum": map[string]any{"approvals": 1, "approvers": []string{"anna"}}}})
			source.made(t, "plain", nil)
			message := source.do(t, "elastic-keys/guarded/encrypt", map[string]any{"plaintext": "aGVsbG8"}).member(t, "ciphertext")
			for _, path := range []string{"backups", "elastic-keys/guarded/backup", "elastic-keys/plain/backup"} {
				for _, to := range [][]json.RawMessage{{stranger}, {public, stranger}, {stranger, public}} {
					source.ask(t, http.MethodPost, path, map[string]any{"recipients": to}).refused(t, http.StatusForbidden, "policy_refused", path)
				}
				source.ask(t, http.MethodPost, path, map[string]any{"recipients": []json.RawMessage{public, public}}).
					refused(t, http.StatusBadRequest, "validation_failed", "one twice")
			}
			for _, path := range []string{"backups", "elastic-keys/guarded/backup"} {
				recipient, content := target.brought(t, source.backedUp(t, path, public), key)
				target.restore(t, recipient, content, "&on_conflict=skip").done(t, http.StatusOK) // the second has perhaps more uses
			}
			assert.Equal(t, "aGVsbG8", target.do(t, "elastic-keys/guarded/decrypt", map[string]any{"ciphertext": message}).member(t, "plaintext"))
			assert.Equal(t, source.key(t, "guarded")["policy"], target.key(t, "guarded")["policy"], "the quorum goes with the key")
			target.ask(t, http.MethodPost, "elastic-keys/guarded/backup", map[string]any{"recipients": []json.RawMessage{public}}).
				refused(t, http.StatusForbidden, "approval_required", "where no recipient is named it guards the key again")
		})
	}
}

// An approved backup is for one key and its recipients, once, and stands in for the fresh authentication.
func TestBackup_TakesTheQuorumsApproval(t *testing.T) {
	t.Parallel()
	eachCourt(t, func(t *testing.T, c court) {
		own, public := custody(t)
		second, further := custody(t)
		_, stranger := custody(t)
		policy := map[string]any{"quorum": map[string]any{"approvals": 2, "approvers": []string{c.ids["anna"], c.ids["ben"]}}}
		key := c.first.made(t, "guarded", map[string]any{"policy": policy})
		other := c.first.made(t, "other", map[string]any{"policy": policy})
		c.token = c.first.token(t, "default", "keeper", "kms:backup", "kms:read")
		require.Eventually(t, func() bool { return c.second.call(t, c.token, http.MethodGet, "self", nil).status == http.StatusOK }, 10*time.Second, 10*time.Millisecond)
		ask := func(key, approval string, to ...json.RawMessage) answer {
			got, err := c.second.exchange(c.second.request(t, c.token, http.MethodPost, "elastic-keys/"+key+"/backup", map[string]any{"recipients": to}, quorum.Header, approval))
			require.NoError(t, err)
			return got
		}
		ask(key, "", public).refused(t, http.StatusUnauthorized, "step_up_required", "a token alone")
		c.first.ask(t, http.MethodPost, "elastic-keys/"+key+"/backup", map[string]any{"recipients": []json.RawMessage{public}}).
			refused(t, http.StatusForbidden, "approval_required", "an administrator alone")
		c.first.ask(t, http.MethodPost, "backups", map[string]any{"recipients": []json.RawMessage{public}}).
			refused(t, http.StatusForbidden, "approval_required", "with all the tenant has")

		parameters := map[string]any{"recipients": []string{own.ThumbprintSHA256(), second.ThumbprintSHA256()}}
		good := c.approved(t, "backupElasticKey", "guarded", parameters)
		for what, refused := range map[string]answer{
			"one of them":         ask(key, good, public),
			"another one as well": ask(key, good, public, further, stranger),
			"another one instead": ask(key, good, public, stranger),
			"another key":         ask(other, good, public, further),
		} {
			refused.refused(t, http.StatusConflict, "approval_not_usable", what)
		}
		pending := c.requested(t, "backupElasticKey", key, parameters)
		c.vote(t, "anna", pending, "approve").done(t, http.StatusOK)
		ask(key, pending, public, further).refused(t, http.StatusUnauthorized, "step_up_required", "one of two approvals")
		export := c.first.call(t, c.token, http.MethodPost, "approvals", map[string]any{"operation": "exportElasticKey", "resource": key, "reason": "x", "parameters": map[string]any{"version": 1, "recipient": "x"}})
		assert.Equal(t, http.StatusForbidden, export.status, "who may not export does not ask for it: %s", export.body)

		file := ask(key, good, further, public).done(t, http.StatusOK).body // in whichever order
		for _, opener := range []*jwk.Key{own, second} {
			_, manifest, err := backup.Open(t.Context(), bytes.NewReader(file), opener, func([]byte) error { return nil })
			require.NoError(t, err)
			assert.Equal(t, 1, manifest.Records)
		}
		ask(key, good, public, further).refused(t, http.StatusUnauthorized, "step_up_required", "once")
		assert.Eventually(t, func() bool {
			trail := string(c.first.ask(t, http.MethodGet, "audit/export", nil).done(t, http.StatusOK).body)
			return strings.Count(trail, `"action":"key.backup"`) == 1 && strings.Count(trail, `"action":"approval.use"`) == 1
		}, 10*time.Second, 50*time.Millisecond)
	})
}

// A quorum that a key got later decides about its end when it is seven days old: by time that has passed, not by a clock that was set.
func TestQuorum_AddedLaterIsOfAgeBySevenDaysThatPass(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			s, again := timed(t, engine, c)
			var people []approver
			for _, name := range []string{"anna", "ben"} {
				id := s.ask(t, http.MethodPost, "users", map[string]any{"login": name, "password": estatePassword}).done(t, http.StatusCreated).member(t, "id")
				people = append(people, approver{id: id})
			}
			key := s.made(t, "late", nil)
			s.ask(t, http.MethodPost, "elastic-keys/late/rotate", nil).done(t, http.StatusCreated)
			s.ask(t, http.MethodPost, "elastic-keys/late/material-keys/1/schedule-destruction", map[string]any{"wait_days": 30}).done(t, http.StatusOK)
			policy := func(change any) {
				t.Helper()
				tag := s.ask(t, http.MethodGet, "elastic-keys/late", nil).header.Get("ETag")
				s.ask(t, http.MethodPatch, "elastic-keys/late", map[string]any{"policy": change}, "If-Match", tag, "Content-Type", "application/merge-patch+json").done(t, http.StatusOK)
			}
			policy(rule(people))
			ask := func() answer {
				return s.ask(t, http.MethodPost, "approvals", map[string]any{
					"operation": "destroyMaterialKey", "resource": key, "reason": "x", "parameters": map[string]any{"version": "1"},
				})
			}
			young := func(what string) {
				t.Helper()
				ask().refused(t, http.StatusConflict, "invalid_state", what)
				s.ask(t, http.MethodPost, "elastic-keys/late/material-keys/1/destroy", nil).refused(t, http.StatusConflict, "invalid_state", what)
			}
			young("just added")
			c.pass(6 * day)
			young("six days old")
			c.jump(5 * day)
			young("by a clock that was set")
			c.jump(-10 * day)
			young("by a clock that was set back")
			c.jump(5 * day)
			s = restarted(t, s, again)
			young("after a restart")
			c.pass(25 * time.Hour)
			got := ask().done(t, http.StatusCreated)
			for _, name := range []string{"anna", "ben"} {
				browser := logIn(t, s, "default", name)
				browser.send(t, s.request(t, "", http.MethodPost, "/browser/api/v1/approvals/"+got.member(t, "id")+"/approve", nil)).done(t, http.StatusOK)
			}
			destroyed := s.ask(t, http.MethodPost, "elastic-keys/late/material-keys/1/destroy", nil, quorum.Header, got.member(t, "id"))
			assert.Equal(t, "destroyed", destroyed.done(t, http.StatusOK).member(t, "status"))

			// A quorum in a new key's first policy counts at once, and one that is added anew begins anew.
			born := s.made(t, "born", map[string]any{"policy": rule(people)})
			s.ask(t, http.MethodPost, "elastic-keys/born/schedule-deletion", map[string]any{"wait_days": 30}).done(t, http.StatusOK)
			s.ask(t, http.MethodPost, "approvals", map[string]any{"operation": "deleteElasticKey", "resource": born, "reason": "x"}).done(t, http.StatusCreated)
			s.ask(t, http.MethodPost, "elastic-keys/born/delete", nil).refused(t, http.StatusForbidden, "approval_required", fmt.Sprint(people))
		})
	}
}
