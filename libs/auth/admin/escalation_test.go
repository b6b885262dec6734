package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Whoever administers accounts without being an admin must not become one, nor make anybody one, by any way there is.
func TestEscalation_NobodyGivesOrTakesMoreThanHeHas(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		a := c.replicas[0]
		clerk := person("acme", "t:users", "t:read")
		made := func(answer answer) string { return answer.ok(http.StatusCreated).member("id") }
		strong := made(a.call(root("acme"), http.MethodPost, "/clients", `{"name":"strong","scopes":["t:admin"]}`))
		strongRole := made(a.call(root("acme"), http.MethodPost, "/roles", `{"name":"strong","scopes":["t:write"]}`))
		weakRole := made(a.call(clerk, http.MethodPost, "/roles", `{"name":"weak","scopes":["t:read"]}`))
		weak := made(a.call(clerk, http.MethodPost, "/clients", `{"name":"weak","scopes":["t:read"]}`))
		boss := made(a.call(root("acme"), http.MethodPost, "/users", `{"login":"boss"}`))
		a.call(root("acme"), http.MethodPost, "/role-bindings", `{"role":"admin","subject_kind":"user","subject_id":"`+boss+`"}`).ok(http.StatusCreated)
		bossToken := made(a.call(root("acme"), http.MethodPost, "/api-tokens", `{"name":"b","scopes":["t:admin"],"owner":"`+boss+`"}`))
		boundOne := made(a.call(root("acme"), http.MethodPost, "/role-bindings", `{"role":"strong","subject_kind":"client","subject_id":"`+weak+`"}`))
		grantedRole := made(a.call(clerk, http.MethodPost, "/roles", `{"name":"granted","scopes":[]}`))
		grant := made(a.call(root("acme"), http.MethodPost, "/grants",
			`{"subject_kind":"role","subject_id":"granted","resource_kind":"thing","resource":"x","scopes":["t:write"]}`))
		tagOf := func(path string) string {
			return a.call(root("acme"), http.MethodGet, path, "").ok(http.StatusOK).Header.Get("Etag")
		}

		for why, r := range map[string][3]string{
			"a client with more":               {http.MethodPost, "/clients", `{"name":"x","scopes":["t:admin"]}`},
			"a token with more":                {http.MethodPost, "/api-tokens", `{"name":"x","scopes":["t:write"]}`},
			"a token over tenants":             {http.MethodPost, "/api-tokens", `{"name":"x","scopes":["t:tenants"]}`},
			"a role with more":                 {http.MethodPost, "/roles", `{"name":"x","scopes":["t:write"]}`},
			"another product's scope":          {http.MethodPost, "/roles", `{"name":"x","scopes":["kms:read"]}`},
			"the built-in admin":               {http.MethodPost, "/role-bindings", `{"role":"admin","subject_kind":"client","subject_id":"` + weak + `"}`},
			"a role by its name":               {http.MethodPost, "/role-bindings", `{"role":"strong","subject_kind":"user","subject_id":"` + boss + `"}`},
			"a role with a grant":              {http.MethodPost, "/role-bindings", `{"role":"granted","subject_kind":"user","subject_id":"` + boss + `"}`},
			"a grant of more":                  {http.MethodPost, "/grants", `{"subject_kind":"client","subject_id":"` + weak + `","resource_kind":"thing","resource":"x","scopes":["t:write"]}`},
			"an admin client's secret":         {http.MethodPost, "/clients/strong/rotate-secret", ""},
			"a client's that has a role":       {http.MethodPost, "/clients/weak/rotate-secret", ""},
			"an admin's password":              {http.MethodPost, "/users/" + boss + "/set-password", `{"password":"correct horse battery staple"}`},
			"an admin's login":                 {http.MethodPatch, "/users/" + boss, `{"email":"me@example.org"}`},
			"an admin client's certificate":    {http.MethodPatch, "/clients/" + strong, `{"certificates":[{"kind":"dns","value":"me"}]}`},
			"an admin's token":                 {http.MethodPatch, "/api-tokens/" + bossToken, `{"disabled":false}`},
			"deletion of an admin":             {http.MethodDelete, "/users/" + boss, ""},
			"deletion of an admin's client":    {http.MethodDelete, "/clients/" + strong, ""},
			"deletion of an admin's token":     {http.MethodDelete, "/api-tokens/" + bossToken, ""},
			"taking a role away":               {http.MethodDelete, "/role-bindings/" + boundOne, ""},
			"deletion of a role":               {http.MethodDelete, "/roles/" + strongRole, ""},
			"taking a grant away":              {http.MethodDelete, "/grants/" + grant, ""},
			"widening a role":                  {http.MethodPatch, "/roles/" + weakRole, `{"scopes":["t:write"]}`},
			"narrowing a role that has more":   {http.MethodPatch, "/roles/" + strongRole, `{"scopes":[]}`},
			"changing a role that has a grant": {http.MethodPatch, "/roles/" + grantedRole, `{"description":"x"}`},
		} {
			var more []string
			if r[0] == http.MethodPatch {
				more = []string{"If-Match", tagOf(r[1])}
			}
			got := a.call(clerk, r[0], r[1], r[2], more...)
			assert.Equal(t, "forbidden", got.code(), "%s: %s", why, got.body)
		}
		assert.Equal(t, "invalid_state", a.call(root("acme"), http.MethodDelete, "/roles/admin", "").code())
		assert.Equal(t, "invalid_state", a.call(root("acme"), http.MethodPost, "/grants",
			`{"subject_kind":"role","subject_id":"admin","resource_kind":"thing","resource":"x","scopes":["t:read"]}`).code())
		assert.Equal(t, "conflict", a.call(root("acme"), http.MethodDelete, "/roles/strong", "").code(), "somebody has it")
		for _, name := range []string{"admin", "system"} {
			assert.Equal(t, "conflict", a.call(root("acme"), http.MethodPost, "/roles", `{"name":"`+name+`","scopes":[]}`).code())
		}
		// An admin does not hold the scope over tenants, so he cannot give it.
		for _, body := range []string{`{"name":"x","scopes":["t:tenants"]}`, `{"name":"x","scopes":["t:read","t:tenants"]}`} {
			assert.Equal(t, "forbidden", a.call(root("default"), http.MethodPost, "/clients", body).code())
		}
		assert.Equal(t, "forbidden", a.call(root("default"), http.MethodPost, "/role-bindings", `{"role":"system","subject_kind":"client","subject_id":"`+weak+`"}`).code())
	})
}

func TestAPITokens_OfAUserNeverExceedTheUser(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		a := c.replicas[0]
		ada := a.call(root("acme"), http.MethodPost, "/users", `{"login":"ada"}`).ok(http.StatusCreated).member("id")
		me := "Bearer user.acme." + ada
		assert.Equal(t, "forbidden", a.call(me, http.MethodPost, "/api-tokens", `{"name":"x","scopes":["t:read"]}`).code(), "nothing held, nothing given")
		bindingID := a.call(root("acme"), http.MethodPost, "/role-bindings", `{"role":"auditor","subject_kind":"user","subject_id":"`+ada+`"}`).ok(http.StatusCreated).member("id")
		made := a.call(me, http.MethodPost, "/api-tokens", `{"name":"x","scopes":["t:read","t:audit"]}`).ok(http.StatusCreated)
		assert.Equal(t, ada, made.member("owner"))
		token := "Bearer " + made.member("token")
		a.call(token, http.MethodGet, "/things/x", "").ok(http.StatusOK)

		assert.Equal(t, "step_up_required", a.call(token, http.MethodPost, "/api-tokens", `{"name":"y","scopes":["t:read"]}`).code(), "a token makes no tokens")
		stranger := a.call(root("acme"), http.MethodPost, "/users", `{"login":"eve"}`).ok(http.StatusCreated).member("id")
		eve := "Bearer user.acme." + stranger
		assert.Equal(t, "insufficient_scope", a.call(eve, http.MethodPost, "/api-tokens", `{"name":"y","scopes":[],"owner":"`+ada+`"}`).code())
		assert.Equal(t, "not_found", a.call(eve, http.MethodGet, "/api-tokens/"+made.member("id"), "").code())
		assert.Equal(t, "not_found", a.call(eve, http.MethodDelete, "/api-tokens/"+made.member("id"), "").code())
		assert.JSONEq(t, `{"items":[]}`, a.call(eve, http.MethodGet, "/api-tokens", "").ok(http.StatusOK).body)
		assert.JSONEq(t, `{"items":[]}`, a.call(eve, http.MethodGet, "/api-tokens?owner="+ada, "").ok(http.StatusOK).body)
		assert.Equal(t, "not_found", a.call(token, http.MethodDelete, "/api-tokens/"+made.member("id"), "").code(), "not even itself")

		a.call(root("acme"), http.MethodDelete, "/role-bindings/"+bindingID, "").ok(http.StatusNoContent)
		assert.Equal(t, "insufficient_scope", a.call(token, http.MethodGet, "/things/x", "").code(), "what the owner has lost, the token has lost")
		a.call(root("acme"), http.MethodPost, "/role-bindings", `{"role":"auditor","subject_kind":"user","subject_id":"`+ada+`"}`).ok(http.StatusCreated)
		a.call(token, http.MethodGet, "/things/x", "").ok(http.StatusOK)
		tag := a.call(root("acme"), http.MethodGet, "/users/"+ada, "").Header.Get("Etag")
		tag = a.call(root("acme"), http.MethodPatch, "/users/"+ada, `{"disabled":true}`, "If-Match", tag).ok(http.StatusOK).Header.Get("Etag")
		assert.Equal(t, "unauthenticated", a.call(token, http.MethodGet, "/things/x", "").code(), "the owner is disabled")
		assert.Equal(t, []string{"acme/user/" + ada}, c.ended, "and has no session any more")
		a.call(root("acme"), http.MethodPatch, "/users/"+ada, `{"disabled":false}`, "If-Match", tag).ok(http.StatusOK)
		a.call(token, http.MethodGet, "/things/x", "").ok(http.StatusOK)
		a.call(root("acme"), http.MethodDelete, "/users/"+ada, "").ok(http.StatusNoContent)
		assert.Equal(t, "unauthenticated", a.call(token, http.MethodGet, "/things/x", "").code(), "the owner is gone")
		assert.Equal(t, "not_found", a.call(root("acme"), http.MethodGet, "/api-tokens/"+made.member("id"), "").code())
	})
}

func TestRoles_ChangesReachWhoHasThem(t *testing.T) {
	t.Parallel()
	eachEngine(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		a, b := c.replicas[0], c.replicas[1]
		role := a.call(root("acme"), http.MethodPost, "/roles", `{"name":"reader","scopes":["t:read"]}`).ok(http.StatusCreated)
		client := a.call(root("acme"), http.MethodPost, "/clients", `{"name":"c","scopes":[]}`).ok(http.StatusCreated)
		credential := basic(client.member("id"), client.member("secret"))
		assert.Equal(t, "insufficient_scope", a.call(credential, http.MethodGet, "/things/x", "").code())
		a.call(root("acme"), http.MethodPost, "/role-bindings", `{"role":"reader","subject_kind":"client","subject_id":"`+client.member("id")+`"}`).ok(http.StatusCreated)
		reads := func(r *replica) bool {
			return r.call(credential, http.MethodGet, "/things/x", "").StatusCode == http.StatusOK
		}
		assert.True(t, reads(a))
		within(t, "the other replica knows the role", func() bool { return reads(b) })
		assert.Contains(t, b.call(credential, http.MethodGet, "/self", "").body, `"roles":["reader"]`)
		a.call(root("acme"), http.MethodPatch, "/roles/reader", `{"scopes":["t:use"]}`, "If-Match", role.Header.Get("Etag")).ok(http.StatusOK)
		assert.False(t, reads(a))
		within(t, "the other replica takes the scope away", func() bool { return !reads(b) })
	})
}

// The platform's operations and their scopes, as the document states them, against a caller who holds everything else.
func TestScopes_EveryOperationDemandsItsOwn(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		a := c.replicas[0]
		id := "019ac3f0-8f6e-7c3a-9b1d-2f4a5b6c7d8e"
		for _, path := range []string{"/users", "/clients", "/roles", "/role-bindings", "/grants", "/users/" + id, "/clients/" + id, "/roles/" + id, "/grants/" + id} {
			got := a.call(person("acme", "t:read", "t:write", "t:audit", "t:tenants", "u:admin", "u:users"), http.MethodGet, path, "")
			assert.Equal(t, "insufficient_scope", got.code(), path)
		}
		for _, path := range []string{"/audit/events", "/audit/export", "/audit/checkpoint-key"} {
			assert.Equal(t, "insufficient_scope", a.call(person("acme", "t:read", "t:users", "t:tenants"), http.MethodGet, path, "").code(), path)
		}
		assert.Equal(t, "insufficient_scope", a.call(root("default"), http.MethodGet, "/tenants", "").code(), "an admin is no landlord")
		assert.Equal(t, "forbidden", a.call(person("acme", "t:tenants", "t:admin"), http.MethodGet, "/tenants", "").code(), "nor is another tenant's")
		assert.Equal(t, "unauthenticated", a.call("", http.MethodGet, "/self", "").code())
		token := "Bearer " + a.call(root("acme"), http.MethodPost, "/api-tokens", `{"name":"x","scopes":["t:admin"]}`).ok(http.StatusCreated).member("token")
		a.call(token, http.MethodGet, "/clients", "").ok(http.StatusOK)
		assert.Equal(t, "step_up_required", a.call(token, http.MethodPost, "/clients", `{"name":"x","scopes":[]}`).code(), "a bearer credential changes nobody's rights")
	})
}

func TestTenants_LifeAndEffect(t *testing.T) {
	t.Parallel()
	eachEngine(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		a, b := c.replicas[0], c.replicas[1]
		landlord := person("default", "t:tenants")
		made := a.call(landlord, http.MethodPost, "/tenants", `{"id":"new","name":"New"}`).ok(http.StatusCreated)
		a.call(landlord, http.MethodPost, "/tenants", `{"id":"new"}`).ok(http.StatusConflict)
		token := "Bearer " + a.call(root("new"), http.MethodPost, "/api-tokens", `{"name":"x","scopes":["t:read"]}`).ok(http.StatusCreated).member("token")
		a.call(landlord, http.MethodPatch, "/tenants/new", `{"name":"Newer"}`, "If-Match", made.Header.Get("Etag")).ok(http.StatusOK)
		a.call(landlord, http.MethodPatch, "/tenants/new", `{"name":"No"}`, "If-Match", made.Header.Get("Etag")).ok(http.StatusPreconditionFailed)
		assert.Contains(t, a.call(landlord, http.MethodGet, "/tenants", "").body, `"Newer"`)
		within(t, "the other replica knows it", func() bool { return b.call(token, http.MethodGet, "/self", "").StatusCode == http.StatusOK })
		a.call(landlord, http.MethodPost, "/tenants/new/suspend", "").ok(http.StatusOK)
		within(t, "suspended everywhere", func() bool {
			return a.call(token, http.MethodGet, "/self", "").code() == "tenant_suspended" && b.call(token, http.MethodGet, "/self", "").code() == "tenant_suspended"
		})
		a.call(landlord, http.MethodPost, "/tenants/new/resume", "").ok(http.StatusOK)
		within(t, "resumed everywhere", func() bool { return b.call(token, http.MethodGet, "/self", "").StatusCode == http.StatusOK })
		deleting := a.call(landlord, http.MethodDelete, "/tenants/new", "").ok(http.StatusOK)
		assert.Equal(t, "deleting", deleting.member("status"))
		assert.NotEmpty(t, deleting.member("delete_after"))
		a.call(landlord, http.MethodPost, "/tenants/new/restore", "").ok(http.StatusOK)
		assert.Equal(t, "conflict", a.call(landlord, http.MethodDelete, "/tenants/default", "").code())
		actions := []string{}
		c.mu.Lock()
		for _, e := range c.events {
			if strings.HasPrefix(e.Action, "tenant.") {
				actions = append(actions, e.Action)
			}
		}
		c.mu.Unlock()
		assert.Equal(t, []string{"tenant.create", "tenant.update", "tenant.suspend", "tenant.resume", "tenant.delete", "tenant.restore"}, actions)
	})
}
