package admin_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/auth/api"
)

// Two tenants have the same things. One tenant's admin goes through every operation of the document with the other's ids, names and
// filters: whatever there is, is not found, and no answer holds a trace of it.
func TestIsolation_EveryOperationWithAnotherTenantsIdentifiers(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document())
	require.NoError(t, err)
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		a := c.replicas[0]
		ids := map[string]string{} // of acme's, by path
		for path, body := range map[string]string{
			"/users": `{"login":"canary-user","email":"canary@example.org"}`, "/clients": `{"name":"canary-client","scopes":["t:read"]}`,
			"/api-tokens": `{"name":"canary-token","scopes":["t:read"]}`, "/roles": `{"name":"canary-role","scopes":["t:read"]}`,
		} {
			ids[path] = a.call(root("acme"), http.MethodPost, path, body).ok(http.StatusCreated).member("id")
		}
		ids["/role-bindings"] = a.call(root("acme"), http.MethodPost, "/role-bindings",
			`{"role":"canary-role","subject_kind":"client","subject_id":"`+ids["/clients"]+`"}`).ok(http.StatusCreated).member("id")
		ids["/grants"] = a.call(root("acme"), http.MethodPost, "/grants",
			`{"subject_kind":"client","subject_id":"`+ids["/clients"]+`","resource_kind":"thing","resource":"canary-thing","scopes":["t:read"]}`).ok(http.StatusCreated).member("id")
		before := snapshot(t, c)
		traceless := func(got answer, what string) {
			t.Helper()
			for _, id := range ids {
				assert.NotContains(t, got.body, id, what)
			}
			assert.NotContains(t, got.body, "canary", what)
		}
		tried := 0
		for path, item := range doc.Paths.Map() {
			resource := "/" + strings.Split(path, "/")[1]
			id, known := ids[resource]
			if !known {
				continue
			}
			refs := []string{id}
			switch resource {
			case "/clients":
				refs = append(refs, "canary-client")
			case "/roles":
				refs = append(refs, "canary-role")
			}
			for method := range item.Operations() {
				if !strings.Contains(path, "{id}") {
					continue
				}
				for _, ref := range refs {
					body, more := "", []string(nil)
					switch {
					case method == http.MethodPatch:
						body, more = `{"name":"x"}`, []string{"If-Match", `"1"`}
					case strings.HasSuffix(path, "set-password"):
						body = `{"password":"correct horse battery staple"}`
					}
					got := a.call(root("other"), method, strings.Replace(path, "{id}", ref, 1), body, more...)
					assert.Equal(t, "not_found", got.code(), "%s %s", method, path)
					traceless(got, method+" "+path)
					tried++
				}
			}
		}
		assert.GreaterOrEqual(t, tried, 18)
		for path := range maps.Keys(ids) {
			for _, query := range []string{
				"", "?login=canary-user", "?login=canary@example.org", "?name=canary-client", "?owner=" + ids["/users"], "?subject=" + ids["/clients"], "?resource=canary-thing",
			} {
				got := a.call(root("other"), http.MethodGet, path+query, "")
				traceless(got, path+query)
				if path != "/roles" && got.StatusCode == http.StatusOK {
					assert.JSONEq(t, `{"items":[]}`, got.body, path+query)
				}
			}
		}
		for what, r := range map[string][2]string{
			"a role to another's client":  {"/role-bindings", `{"role":"user","subject_kind":"client","subject_id":"` + ids["/clients"] + `"}`},
			"another's role":              {"/role-bindings", `{"role":"canary-role","subject_kind":"client","subject_id":"` + ids["/clients"] + `"}`},
			"another's role's id":         {"/role-bindings", `{"role":"` + ids["/roles"] + `","subject_kind":"client","subject_id":"` + ids["/clients"] + `"}`},
			"a grant to another's client": {"/grants", `{"subject_kind":"client","subject_id":"` + ids["/clients"] + `","resource_kind":"thing","resource":"x","scopes":["t:read"]}`},
			"a grant to another's role":   {"/grants", `{"subject_kind":"role","subject_id":"canary-role","resource_kind":"thing","resource":"x","scopes":["t:read"]}`},
			"a token for another's user":  {"/api-tokens", `{"name":"x","scopes":[],"owner":"` + ids["/users"] + `"}`},
		} {
			got := a.call(root("other"), http.MethodPost, r[0], r[1])
			assert.Equal(t, "not_found", got.code(), what)
			traceless(got, what)
		}
		// The same names are free in the other tenant.
		a.call(root("other"), http.MethodPost, "/users", `{"login":"canary-user","email":"canary@example.org"}`).ok(http.StatusCreated)
		a.call(root("other"), http.MethodPost, "/clients", `{"name":"canary-client","scopes":[]}`).ok(http.StatusCreated)
		a.call(root("other"), http.MethodPost, "/roles", `{"name":"canary-role","scopes":[]}`).ok(http.StatusCreated)
		assert.Equal(t, before, snapshot(t, c), "nothing of the first tenant has changed")
	})
}

// snapshot is what the first tenant has.
func snapshot(t *testing.T, c *cluster) []string {
	t.Helper()
	var rows []string
	for _, path := range []string{"/users", "/clients", "/api-tokens", "/roles", "/role-bindings", "/grants"} {
		rows = append(rows, c.replicas[0].call(root("acme"), http.MethodGet, path, "").ok(http.StatusOK).body)
	}
	return slices.Clone(rows)
}

// A credential of one tenant is nobody's in another, whatever its text is turned into.
func TestIsolation_ACredentialIsItsTenantsOnly(t *testing.T) {
	t.Parallel()
	eachEngine(t, 1, func(t *testing.T, c *cluster) {
		t.Helper()
		a := c.replicas[0]
		made := a.call(root("acme"), http.MethodPost, "/api-tokens", `{"name":"x","scopes":["t:read"]}`).ok(http.StatusCreated)
		token := made.member("token")
		a.call("Bearer "+token, http.MethodGet, "/self", "").ok(http.StatusOK)
		for _, forged := range []string{
			strings.Replace(token, "_acme_", "_other_", 1), strings.ToUpper(token), token + "x", token[:len(token)-1], "cu_at_acme_" + made.member("id"),
			fmt.Sprintf("cu_st_acme_%s", strings.TrimPrefix(token, "cu_at_acme_")), strings.Replace(token, "cu_at", "cu_cs", 1),
		} {
			assert.Equal(t, "unauthenticated", a.call("Bearer "+forged, http.MethodGet, "/self", "").code(), forged[:12])
			assert.Equal(t, "unauthenticated", a.call("DPoP "+forged, http.MethodGet, "/self", "").code(), forged[:12])
		}
		assert.Equal(t, "unauthenticated", a.call("DPoP "+token, http.MethodGet, "/self", "").code(), "an API token is no DPoP token")
		assert.Equal(t, "unauthenticated", a.call(basic(made.member("id"), token), http.MethodGet, "/self", "").code())
	})
}
