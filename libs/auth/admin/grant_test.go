package admin_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestGrants_LetInToSingleResourcesOnly(t *testing.T) {
	t.Parallel()
	eachEngine(t, 2, func(t *testing.T, c *cluster) {
		t.Helper()
		a, b := c.replicas[0], c.replicas[1]
		client := a.call(root("acme"), http.MethodPost, "/clients", `{"name":"c","scopes":[]}`).ok(http.StatusCreated)
		id, credential := client.member("id"), basic(client.member("id"), client.member("secret"))
		get := func(r *replica, thing string) string {
			return r.call(credential, http.MethodGet, "/things/"+thing, "").code()
		}
		assert.Equal(t, "insufficient_scope", get(a, "one"))
		grant := func(body string) string {
			return a.call(root("acme"), http.MethodPost, "/grants", `{"subject_kind":"client","subject_id":"`+id+`",`+body+`}`).ok(http.StatusCreated).member("id")
		}
		first := grant(`"resource_kind":"thing","resource":"one","scopes":["t:read"]`)
		assert.Empty(t, get(a, "one"))
		assert.Equal(t, "not_found", get(a, "two"))
		assert.Equal(t, "not_found", get(a, "one-more"))
		within(t, "the other replica knows it", func() bool { return get(b, "one") == "" })

		grant(`"resource_kind":"thing","resource":"pay-","prefix":true,"scopes":["t:read"]`)
		assert.Empty(t, get(a, "pay-roll"))
		assert.Equal(t, "not_found", get(a, "repay-roll"))
		grant(`"resource_kind":"other","resource":"two","scopes":["t:read"]`)
		grant(`"resource_kind":"thing","resource":"two","scopes":["t:use"]`)
		assert.Equal(t, "not_found", get(a, "two"), "another kind, another scope")
		grant(`"resource_kind":"thing","resource":"brief","scopes":["t:read"],"expires_at":"` + time.Now().Add(2*time.Second).UTC().Format(time.RFC3339Nano) + `"`)
		assert.Empty(t, get(a, "brief"))
		within(t, "it expires", func() bool { return get(a, "brief") == "not_found" })

		a.call(root("acme"), http.MethodDelete, "/grants/"+first, "").ok(http.StatusNoContent)
		assert.Equal(t, "not_found", get(a, "one"))
		within(t, "the other replica takes it away", func() bool { return get(b, "one") == "not_found" })

		a.call(root("acme"), http.MethodPost, "/roles", `{"name":"holder","scopes":[]}`).ok(http.StatusCreated)
		a.call(root("acme"), http.MethodPost, "/grants",
			`{"subject_kind":"role","subject_id":"holder","resource_kind":"thing","resource":"three","scopes":["t:read"]}`).ok(http.StatusCreated)
		assert.Equal(t, "not_found", get(a, "three"))
		a.call(root("acme"), http.MethodPost, "/role-bindings", `{"role":"holder","subject_kind":"client","subject_id":"`+id+`"}`).ok(http.StatusCreated)
		assert.Empty(t, get(a, "three"), "by its role")
		assert.Equal(t, "insufficient_scope", a.call(person("acme", "t:none"), http.MethodGet, "/things/three", "").code(), "nobody else")
	})
}
