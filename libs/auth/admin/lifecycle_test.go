package admin_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func TestAPITokens_WorkAndEndOnEveryReplica(t *testing.T) {
	t.Parallel()
	eachEngine(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		a, b := c.replicas[0], c.replicas[1]
		made := a.call(root("acme"), http.MethodPost, "/api-tokens", `{"name":"ci","scopes":["t:read"]}`).ok(http.StatusCreated)
		token, id := "Bearer "+made.member("token"), made.member("id")
		a.call(token, http.MethodGet, "/things/x", "").ok(http.StatusOK)
		within(t, "the other replica knows it", func() bool { return b.call(token, http.MethodGet, "/things/x", "").StatusCode == http.StatusOK })
		self := b.call(token, http.MethodGet, "/self", "").ok(http.StatusOK)
		assert.Equal(t, "acme", self.member("tenant"))
		assert.Equal(t, "api_token", self.member("kind"))
		assert.NotContains(t, a.call(root("acme"), http.MethodGet, "/api-tokens/"+id, "").ok(http.StatusOK).body, strings.TrimPrefix(token, "Bearer "))

		tag := a.call(root("acme"), http.MethodGet, "/api-tokens/"+id, "").Header.Get("Etag")
		changed := a.call(root("acme"), http.MethodPatch, "/api-tokens/"+id, `{"scopes":["t:use"]}`, "If-Match", tag).ok(http.StatusOK)
		assert.Equal(t, http.StatusForbidden, a.call(token, http.MethodGet, "/things/x", "").StatusCode, "at once where it was changed")
		within(t, "the other replica takes the scope away", func() bool { return b.call(token, http.MethodGet, "/things/x", "").StatusCode == http.StatusForbidden })
		a.call(root("acme"), http.MethodPatch, "/api-tokens/"+id, `{"disabled":true}`, "If-Match", tag).ok(http.StatusPreconditionFailed)
		a.call(root("acme"), http.MethodPatch, "/api-tokens/"+id, `{"disabled":true}`).ok(http.StatusPreconditionRequired)
		a.call(root("acme"), http.MethodPatch, "/api-tokens/"+id, `{"owner":"x"}`, "If-Match", changed.Header.Get("Etag")).ok(http.StatusBadRequest)
		a.call(root("acme"), http.MethodPatch, "/api-tokens/"+id, `{"disabled":true}`, "If-Match", changed.Header.Get("Etag")).ok(http.StatusOK)
		assert.Equal(t, "unauthenticated", a.call(token, http.MethodGet, "/self", "").code())
		within(t, "the other replica refuses it", func() bool { return b.call(token, http.MethodGet, "/self", "").StatusCode == http.StatusUnauthorized })

		b.call(root("acme"), http.MethodDelete, "/api-tokens/"+id, "").ok(http.StatusNoContent)
		b.call(root("acme"), http.MethodGet, "/api-tokens/"+id, "").ok(http.StatusNotFound)
	})
}

func TestClients_OldSecretGoesOnForTheOverlapOnly(t *testing.T) {
	t.Parallel()
	eachEngine(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		a, b := c.replicas[0], c.replicas[1]
		made := a.call(root("acme"), http.MethodPost, "/clients", `{"name":"billing","scopes":["t:read"]}`).ok(http.StatusCreated)
		id, first := made.member("id"), made.member("secret")
		works := func(r *replica, secret string) bool {
			return r.call(basic(id, secret), http.MethodGet, "/things/x", "").StatusCode == http.StatusOK
		}
		assert.True(t, works(a, first))

		second := a.call(root("acme"), http.MethodPost, "/clients/billing/rotate-secret", `{"overlap_seconds":3600}`).ok(http.StatusCreated).member("secret")
		assert.True(t, works(a, first), "both, for the overlap")
		assert.True(t, works(a, second))
		within(t, "the other replica knows the new one", func() bool { return works(b, second) })
		assert.True(t, works(b, first))

		third := b.call(root("acme"), http.MethodPost, "/clients/"+id+"/rotate-secret", "").ok(http.StatusCreated).member("secret")
		assert.False(t, works(b, first), "never more than two")
		assert.True(t, works(b, second))
		assert.True(t, works(b, third))
		assert.Empty(t, c.ended, "sessions go on while the old secret does")
		fourth := a.call(root("acme"), http.MethodPost, "/clients/billing/rotate-secret", `{"overlap_seconds":0}`).ok(http.StatusCreated).member("secret")
		assert.Equal(t, []string{"acme/client/" + id}, c.ended, "what a stolen secret was exchanged for ends with it")
		assert.True(t, works(a, fourth))
		for _, old := range []string{first, second, third} {
			assert.False(t, works(a, old))
		}
		within(t, "the other replica refuses the old ones", func() bool { return !works(b, third) && !works(b, second) && works(b, fourth) })
		a.call(root("acme"), http.MethodPost, "/clients/billing/rotate-secret", `{"overlap_seconds":2592001}`).ok(http.StatusBadRequest)

		assert.Equal(t, http.StatusUnauthorized, a.call(basic("billing", fourth), http.MethodGet, "/self", "").StatusCode, "the id, not the name")
		a.call(root("acme"), http.MethodPost, "/clients", `{"name":"billing","scopes":[]}`).ok(http.StatusConflict)
		a.call(root("acme"), http.MethodPost, "/clients", `{"name":"`+id+`","scopes":[]}`).ok(http.StatusBadRequest)
		a.call(root("acme"), http.MethodDelete, "/clients/billing", "").ok(http.StatusNoContent)
		assert.False(t, works(a, fourth))
		within(t, "it is gone everywhere", func() bool { return !works(b, fourth) })
	})
}

func TestClients_AnIdempotentAnswerShowsTheSameSecret(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		a := c.replicas[0]
		ask := func() answer {
			return a.call(root("acme"), http.MethodPost, "/clients", `{"name":"one","scopes":["t:read"]}`, "Idempotency-Key", "k1")
		}
		first, again := ask().ok(http.StatusCreated), ask().ok(http.StatusCreated)
		assert.Equal(t, first.member("secret"), again.member("secret"))
		assert.Len(t, c.events, 1)
		user := func() answer {
			return a.call(root("acme"), http.MethodPost, "/users", `{"login":"ada"}`, "Idempotency-Key", "k2")
		}
		ada := user().ok(http.StatusCreated).body
		assert.Equal(t, ada, user().ok(http.StatusCreated).body, "also the first user, with whom the key of logins comes")
		within(t, "it works", func() bool {
			return a.call(basic(first.member("id"), first.member("secret")), http.MethodGet, "/things/x", "").StatusCode == http.StatusOK
		})
	})
}

func TestUsers_CreateFindChangeDelete(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		a := c.replicas[0]
		made := a.call(root("acme"), http.MethodPost, "/users", `{"login":"Ada","email":"ada@Example.org","name":"Ada L."}`).ok(http.StatusCreated)
		id := made.member("id")
		for _, login := range []string{"ada", "ADA", "ada@example.org"} {
			found := a.call(root("acme"), http.MethodGet, "/users?login="+login, "").ok(http.StatusOK)
			assert.Contains(t, found.body, id, login)
		}
		assert.NotContains(t, a.call(root("other"), http.MethodGet, "/users?login=ada", "").ok(http.StatusOK).body, id)
		assert.Equal(t, "conflict", a.call(root("acme"), http.MethodPost, "/users", `{"login":"ada@example.ORG"}`).code(), "one name space")
		a.call(root("other"), http.MethodPost, "/users", `{"login":"ada"}`).ok(http.StatusCreated)
		for _, bad := range []string{`{"login":" ada"}`, `{"login":"a","email":"x"}`, `{"login":""}`, `{"login":"a\u0000"}`, `{"login":"a","password":"short"}`} {
			a.call(root("acme"), http.MethodPost, "/users", bad).ok(http.StatusBadRequest)
		}
		var readable int64
		require.NoError(t, c.db.QueryRow(bound(t, "acme"), "SELECT count(*) FROM auth_users WHERE profile LIKE '%da L%' OR profile LIKE '%@example%'").Scan(&readable))
		assert.Zero(t, readable, "no name stands in the database")

		patched := a.call(root("acme"), http.MethodPatch, "/users/"+id, `{"email":null,"name":"Ada"}`, "If-Match", made.Header.Get("Etag")).ok(http.StatusOK)
		assert.Empty(t, patched.member("email"))
		assert.NotContains(t, a.call(root("acme"), http.MethodGet, "/users?login=ada@example.org", "").body, id)
		a.call(root("acme"), http.MethodPost, "/users", `{"login":"ada@example.org"}`).ok(http.StatusCreated)
		a.call(root("acme"), http.MethodPatch, "/users/"+id, `{"email":"ada@example.org"}`, "If-Match", patched.Header.Get("Etag")).ok(http.StatusConflict)
		a.call(root("acme"), http.MethodDelete, "/users/"+id, "").ok(http.StatusNoContent)
		a.call(root("acme"), http.MethodGet, "/users/"+id, "").ok(http.StatusNotFound)
	})
}

func TestChange_FailsWithItsEvent(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		a := c.replicas[0]
		c.mu.Lock()
		c.fail = assert.AnError
		c.mu.Unlock()
		assert.Equal(t, http.StatusInternalServerError, a.call(root("acme"), http.MethodPost, "/roles", `{"name":"r","scopes":[]}`).StatusCode)
		c.mu.Lock()
		c.fail = nil
		c.mu.Unlock()
		a.call(root("acme"), http.MethodGet, "/roles/r", "").ok(http.StatusNotFound)
	})
}

func TestLists_PageThroughEverything(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		a := c.replicas[0]
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			a.call(root("acme"), http.MethodPost, "/roles", `{"name":"`+name+`","scopes":["t:read"]}`).ok(http.StatusCreated)
		}
		seen, cursor := "", ""
		for range 3 {
			got := a.call(root("acme"), http.MethodGet, "/roles?limit=2"+cursor, "").ok(http.StatusOK)
			seen += got.body
			next := got.member("next_cursor")
			if next == "" {
				break
			}
			cursor = "&cursor=" + next
			assert.Equal(t, "invalid_cursor", a.call(root("other"), http.MethodGet, "/roles?limit=2"+cursor, "").code(), "another tenant's")
			assert.Equal(t, "invalid_cursor", a.call(root("acme"), http.MethodGet, "/clients?limit=2"+cursor, "").code(), "another list's")
		}
		for _, name := range []string{"a", "b", "c", "d", "e", "admin", "operator", "auditor", "user", "system"} {
			assert.Equal(t, 1, strings.Count(seen, `"name":"`+name+`"`), name)
		}
	})
}
