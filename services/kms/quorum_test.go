package kms_test

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
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

// court is a service on two replicas, with people who approve and a program that asks.
type court struct {
	first, second *service // as an administrator with a certificate sees them
	db            *database.DB
	store         *sqlstore.Store // that seals what set has written
	people        map[string]*browser
	ids           map[string]string
	token         string // may destroy and write
}

func eachCourt(t *testing.T, test func(t *testing.T, c court)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := prepare(t, engine)
			certificate := administer(t, &cfg)
			c := court{people: map[string]*browser{}, ids: map[string]string{}}
			logs := &logBuffer{}
			first := runProgram(t, shown(func(p *platform.Platform) { c.store = sqlstore.New(p.DB, p.Barrier, nil) }), cfg, files, logs)
			first.logs = logs
			c.first = first.as(t, certificate)
			c.second = run(t, cfg, files).as(t, certificate)
			var err error
			c.db, err = database.Open(t.Context(), cfg.Database, dbtest.Options(t))
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, c.db.Close()) })
			for _, name := range []string{"anna", "ben", "carl", "dora"} {
				c.ids[name] = c.first.ask(t, http.MethodPost, "users", map[string]any{"login": name, "password": estatePassword}).done(t, http.StatusCreated).member(t, "id")
				c.people[name] = logIn(t, c.first, "default", name)
			}
			c.token = c.first.token(t, "default", "destroyer", "kms:destroy", "kms:write", "kms:read")
			require.Eventually(t, func() bool {
				return c.second.call(t, c.token, http.MethodGet, "self", nil).status == http.StatusOK
			}, 10*time.Second, 10*time.Millisecond, "the other replica has read the realm file")
			test(t, c)
		})
	}
}

// dying is a key with a quorum of two of anna, ben and carl, that waits for its deletion, and its version 1 for its destruction.
func (c court) dying(t *testing.T, name string) string {
	t.Helper()
	id := c.first.create(t, c.first.operator(t), name, "A256GCM/A256KW")
	c.set(t, id, fmt.Sprintf(`{"quorum":{"approvals":2,"approvers":[%q,%q,%q]}}`, c.ids["anna"], c.ids["ben"], c.ids["carl"]))
	return id
}

// set writes what the key's policy is, and that the key and its first version are to end in a week.
func (c court) set(t *testing.T, id, policy string) {
	t.Helper()
	at := database.Micros(time.Now().Add(7 * 24 * time.Hour))
	require.NoError(t, c.db.InTx(database.WithTenant(t.Context(), "default"), func(ctx context.Context) error {
		_, err := c.db.Exec(ctx, `UPDATE elastic_keys SET policy = $2, status = 'pending_delete', delete_at = $3 WHERE tenant_id = 'default' AND id = $1`, id, policy, at)
		if err == nil {
			_, err = c.db.Exec(ctx, `UPDATE material_keys SET status = 'destroy_scheduled', destroy_at = $2 WHERE tenant_id = 'default' AND elastic_key_id = $1 AND version = 1`, id, at)
		}
		return err
	}))
	require.NoError(t, c.store.InTx(database.WithTenant(t.Context(), "default"), func(ctx context.Context) error {
		_, err := c.store.Reseal(ctx, "default", id)
		return err
	}))
}

// requested asks for approval by the token.
func (c court) requested(t *testing.T, operation, key string, parameters map[string]any) string {
	t.Helper()
	body := map[string]any{"operation": operation, "resource": key, "reason": "a good one"}
	if parameters != nil {
		body["parameters"] = parameters
	}
	got := c.first.call(t, c.token, http.MethodPost, "approvals", body).done(t, http.StatusCreated)
	assert.Equal(t, "pending", got.member(t, "state"))
	return got.member(t, "id")
}

// vote is what a person says of a request, on the second replica.
func (c court) vote(t *testing.T, person, id, verdict string) answer {
	t.Helper()
	return c.people[person].send(t, c.first.request(t, "", http.MethodPost, "/browser/api/v1/approvals/"+id+"/"+verdict, nil))
}

func (c court) approved(t *testing.T, operation, key string, parameters map[string]any) string {
	t.Helper()
	id := c.requested(t, operation, key, parameters)
	c.vote(t, "anna", id, "approve").done(t, http.StatusOK)
	assert.Equal(t, "approved", c.vote(t, "ben", id, "approve").done(t, http.StatusOK).member(t, "state"))
	return id
}

func (c court) status(t *testing.T, key string) string {
	t.Helper()
	got := c.first.call(t, c.token, http.MethodGet, "elastic-keys/"+key, nil)
	if got.status == http.StatusNotFound {
		return "deleted"
	}
	return got.done(t, http.StatusOK).member(t, "status")
}

func TestQuorum_EndsKeysAndVersionsBeforeTheirTime(t *testing.T) {
	t.Parallel()
	eachCourt(t, func(t *testing.T, c court) {
		key := c.dying(t, "payroll")
		version := c.approved(t, "destroyMaterialKey", "payroll", map[string]any{"version": "1"})
		got := c.second.call(t, c.token, http.MethodPost, "elastic-keys/payroll/material-keys/1/destroy", nil, quorum.Header, version)
		assert.Equal(t, "destroyed", got.done(t, http.StatusOK).member(t, "status"))
		whole := c.approved(t, "deleteElasticKey", key, nil)
		got = c.second.call(t, c.token, http.MethodPost, "elastic-keys/"+key+"/delete", nil, quorum.Header, whole)
		assert.Equal(t, "deleted", got.done(t, http.StatusOK).member(t, "status"))
		assert.Equal(t, "payroll", got.member(t, "name"), "the answer says what it was called")
		assert.Equal(t, "used", c.first.call(t, c.token, http.MethodGet, "approvals/"+whole, nil).done(t, http.StatusOK).member(t, "state"))
		for _, action := range []string{"approval.request", "approval.approve", "approval.use", "key.delete", "version.destroy"} {
			assert.Eventually(t, func() bool {
				trail := c.first.ask(t, http.MethodGet, "audit/export", nil).done(t, http.StatusOK).body
				return strings.Contains(string(trail), `"`+action+`"`)
			}, 10*time.Second, 50*time.Millisecond, action)
		}
	})
}

func TestQuorum_IsNotWalkedAround(t *testing.T) {
	t.Parallel()
	eachCourt(t, func(t *testing.T, c court) {
		key, other := c.dying(t, "payroll"), c.dying(t, "other")
		end := func(token, key, approval string) answer {
			t.Helper()
			var header []string
			if approval != "" {
				header = []string{quorum.Header, approval}
			}
			if token == "" { // the administrator, who has kms:admin and a fresh credential
				return c.first.ask(t, http.MethodPost, "elastic-keys/"+key+"/delete", nil, header...)
			}
			return c.first.call(t, token, http.MethodPost, "elastic-keys/"+key+"/delete", nil, header...)
		}
		end(c.token, key, "").refused(t, http.StatusUnauthorized, "step_up_required", "without anything")
		end("", key, "").refused(t, http.StatusForbidden, "approval_required", "an admin scope is no approval")

		pending := c.requested(t, "deleteElasticKey", key, nil)
		for _, who := range []string{"dora"} {
			c.vote(t, who, pending, "approve").refused(t, http.StatusNotFound, "not_found", "a person who is no approver")
		}
		c.first.call(t, c.token, http.MethodPost, "approvals/"+pending+"/approve", nil).
			refused(t, http.StatusUnauthorized, "step_up_required", "the requester himself")
		c.first.ask(t, http.MethodPost, "approvals/"+pending+"/approve", nil).
			refused(t, http.StatusForbidden, "forbidden", "an administrator with a fresh credential is no approver")
		c.first.call(t, c.token, http.MethodPost, "approvals/"+pending+"/approve", nil, quorum.Header, pending).
			refused(t, http.StatusUnauthorized, "step_up_required", "a request is no approval of itself")
		c.vote(t, "anna", pending, "approve").done(t, http.StatusOK)
		c.vote(t, "anna", pending, "approve").refused(t, http.StatusConflict, "conflict", "twice")
		end(c.token, key, pending).refused(t, http.StatusUnauthorized, "step_up_required", "one of two")
		end("", key, pending).refused(t, http.StatusConflict, "approval_not_usable", "one of two, of another")

		// A person who asks does not count, and neither does his token.
		asked := c.people["anna"].send(t, c.first.request(t, "", http.MethodPost, "/browser/api/v1/approvals",
			map[string]any{"operation": "deleteElasticKey", "resource": key, "reason": "x"}))
		asked.refused(t, http.StatusForbidden, "insufficient_scope", "who may not destroy does not ask for it")

		good := c.approved(t, "deleteElasticKey", key, nil)
		end(c.token, other, good).refused(t, http.StatusConflict, "approval_not_usable", "another object")
		end("", key, good).refused(t, http.StatusConflict, "approval_not_usable", "another caller")
		version := c.approved(t, "destroyMaterialKey", key, map[string]any{"version": "1"})
		end(c.token, key, version).refused(t, http.StatusUnauthorized, "step_up_required", "another operation")
		c.first.call(t, c.token, http.MethodPost, "elastic-keys/"+key+"/material-keys/1/destroy", nil, quorum.Header, good).
			refused(t, http.StatusUnauthorized, "step_up_required", "another operation")
		c.first.call(t, c.token, http.MethodPost, "elastic-keys/"+other+"/material-keys/1/destroy", nil, quorum.Header, version).
			refused(t, http.StatusConflict, "approval_not_usable", "the same version of another key")

		// The rule as it is now decides: what was approved under a weaker one is not enough.
		c.set(t, key, fmt.Sprintf(`{"quorum":{"approvals":2,"approvers":[%q,%q]}}`, c.ids["carl"], c.ids["dora"]))
		end(c.token, key, good).refused(t, http.StatusConflict, "approval_not_usable", "other approvers by now")
		c.set(t, key, `{}`)
		end(c.token, key, good).refused(t, http.StatusConflict, "invalid_state", "no quorum any more")
		c.first.call(t, c.token, http.MethodPost, "approvals", map[string]any{"operation": "deleteElasticKey", "resource": key, "reason": "x"}).
			refused(t, http.StatusConflict, "invalid_state", "nobody can agree")
		c.set(t, key, fmt.Sprintf(`{"quorum":{"approvals":1,"approvers":[%q],"since":%q}}`, c.ids["anna"], time.Now().UTC().Format(time.RFC3339)))
		end(c.token, key, good).refused(t, http.StatusConflict, "invalid_state", "a quorum that was added just now")
		assert.Equal(t, "pending_delete", c.status(t, key))
		assert.Equal(t, "pending_delete", c.status(t, other))

		for _, body := range []map[string]any{
			{"operation": "encrypt", "resource": key, "reason": "x"},
			{"operation": "deleteElasticKey", "resource": other, "reason": "x", "parameters": map[string]any{"a": 1}},
			{"operation": "destroyMaterialKey", "resource": other, "reason": "x", "parameters": map[string]any{"version": "1", "more": 1}},
			{"operation": "updateElasticKey", "resource": other, "reason": "x", "parameters": map[string]any{"quorum": map[string]any{"approvals": 9, "approvers": []string{"a"}}}},
		} {
			c.first.call(t, c.token, http.MethodPost, "approvals", body).refused(t, http.StatusBadRequest, "validation_failed", fmt.Sprint(body))
		}
	})
}

func TestQuorum_ApprovalIsUsedOnceOnAllReplicas(t *testing.T) {
	t.Parallel()
	eachCourt(t, func(t *testing.T, c court) {
		key := c.dying(t, "payroll")
		good := c.approved(t, "destroyMaterialKey", key, map[string]any{"version": "1"})
		var group sync.WaitGroup
		var done atomic.Int32
		for i := range 8 {
			s := []*service{c.first, c.second}[i%2]
			group.Go(func() {
				got, err := s.exchange(s.request(t, c.token, http.MethodPost, "elastic-keys/"+key+"/material-keys/1/destroy", nil, quorum.Header, good))
				if assert.NoError(t, err) && got.status == http.StatusOK {
					done.Add(1)
				} else {
					assert.Less(t, got.status, http.StatusInternalServerError, "%s", got.body)
				}
			})
		}
		group.Wait()
		assert.EqualValues(t, 1, done.Load())

		// Two who approve at the same moment on two replicas are two approvals.
		racing := c.requested(t, "deleteElasticKey", key, nil)
		for _, name := range []string{"anna", "ben"} {
			group.Go(func() { assert.Equal(t, http.StatusOK, c.vote(t, name, racing, "approve").status) })
		}
		group.Wait()
		got := c.first.call(t, c.token, http.MethodGet, "approvals/"+racing, nil)
		assert.Equal(t, "approved", got.member(t, "state"))

		// A failed operation leaves the approval as it was; an operation that is repeated with its idempotency key is one.
		c.set(t, key, fmt.Sprintf(`{"quorum":{"approvals":2,"approvers":[%q,%q]}}`, c.ids["anna"], c.ids["ben"]))
		once := c.first.call(t, c.token, http.MethodPost, "elastic-keys/"+key+"/delete", nil, quorum.Header, racing, idempotencyKey, "k").done(t, http.StatusOK)
		end := func(key string, header ...string) answer {
			return c.second.call(t, c.token, http.MethodPost, "elastic-keys/"+key+"/delete", nil, append(header, quorum.Header, racing)...)
		}
		end(key, idempotencyKey, "k").repeats(t, once, "though the approval is used")
		end(key).refused(t, http.StatusUnauthorized, "step_up_required", "a used approval is none")
		other := c.dying(t, "other")
		end(other, idempotencyKey, "k").refused(t, http.StatusConflict, "approval_not_usable", "for another key")
		end(other, idempotencyKey, "another").refused(t, http.StatusConflict, "approval_not_usable", "with another key of the request")
		assert.Equal(t, "pending_delete", c.status(t, other))
		assert.Equal(t, "deleted", once.member(t, "status"))
	})
}

func TestQuorum_RequestsEnd(t *testing.T) {
	t.Parallel()
	eachCourt(t, func(t *testing.T, c court) {
		key := c.dying(t, "payroll")
		end := func(approval string) answer {
			return c.first.ask(t, http.MethodPost, "elastic-keys/"+key+"/delete", nil, quorum.Header, approval)
		}
		ask := func() string {
			got := c.first.ask(t, http.MethodPost, "approvals", map[string]any{"operation": "deleteElasticKey", "resource": key, "reason": "x"})
			id := got.done(t, http.StatusCreated).member(t, "id")
			c.vote(t, "anna", id, "approve").done(t, http.StatusOK)
			c.vote(t, "ben", id, "approve").done(t, http.StatusOK)
			return id
		}
		rejected, cancelled, expired := ask(), ask(), ask()
		c.vote(t, "carl", rejected, "reject").done(t, http.StatusOK)
		c.first.call(t, c.token, http.MethodPost, "approvals/"+cancelled+"/cancel", nil).refused(t, http.StatusNotFound, "not_found", "another's")
		c.first.ask(t, http.MethodPost, "approvals/"+cancelled+"/cancel", nil).done(t, http.StatusOK)
		require.NoError(t, c.db.InTx(database.WithTenant(t.Context(), "default"), func(ctx context.Context) error {
			_, err := c.db.Exec(ctx, `UPDATE approval_requests SET expires_at = $2 WHERE tenant_id = 'default' AND id = $1`, expired, database.Micros(time.Now().Add(-time.Second)))
			return err
		}))
		for state, id := range map[string]string{"rejected": rejected, "cancelled": cancelled, "expired": expired} {
			assert.Equal(t, state, c.first.ask(t, http.MethodGet, "approvals/"+id, nil).done(t, http.StatusOK).member(t, "state"))
			end(id).refused(t, http.StatusConflict, "approval_not_usable", state)
			c.vote(t, "carl", id, "approve").refused(t, http.StatusConflict, "invalid_state", state)
			assert.Len(t, c.first.ask(t, http.MethodGet, "approvals?state="+state, nil).done(t, http.StatusOK).items(t), 1)
		}
		assert.Equal(t, "pending_delete", c.status(t, key))
	})
}

// An administrator who patches the policy does not walk around the quorum: to weaken it takes its own approval.
func TestQuorum_IsWeakenedByItselfAlone(t *testing.T) {
	t.Parallel()
	eachCourt(t, func(t *testing.T, c court) {
		rule := func(approvals int, names ...string) map[string]any {
			ids := []string{}
			for _, name := range names {
				ids = append(ids, c.ids[name])
			}
			return map[string]any{"approvals": approvals, "approvers": ids}
		}
		c.first.ask(t, http.MethodPost, "elastic-keys", map[string]any{
			"name": "payroll", "algorithm": "A256GCM/A256KW", "policy": map[string]any{"quorum": rule(2, "anna", "ben", "carl")},
		}).done(t, http.StatusCreated)
		patch := func(token string, changed any, header ...string) answer {
			t.Helper()
			tag := c.first.ask(t, http.MethodGet, "elastic-keys/payroll", nil).done(t, http.StatusOK).header.Get("ETag")
			body := map[string]any{"policy": map[string]any{"quorum": changed}}
			header = append([]string{"If-Match", tag, "Content-Type", "application/merge-patch+json"}, header...)
			if token == "" {
				return c.first.ask(t, http.MethodPatch, "elastic-keys/payroll", body, header...)
			}
			return c.first.call(t, token, http.MethodPatch, "elastic-keys/payroll", body, header...)
		}
		for what, weak := range map[string]any{
			"none": nil, "fewer": rule(1, "anna", "ben", "carl"), "others": rule(2, "anna", "ben", "carl", "dora"), "strangers": rule(3, "anna", "ben", "dora"),
		} {
			patch("", weak).refused(t, http.StatusForbidden, "approval_required", what)
		}
		tag := c.first.ask(t, http.MethodGet, "elastic-keys/payroll", nil).done(t, http.StatusOK).header.Get("ETag")
		c.first.ask(t, http.MethodPatch, "elastic-keys/payroll", map[string]any{"policy": nil}, "If-Match", tag, "Content-Type", "application/merge-patch+json").
			refused(t, http.StatusForbidden, "approval_required", "the whole policy")

		one := c.approved(t, "updateElasticKey", "payroll", map[string]any{"quorum": rule(1, "carl", "anna")})
		patch(c.token, nil, quorum.Header, one).refused(t, http.StatusConflict, "approval_not_usable", "another quorum than was approved")
		patch("", rule(1, "anna", "carl"), quorum.Header, one).refused(t, http.StatusConflict, "approval_not_usable", "another caller")
		patch(c.token, rule(1, "anna", "carl"), quorum.Header, one).done(t, http.StatusOK)
		patch(c.token, rule(2, "anna", "carl")).done(t, http.StatusOK) // stronger takes nobody's approval
		patch(c.token, rule(1, "anna", "carl"), quorum.Header, one).refused(t, http.StatusConflict, "approval_not_usable", "used")
	})
}
