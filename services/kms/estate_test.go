package kms_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms"
)

// estate is all that a tenant has: keys, and what the platform's own API administers.
type estate struct {
	holding

	admin   *service // as its administrator, who has a certificate, sees the service
	browser *browser // of its user, who is logged in

	login, email              string
	user, client, apiToken    string // ids
	clientName                string
	role, roleName            string
	binding, grant, session   string
	approval                  string // asked for
	clientSecret, sessionText string
	cursors                   map[string]string // of lists, by path
}

// estatePassword is every user's.
const estatePassword = "a password that is long enough"

// landlords prepares a service with administrators of two tenants, neither of them the default one, who have certificates.
func landlords(t testing.TB, cfg *kms.Config, tenants ...string) map[string]tls.Certificate {
	t.Helper()
	a := administered(t, cfg)
	certificates := map[string]tls.Certificate{}
	for _, tenant := range tenants {
		name := tenant + "-root.example"
		addClient(t, cfg, tenant, name, root)
		certificates[tenant] = a.issue(t, name)
	}
	return certificates
}

// newEstate makes two of everything in a tenant, so that lists have a next page.
func newEstate(t testing.TB, s *service, tenant string, certificate tls.Certificate) estate {
	t.Helper()
	e := estate{admin: s.as(t, certificate), cursors: map[string]string{}}
	e.holding = newHolding(t, e.admin, tenant, "")
	made := func(path string, body any) answer {
		return e.admin.ask(t, http.MethodPost, path, body).done(t, http.StatusCreated)
	}
	for _, suffix := range []string{"-1", "-0"} { // the last one is the estate's
		e.login, e.email, e.clientName, e.roleName = tenant+"-login"+suffix, tenant+suffix+"@example.org", tenant+"-client"+suffix, tenant+"-role"+suffix
		user := map[string]any{"login": e.login, "email": e.email, "name": tenant + " person"}
		if suffix == "-0" {
			user["password"] = estatePassword
		}
		e.user = made("users", user).member(t, "id")
		client := made("clients", map[string]any{"name": e.clientName, "scopes": []string{"kms:read"}, "description": e.description})
		e.client, e.clientSecret = client.member(t, "id"), client.member(t, "secret")
		token := made("api-tokens", map[string]any{"name": tenant + "-token" + suffix, "scopes": []string{"kms:read"}})
		e.apiToken, e.token = token.member(t, "id"), token.member(t, "token")
		e.role = made("roles", map[string]any{"name": e.roleName, "scopes": []string{"kms:read"}, "description": e.description}).member(t, "id")
		e.binding = made("role-bindings", map[string]any{"role": e.roleName, "subject_kind": "client", "subject_id": e.client}).member(t, "id")
		e.grant = made("grants", map[string]any{
			"subject_kind": "client", "subject_id": e.client, "resource_kind": "elastic-key", "resource": e.secretID, "scopes": []string{"kms:read"},
		}).member(t, "id")
		e.grantID = made("elastic-keys/"+e.secretID+"/grants", keyGrant("client", e.client, "encrypt")).member(t, "id")
		session := s.call(t, e.token, http.MethodPost, "sessions", map[string]any{})
		require.Equal(t, http.StatusCreated, session.status, "%s", session.body)
		guarded := made("elastic-keys", map[string]any{
			"name": tenant + "-guarded" + suffix, "algorithm": "A256GCM/A256KW", "policy": map[string]any{"quorum": map[string]any{"approvals": 1, "approvers": []string{e.user}}},
		}).member(t, "id")
		e.approval = made("approvals", map[string]any{"operation": "deleteElasticKey", "resource": guarded, "reason": e.description}).member(t, "id")
		e.session, e.sessionText = session.member(t, "session_id"), session.member(t, "session_token")
	}
	made("role-bindings", map[string]any{"role": "system", "subject_kind": "user", "subject_id": e.user})
	for _, list := range []string{
		"users", "clients", "api-tokens", "roles", "role-bindings", "grants", "sessions", "approvals", "elastic-keys/" + e.secretID + "/grants",
	} {
		e.cursors[list] = e.admin.ask(t, http.MethodGet, list+"?limit=1", nil).done(t, http.StatusOK).member(t, "next_cursor")
		require.NotEmpty(t, e.cursors[list], list)
	}
	e.browser = logIn(t, s, tenant, e.login)
	return e
}

// marks are what nobody but the tenant may ever see.
func (e estate) marks() []string {
	own := []string{
		e.login, e.email, e.tenant + " person", e.user, e.client, e.clientName, e.apiToken, e.token, e.role, e.roleName, e.binding, e.grant, e.session, e.sessionText, e.approval,
		e.clientSecret,
	}
	for _, cursor := range e.cursors {
		own = append(own, cursor)
	}
	return slices.DeleteFunc(append(own, e.holding.marks()...), func(mark string) bool { return mark == "" || mark == "their-token" })
}

// browser is one that keeps its cookies.
type browser struct {
	s    *service
	http *http.Client
}

func newBrowser(t testing.TB, s *service) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Transport: s.http.Transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &browser{s: s, http: client}
}

// logIn logs a user in at the pages of a tenant.
func logIn(t testing.TB, s *service, tenant, login string) *browser {
	t.Helper()
	b := newBrowser(t, s)
	path := "/t/" + tenant + "/browser/login"
	got := b.post(t, path, url.Values{"form_token": {b.formToken(t, path)}, "login": {login}, "password": {estatePassword}})
	require.Equal(t, http.StatusSeeOther, got.status, "%s", got.body)
	require.Contains(t, got.header.Get("Location"), "/browser/account", "logged in")
	return b
}

// send sends a request with the cookies of the browser, and follows nothing.
func (b *browser) send(t testing.TB, request *http.Request) answer {
	t.Helper()
	response, err := b.http.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{status: response.StatusCode, header: response.Header, body: content}
}

func (b *browser) get(t testing.TB, path string) answer {
	t.Helper()
	return b.send(t, b.s.request(t, "", http.MethodGet, path, nil))
}

func (b *browser) post(t testing.TB, path string, form url.Values) answer {
	t.Helper()
	request := b.s.request(t, "", http.MethodPost, path, strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
	return b.send(t, request)
}

var formTokens = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// formToken is the token of the last form of a page, "" where there is none.
func (b *browser) formToken(t testing.TB, path string) string {
	t.Helper()
	found := formTokens.FindAllStringSubmatch(string(b.get(t, path).body), -1)
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1][1]
}

// cookies are what the browser holds for the service.
func (b *browser) cookies(t testing.TB) []*http.Cookie {
	t.Helper()
	base, err := url.Parse(b.s.URL())
	require.NoError(t, err)
	return b.http.Jar.Cookies(base)
}
