package accesstest_test

import (
	"crypto/tls"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// estate is all that a tenant has: keys, and what the platform's own API administers.
type estate struct {
	kmstest.Holding

	admin   *kmstest.Service // as its administrator, who has a certificate, sees the service
	browser *kmstest.Browser // of its user, who is logged in

	login, email              string
	user, client, apiToken    string // ids
	clientName                string
	role, roleName            string
	binding, grant, session   string
	approval                  string // asked for
	clientSecret, sessionText string
	cursors                   map[string]string // of lists, by path
}

// landlords prepares a service with administrators of two tenants, neither of them the default one, who have certificates.
func landlords(t testing.TB, cfg *kms.Config, tenants ...string) map[string]tls.Certificate {
	t.Helper()
	a := kmstest.Administered(t, cfg)
	certificates := map[string]tls.Certificate{}
	for _, tenant := range tenants {
		name := tenant + "-root.example"
		kmstest.AddClient(t, cfg, tenant, name, kmstest.Root)
		certificates[tenant] = a.Issue(t, name)
	}
	return certificates
}

// newEstate makes two of everything in a tenant, so that lists have a next page.
func newEstate(t testing.TB, s *kmstest.Service, tenant string, certificate tls.Certificate) estate {
	t.Helper()
	e := estate{admin: s.As(t, certificate), cursors: map[string]string{}}
	e.Holding = kmstest.NewHolding(t, e.admin, tenant, "")
	made := func(path string, body any) kmstest.Answer {
		return e.admin.Ask(t, http.MethodPost, path, body).Done(t, http.StatusCreated)
	}
	for _, suffix := range []string{"-1", "-0"} { // the last one is the estate's
		e.login, e.email, e.clientName, e.roleName = tenant+"-login"+suffix, tenant+suffix+"@example.org", tenant+"-client"+suffix, tenant+"-role"+suffix
		user := map[string]any{"login": e.login, "email": e.email, "name": tenant + " person"}
		if suffix == "-0" {
			user["password"] = kmstest.EstatePassword
		}
		e.user = made("users", user).Member(t, "id")
		client := made("clients", map[string]any{"name": e.clientName, "scopes": []string{"kms:read"}, "description": e.Description})
		e.client, e.clientSecret = client.Member(t, "id"), client.Member(t, "secret")
		token := made("api-tokens", map[string]any{"name": tenant + "-token" + suffix, "scopes": []string{"kms:read"}})
		e.apiToken, e.Token = token.Member(t, "id"), token.Member(t, "token")
		e.role = made("roles", map[string]any{"name": e.roleName, "scopes": []string{"kms:read"}, "description": e.Description}).Member(t, "id")
		e.binding = made("role-bindings", map[string]any{"role": e.roleName, "subject_kind": "client", "subject_id": e.client}).Member(t, "id")
		e.grant = made("grants", map[string]any{
			"subject_kind": "client", "subject_id": e.client, "resource_kind": "elastic-key", "resource": e.SecretID, "scopes": []string{"kms:read"},
		}).Member(t, "id")
		e.GrantID = made("elastic-keys/"+e.SecretID+"/grants", kmstest.KeyGrant("client", e.client, "encrypt")).Member(t, "id")
		session := s.Call(t, e.Token, http.MethodPost, "sessions", map[string]any{})
		require.Equal(t, http.StatusCreated, session.Status, "%s", session.Body)
		guarded := made("elastic-keys", map[string]any{
			"name": tenant + "-guarded" + suffix, "algorithm": "A256GCM/A256KW", "policy": map[string]any{"quorum": map[string]any{"approvals": 1, "approvers": []string{e.user}}},
		}).Member(t, "id")
		e.approval = made("approvals", map[string]any{"operation": "deleteElasticKey", "resource": guarded, "reason": e.Description}).Member(t, "id")
		e.session, e.sessionText = session.Member(t, "session_id"), session.Member(t, "session_token")
	}
	made("role-bindings", map[string]any{"role": "system", "subject_kind": "user", "subject_id": e.user})
	for _, list := range []string{
		"users", "clients", "api-tokens", "roles", "role-bindings", "grants", "sessions", "approvals", "elastic-keys/" + e.SecretID + "/grants",
	} {
		e.cursors[list] = e.admin.Ask(t, http.MethodGet, list+"?limit=1", nil).Done(t, http.StatusOK).Member(t, "next_cursor")
		require.NotEmpty(t, e.cursors[list], list)
	}
	e.browser = kmstest.LogIn(t, s, tenant, e.login)
	return e
}

// marks are what nobody but the tenant may ever see.
func (e estate) marks() []string {
	own := []string{
		e.login, e.email, e.Tenant + " person", e.user, e.client, e.clientName, e.apiToken, e.Token, e.role, e.roleName, e.binding, e.grant, e.session, e.sessionText, e.approval,
		e.clientSecret,
	}
	for _, cursor := range e.cursors {
		own = append(own, cursor)
	}
	return slices.DeleteFunc(append(own, marks(e.Holding)...), func(mark string) bool { return mark == "" || mark == "their-token" })
}
