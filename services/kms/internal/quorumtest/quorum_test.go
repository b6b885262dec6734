package quorumtest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// dying is a key with a quorum of two of anna, ben and carl, that waits for its deletion, and its version 1 for its destruction.
func dying(t *testing.T, c kmstest.Court, name string) string {
	t.Helper()
	id := c.First.Create(t, c.First.Operator(t), name, "A256GCM/A256KW")
	set(t, c, id, fmt.Sprintf(`{"quorum":{"approvals":2,"approvers":[%q,%q,%q]}}`, c.IDs["anna"], c.IDs["ben"], c.IDs["carl"]))
	return id
}

// set writes what the key's policy is, and that the key and its first version are to end in a week.
func set(t *testing.T, c kmstest.Court, id, policy string) {
	t.Helper()
	at := database.Micros(time.Now().Add(7 * 24 * time.Hour))
	require.NoError(t, c.DB.InTx(database.WithTenant(t.Context(), "default"), func(ctx context.Context) error {
		_, err := c.DB.Exec(ctx, `UPDATE elastic_keys SET policy = $2, status = 'pending_delete', delete_at = $3 WHERE tenant_id = 'default' AND id = $1`, id, policy, at)
		if err == nil {
			_, err = c.DB.Exec(ctx, `UPDATE material_keys SET status = 'destroy_scheduled', destroy_at = $2 WHERE tenant_id = 'default' AND elastic_key_id = $1 AND version = 1`, id, at)
		}
		return err
	}))
	require.NoError(t, c.Store.InTx(database.WithTenant(t.Context(), "default"), func(ctx context.Context) error {
		_, err := c.Store.Reseal(ctx, "default", id)
		return err
	}))
}

func status(t *testing.T, c kmstest.Court, key string) string {
	t.Helper()
	got := c.First.Call(t, c.Token, http.MethodGet, "elastic-keys/"+key, nil)
	if got.Status == http.StatusNotFound {
		return "deleted"
	}
	return got.Done(t, http.StatusOK).Member(t, "status")
}

func TestQuorum_EndsKeysAndVersionsBeforeTheirTime(t *testing.T) {
	t.Parallel()
	kmstest.EachCourt(t, func(t *testing.T, c kmstest.Court) {
		key := dying(t, c, "payroll")
		version := c.Approved(t, "destroyMaterialKey", "payroll", map[string]any{"version": "1"})
		got := c.Second.Call(t, c.Token, http.MethodPost, "elastic-keys/payroll/material-keys/1/destroy", nil, quorum.Header, version)
		assert.Equal(t, "destroyed", got.Done(t, http.StatusOK).Member(t, "status"))
		whole := c.Approved(t, "deleteElasticKey", key, nil)
		got = c.Second.Call(t, c.Token, http.MethodPost, "elastic-keys/"+key+"/delete", nil, quorum.Header, whole)
		assert.Equal(t, "deleted", got.Done(t, http.StatusOK).Member(t, "status"))
		assert.Equal(t, "payroll", got.Member(t, "name"), "the answer says what it was called")
		assert.Equal(t, "used", c.First.Call(t, c.Token, http.MethodGet, "approvals/"+whole, nil).Done(t, http.StatusOK).Member(t, "state"))
		for _, action := range []string{"approval.request", "approval.approve", "approval.use", "key.delete", "version.destroy"} {
			assert.Eventually(t, func() bool {
				trail := c.First.Ask(t, http.MethodGet, "audit/export", nil).Done(t, http.StatusOK).Body
				return strings.Contains(string(trail), `"`+action+`"`)
			}, 10*time.Second, 50*time.Millisecond, action)
		}
	})
}

func TestQuorum_IsNotWalkedAround(t *testing.T) {
	t.Parallel()
	kmstest.EachCourt(t, func(t *testing.T, c kmstest.Court) {
		key, other := dying(t, c, "payroll"), dying(t, c, "other")
		end := func(token, key, approval string) kmstest.Answer {
			t.Helper()
			var header []string
			if approval != "" {
				header = []string{quorum.Header, approval}
			}
			if token == "" { // the administrator, who has kms:admin and a fresh credential
				return c.First.Ask(t, http.MethodPost, "elastic-keys/"+key+"/delete", nil, header...)
			}
			return c.First.Call(t, token, http.MethodPost, "elastic-keys/"+key+"/delete", nil, header...)
		}
		end(c.Token, key, "").Refused(t, http.StatusUnauthorized, "step_up_required", "without anything")
		end("", key, "").Refused(t, http.StatusForbidden, "approval_required", "an admin scope is no approval")

		pending := c.Requested(t, "deleteElasticKey", key, nil)
		for _, who := range []string{"dora"} {
			c.Vote(t, who, pending, "approve").Refused(t, http.StatusNotFound, "not_found", "a person who is no approver")
		}
		c.First.Call(t, c.Token, http.MethodPost, "approvals/"+pending+"/approve", nil).
			Refused(t, http.StatusUnauthorized, "step_up_required", "the requester himself")
		c.First.Ask(t, http.MethodPost, "approvals/"+pending+"/approve", nil).
			Refused(t, http.StatusForbidden, "forbidden", "an administrator with a fresh credential is no approver")
		c.First.Call(t, c.Token, http.MethodPost, "approvals/"+pending+"/approve", nil, quorum.Header, pending).
			Refused(t, http.StatusUnauthorized, "step_up_required", "a request is no approval of itself")
		c.Vote(t, "anna", pending, "approve").Done(t, http.StatusOK)
		c.Vote(t, "anna", pending, "approve").Refused(t, http.StatusConflict, "conflict", "twice")
		end(c.Token, key, pending).Refused(t, http.StatusUnauthorized, "step_up_required", "one of two")
		end("", key, pending).Refused(t, http.StatusConflict, "approval_not_usable", "one of two, of another")

		// A person who asks does not count, and neither does his token.
		asked := c.People["anna"].Send(t, c.First.Request(t, "", http.MethodPost, "/browser/api/v1/approvals",
			map[string]any{"operation": "deleteElasticKey", "resource": key, "reason": "x"}))
		asked.Refused(t, http.StatusForbidden, "insufficient_scope", "who may not destroy does not ask for it")

		good := c.Approved(t, "deleteElasticKey", key, nil)
		end(c.Token, other, good).Refused(t, http.StatusConflict, "approval_not_usable", "another object")
		end("", key, good).Refused(t, http.StatusConflict, "approval_not_usable", "another caller")
		version := c.Approved(t, "destroyMaterialKey", key, map[string]any{"version": "1"})
		end(c.Token, key, version).Refused(t, http.StatusUnauthorized, "step_up_required", "another operation")
		c.First.Call(t, c.Token, http.MethodPost, "elastic-keys/"+key+"/material-keys/1/destroy", nil, quorum.Header, good).
			Refused(t, http.StatusUnauthorized, "step_up_required", "another operation")
		c.First.Call(t, c.Token, http.MethodPost, "elastic-keys/"+other+"/material-keys/1/destroy", nil, quorum.Header, version).
			Refused(t, http.StatusConflict, "approval_not_usable", "the same version of another key")

		// The rule as it is now decides: what was approved under a weaker one is not enough.
		set(t, c, key, fmt.Sprintf(`{"quorum":{"approvals":2,"approvers":[%q,%q]}}`, c.IDs["carl"], c.IDs["dora"]))
		end(c.Token, key, good).Refused(t, http.StatusConflict, "approval_not_usable", "other approvers by now")
		set(t, c, key, `{}`)
		end(c.Token, key, good).Refused(t, http.StatusConflict, "invalid_state", "no quorum any more")
		c.First.Call(t, c.Token, http.MethodPost, "approvals", map[string]any{"operation": "deleteElasticKey", "resource": key, "reason": "x"}).
			Refused(t, http.StatusConflict, "invalid_state", "nobody can agree")
		set(t, c, key, fmt.Sprintf(`{"quorum":{"approvals":1,"approvers":[%q],"since":%q}}`, c.IDs["anna"], time.Now().UTC().Format(time.RFC3339)))
		end(c.Token, key, good).Refused(t, http.StatusConflict, "invalid_state", "a quorum that was added just now")
		assert.Equal(t, "pending_delete", status(t, c, key))
		assert.Equal(t, "pending_delete", status(t, c, other))

		for _, body := range []map[string]any{
			{"operation": "encrypt", "resource": key, "reason": "x"},
			{"operation": "deleteElasticKey", "resource": other, "reason": "x", "parameters": map[string]any{"a": 1}},
			{"operation": "destroyMaterialKey", "resource": other, "reason": "x", "parameters": map[string]any{"version": "1", "more": 1}},
			{"operation": "updateElasticKey", "resource": other, "reason": "x", "parameters": map[string]any{"quorum": map[string]any{"approvals": 9, "approvers": []string{"a"}}}},
		} {
			c.First.Call(t, c.Token, http.MethodPost, "approvals", body).Refused(t, http.StatusBadRequest, "validation_failed", fmt.Sprint(body))
		}
	})
}

func TestQuorum_ApprovalIsUsedOnceOnAllReplicas(t *testing.T) {
	t.Parallel()
	kmstest.EachCourt(t, func(t *testing.T, c kmstest.Court) {
		key := dying(t, c, "payroll")
		good := c.Approved(t, "destroyMaterialKey", key, map[string]any{"version": "1"})
		var group sync.WaitGroup
		var done atomic.Int32
		for i := range 8 {
			s := []*kmstest.Service{c.First, c.Second}[i%2]
			group.Go(func() {
				got, err := s.Exchange(s.Request(t, c.Token, http.MethodPost, "elastic-keys/"+key+"/material-keys/1/destroy", nil, quorum.Header, good))
				if assert.NoError(t, err) && got.Status == http.StatusOK {
					done.Add(1)
				} else {
					assert.Less(t, got.Status, http.StatusInternalServerError, "%s", got.Body)
				}
			})
		}
		group.Wait()
		assert.EqualValues(t, 1, done.Load())

		// Two who approve at the same moment on two replicas are two approvals.
		racing := c.Requested(t, "deleteElasticKey", key, nil)
		for _, name := range []string{"anna", "ben"} {
			group.Go(func() { assert.Equal(t, http.StatusOK, c.Vote(t, name, racing, "approve").Status) })
		}
		group.Wait()
		got := c.First.Call(t, c.Token, http.MethodGet, "approvals/"+racing, nil)
		assert.Equal(t, "approved", got.Member(t, "state"))

		// A failed operation leaves the approval as it was; an operation that is repeated with its idempotency key is one.
		set(t, c, key, fmt.Sprintf(`{"quorum":{"approvals":2,"approvers":[%q,%q]}}`, c.IDs["anna"], c.IDs["ben"]))
		once := c.First.Call(t, c.Token, http.MethodPost, "elastic-keys/"+key+"/delete", nil, quorum.Header, racing, kmstest.IdempotencyKey, "k").Done(t, http.StatusOK)
		end := func(key string, header ...string) kmstest.Answer {
			return c.Second.Call(t, c.Token, http.MethodPost, "elastic-keys/"+key+"/delete", nil, append(header, quorum.Header, racing)...)
		}
		end(key, kmstest.IdempotencyKey, "k").Repeats(t, once, "though the approval is used")
		end(key).Refused(t, http.StatusUnauthorized, "step_up_required", "a used approval is none")
		other := dying(t, c, "other")
		end(other, kmstest.IdempotencyKey, "k").Refused(t, http.StatusConflict, "approval_not_usable", "for another key")
		end(other, kmstest.IdempotencyKey, "another").Refused(t, http.StatusConflict, "approval_not_usable", "with another key of the request")
		assert.Equal(t, "pending_delete", status(t, c, other))
		assert.Equal(t, "deleted", once.Member(t, "status"))
	})
}

func TestQuorum_RequestsEnd(t *testing.T) {
	t.Parallel()
	kmstest.EachCourt(t, func(t *testing.T, c kmstest.Court) {
		key := dying(t, c, "payroll")
		end := func(approval string) kmstest.Answer {
			return c.First.Ask(t, http.MethodPost, "elastic-keys/"+key+"/delete", nil, quorum.Header, approval)
		}
		ask := func() string {
			got := c.First.Ask(t, http.MethodPost, "approvals", map[string]any{"operation": "deleteElasticKey", "resource": key, "reason": "x"})
			id := got.Done(t, http.StatusCreated).Member(t, "id")
			c.Vote(t, "anna", id, "approve").Done(t, http.StatusOK)
			c.Vote(t, "ben", id, "approve").Done(t, http.StatusOK)
			return id
		}
		rejected, cancelled, expired := ask(), ask(), ask()
		c.Vote(t, "carl", rejected, "reject").Done(t, http.StatusOK)
		c.First.Call(t, c.Token, http.MethodPost, "approvals/"+cancelled+"/cancel", nil).Refused(t, http.StatusNotFound, "not_found", "another's")
		c.First.Ask(t, http.MethodPost, "approvals/"+cancelled+"/cancel", nil).Done(t, http.StatusOK)
		require.NoError(t, c.DB.InTx(database.WithTenant(t.Context(), "default"), func(ctx context.Context) error {
			_, err := c.DB.Exec(ctx, `UPDATE approval_requests SET expires_at = $2 WHERE tenant_id = 'default' AND id = $1`, expired, database.Micros(time.Now().Add(-time.Second)))
			return err
		}))
		for state, id := range map[string]string{"rejected": rejected, "cancelled": cancelled, "expired": expired} {
			assert.Equal(t, state, c.First.Ask(t, http.MethodGet, "approvals/"+id, nil).Done(t, http.StatusOK).Member(t, "state"))
			end(id).Refused(t, http.StatusConflict, "approval_not_usable", state)
			c.Vote(t, "carl", id, "approve").Refused(t, http.StatusConflict, "invalid_state", state)
			assert.Len(t, c.First.Ask(t, http.MethodGet, "approvals?state="+state, nil).Done(t, http.StatusOK).Items(t), 1)
		}
		assert.Equal(t, "pending_delete", status(t, c, key))
	})
}

// An administrator who patches the policy does not walk around the quorum: to weaken it takes its own approval.
func TestQuorum_IsWeakenedByItselfAlone(t *testing.T) {
	t.Parallel()
	kmstest.EachCourt(t, func(t *testing.T, c kmstest.Court) {
		rule := func(approvals int, names ...string) map[string]any {
			ids := []string{}
			for _, name := range names {
				ids = append(ids, c.IDs[name])
			}
			return map[string]any{"approvals": approvals, "approvers": ids}
		}
		c.First.Ask(t, http.MethodPost, "elastic-keys", map[string]any{
			"name": "payroll", "algorithm": "A256GCM/A256KW", "policy": map[string]any{"quorum": rule(2, "anna", "ben", "carl")},
		}).Done(t, http.StatusCreated)
		patch := func(token string, changed any, header ...string) kmstest.Answer {
			t.Helper()
			tag := c.First.Ask(t, http.MethodGet, "elastic-keys/payroll", nil).Done(t, http.StatusOK).Header.Get("ETag")
			body := map[string]any{"policy": map[string]any{"quorum": changed}}
			header = append([]string{"If-Match", tag, "Content-Type", "application/merge-patch+json"}, header...)
			if token == "" {
				return c.First.Ask(t, http.MethodPatch, "elastic-keys/payroll", body, header...)
			}
			return c.First.Call(t, token, http.MethodPatch, "elastic-keys/payroll", body, header...)
		}
		for what, weak := range map[string]any{
			"none": nil, "fewer": rule(1, "anna", "ben", "carl"), "others": rule(2, "anna", "ben", "carl", "dora"), "strangers": rule(3, "anna", "ben", "dora"),
		} {
			patch("", weak).Refused(t, http.StatusForbidden, "approval_required", what)
		}
		tag := c.First.Ask(t, http.MethodGet, "elastic-keys/payroll", nil).Done(t, http.StatusOK).Header.Get("ETag")
		c.First.Ask(t, http.MethodPatch, "elastic-keys/payroll", map[string]any{"policy": nil}, "If-Match", tag, "Content-Type", "application/merge-patch+json").
			Refused(t, http.StatusForbidden, "approval_required", "the whole policy")

		one := c.Approved(t, "updateElasticKey", "payroll", map[string]any{"quorum": rule(1, "carl", "anna")})
		patch(c.Token, nil, quorum.Header, one).Refused(t, http.StatusConflict, "approval_not_usable", "another quorum than was approved")
		patch("", rule(1, "anna", "carl"), quorum.Header, one).Refused(t, http.StatusConflict, "approval_not_usable", "another caller")
		patch(c.Token, rule(1, "anna", "carl"), quorum.Header, one).Done(t, http.StatusOK)
		patch(c.Token, rule(2, "anna", "carl")).Done(t, http.StatusOK) // stronger takes nobody's approval
		patch(c.Token, rule(1, "anna", "carl"), quorum.Header, one).Refused(t, http.StatusConflict, "approval_not_usable", "used")
	})
}
