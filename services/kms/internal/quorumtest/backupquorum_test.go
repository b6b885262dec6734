package quorumtest_test

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
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Where the configuration names who can open backups, nobody else gets one, and a quorum is in nobody's way.
func TestBackup_GoesToConfiguredRecipientsAlone(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			key, public := kmstest.Custody(t)
			_, stranger := kmstest.Custody(t)
			source := kmstest.NewVaultWith(t, engine, func(cfg *kms.Config) { cfg.Backup.Recipients = []string{key.ThumbprintSHA256()} })
			target := kmstest.NewVault(t, engine)
			source.Made(t, "guarded", map[string]any{"policy": map[string]any{"quorum": map[string]any{"approvals": 1, "approvers": []string{"anna"}}}})
			source.Made(t, "plain", nil)
			message := source.Do(t, "elastic-keys/guarded/encrypt", map[string]any{"plaintext": "aGVsbG8"}).Member(t, "ciphertext")
			for _, path := range []string{"backups", "elastic-keys/guarded/backup", "elastic-keys/plain/backup"} {
				for _, to := range [][]json.RawMessage{{stranger}, {public, stranger}, {stranger, public}} {
					source.Ask(t, http.MethodPost, path, map[string]any{"recipients": to}).Refused(t, http.StatusForbidden, "policy_refused", path)
				}
				source.Ask(t, http.MethodPost, path, map[string]any{"recipients": []json.RawMessage{public, public}}).
					Refused(t, http.StatusBadRequest, "validation_failed", "one twice")
			}
			for _, path := range []string{"backups", "elastic-keys/guarded/backup"} {
				recipient, content := target.Brought(t, source.BackedUp(t, path, public), key)
				target.Restore(t, recipient, content, "&on_conflict=skip").Done(t, http.StatusOK) // the second has perhaps more uses
			}
			assert.Equal(t, "aGVsbG8", target.Do(t, "elastic-keys/guarded/decrypt", map[string]any{"ciphertext": message}).Member(t, "plaintext"))
			assert.Equal(t, source.Key(t, "guarded")["policy"], target.Key(t, "guarded")["policy"], "the quorum goes with the key")
			target.Ask(t, http.MethodPost, "elastic-keys/guarded/backup", map[string]any{"recipients": []json.RawMessage{public}}).
				Refused(t, http.StatusForbidden, "approval_required", "where no recipient is named it guards the key again")
		})
	}
}

// An approved backup is for one key and its recipients, once, and stands in for the fresh authentication.
func TestBackup_TakesTheQuorumsApproval(t *testing.T) {
	t.Parallel()
	kmstest.EachCourt(t, func(t *testing.T, c kmstest.Court) {
		own, public := kmstest.Custody(t)
		second, further := kmstest.Custody(t)
		_, stranger := kmstest.Custody(t)
		policy := map[string]any{"quorum": map[string]any{"approvals": 2, "approvers": []string{c.IDs["anna"], c.IDs["ben"]}}}
		key := c.First.Made(t, "guarded", map[string]any{"policy": policy})
		other := c.First.Made(t, "other", map[string]any{"policy": policy})
		c.Token = c.First.Token(t, "default", "keeper", "kms:backup", "kms:read")
		require.Eventually(t, func() bool { return c.Second.Call(t, c.Token, http.MethodGet, "self", nil).Status == http.StatusOK }, 10*time.Second, 10*time.Millisecond)
		ask := func(key, approval string, to ...json.RawMessage) kmstest.Answer {
			got, err := c.Second.Exchange(c.Second.Request(t, c.Token, http.MethodPost, "elastic-keys/"+key+"/backup", map[string]any{"recipients": to}, quorum.Header, approval))
			require.NoError(t, err)
			return got
		}
		ask(key, "", public).Refused(t, http.StatusUnauthorized, "step_up_required", "a token alone")
		c.First.Ask(t, http.MethodPost, "elastic-keys/"+key+"/backup", map[string]any{"recipients": []json.RawMessage{public}}).
			Refused(t, http.StatusForbidden, "approval_required", "an administrator alone")
		c.First.Ask(t, http.MethodPost, "backups", map[string]any{"recipients": []json.RawMessage{public}}).
			Refused(t, http.StatusForbidden, "approval_required", "with all the tenant has")

		parameters := map[string]any{"recipients": []string{own.ThumbprintSHA256(), second.ThumbprintSHA256()}}
		good := c.Approved(t, "backupElasticKey", "guarded", parameters)
		for what, refused := range map[string]kmstest.Answer{
			"one of them":         ask(key, good, public),
			"another one as well": ask(key, good, public, further, stranger),
			"another one instead": ask(key, good, public, stranger),
			"another key":         ask(other, good, public, further),
		} {
			refused.Refused(t, http.StatusConflict, "approval_not_usable", what)
		}
		pending := c.Requested(t, "backupElasticKey", key, parameters)
		c.Vote(t, "anna", pending, "approve").Done(t, http.StatusOK)
		ask(key, pending, public, further).Refused(t, http.StatusUnauthorized, "step_up_required", "one of two approvals")
		export := c.First.Call(t, c.Token, http.MethodPost, "approvals", map[string]any{"operation": "exportElasticKey", "resource": key, "reason": "x", "parameters": map[string]any{"version": 1, "recipient": "x"}})
		assert.Equal(t, http.StatusForbidden, export.Status, "who may not export does not ask for it: %s", export.Body)

		file := ask(key, good, further, public).Done(t, http.StatusOK).Body // in whichever order
		for _, opener := range []*jwk.Key{own, second} {
			_, manifest, err := backup.Open(t.Context(), bytes.NewReader(file), opener, func([]byte) error { return nil })
			require.NoError(t, err)
			assert.Equal(t, 1, manifest.Records)
		}
		ask(key, good, public, further).Refused(t, http.StatusUnauthorized, "step_up_required", "once")
		assert.Eventually(t, func() bool {
			trail := string(c.First.Ask(t, http.MethodGet, "audit/export", nil).Done(t, http.StatusOK).Body)
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
			c := kmstest.NewClock()
			s, again := kmstest.Timed(t, engine, c)
			var people []kmstest.Approver
			for _, name := range []string{"anna", "ben"} {
				id := s.Ask(t, http.MethodPost, "users", map[string]any{"login": name, "password": kmstest.EstatePassword}).Done(t, http.StatusCreated).Member(t, "id")
				people = append(people, kmstest.Approver{ID: id})
			}
			key := s.Made(t, "late", nil)
			s.Ask(t, http.MethodPost, "elastic-keys/late/rotate", nil).Done(t, http.StatusCreated)
			s.Ask(t, http.MethodPost, "elastic-keys/late/material-keys/1/schedule-destruction", map[string]any{"wait_days": 30}).Done(t, http.StatusOK)
			policy := func(change any) {
				t.Helper()
				tag := s.Ask(t, http.MethodGet, "elastic-keys/late", nil).Header.Get("ETag")
				s.Ask(t, http.MethodPatch, "elastic-keys/late", map[string]any{"policy": change}, "If-Match", tag, "Content-Type", "application/merge-patch+json").Done(t, http.StatusOK)
			}
			policy(kmstest.Rule(people))
			ask := func() kmstest.Answer {
				return s.Ask(t, http.MethodPost, "approvals", map[string]any{
					"operation": "destroyMaterialKey", "resource": key, "reason": "x", "parameters": map[string]any{"version": "1"},
				})
			}
			young := func(what string) {
				t.Helper()
				ask().Refused(t, http.StatusConflict, "invalid_state", what)
				s.Ask(t, http.MethodPost, "elastic-keys/late/material-keys/1/destroy", nil).Refused(t, http.StatusConflict, "invalid_state", what)
			}
			young("just added")
			c.Pass(6 * kmstest.Day)
			young("six days old")
			c.Jump(5 * kmstest.Day)
			young("by a clock that was set")
			c.Jump(-10 * kmstest.Day)
			young("by a clock that was set back")
			c.Jump(5 * kmstest.Day)
			s = kmstest.Restarted(t, s, again)
			young("after a restart")
			c.Pass(25 * time.Hour)
			got := ask().Done(t, http.StatusCreated)
			for _, name := range []string{"anna", "ben"} {
				browser := kmstest.LogIn(t, s, "default", name)
				browser.Send(t, s.Request(t, "", http.MethodPost, "/browser/api/v1/approvals/"+got.Member(t, "id")+"/approve", nil)).Done(t, http.StatusOK)
			}
			destroyed := s.Ask(t, http.MethodPost, "elastic-keys/late/material-keys/1/destroy", nil, quorum.Header, got.Member(t, "id"))
			assert.Equal(t, "destroyed", destroyed.Done(t, http.StatusOK).Member(t, "status"))

			// A quorum in a new key's first policy counts at once, and one that is added anew begins anew.
			born := s.Made(t, "born", map[string]any{"policy": kmstest.Rule(people)})
			s.Ask(t, http.MethodPost, "elastic-keys/born/schedule-deletion", map[string]any{"wait_days": 30}).Done(t, http.StatusOK)
			s.Ask(t, http.MethodPost, "approvals", map[string]any{"operation": "deleteElasticKey", "resource": born, "reason": "x"}).Done(t, http.StatusCreated)
			s.Ask(t, http.MethodPost, "elastic-keys/born/delete", nil).Refused(t, http.StatusForbidden, "approval_required", fmt.Sprint(people))
		})
	}
}
