package kms_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// twoEstates starts a service with two tenants that have everything.
func twoEstates(t *testing.T, engine string) (s *service, ours, theirs estate) {
	t.Helper()
	cfg, files := prepare(t, engine)
	certificates := landlords(t, &cfg, "stranger", "victim")
	s = &service{cfg: cfg, files: files, running: &servicetest.Running{Config: &cfg.Config}}
	s.editRealm(t, func(text string) string {
		return strings.Replace(text, "tenants:\n", "tenants:\n  - id: stranger\n  - id: victim\n", 1)
	})
	s = run(t, cfg, files)
	return s, newEstate(t, s, "stranger", certificates["stranger"]), newEstate(t, s, "victim", certificates["victim"])
}

func eachEstate(t *testing.T, test func(t *testing.T, s *service, ours, theirs estate)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s, ours, theirs := twoEstates(t, engine)
			test(t, s, ours, theirs)
		})
	}
}

// traceless checks that an answer shows nothing of an estate but what was asked with.
func (a answer) traceless(t testing.TB, e estate, asked, what string) {
	t.Helper()
	header, err := json.Marshal(a.header)
	require.NoError(t, err)
	shown := strings.ToLower(string(header) + string(a.body))
	for _, mark := range e.marks() {
		if !strings.Contains(strings.ToLower(asked), strings.ToLower(mark)) {
			assert.NotContains(t, shown, strings.ToLower(mark), what)
		}
	}
}

// everything is all that an administrator sees of a tenant, but for the times at which things were used.
func (e estate) everything(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	all.WriteString(e.admin.snapshot(t, holding{}))
	for _, list := range []string{"users", "clients", "api-tokens", "roles", "role-bindings", "grants", "sessions"} {
		for _, item := range e.admin.ask(t, http.MethodGet, list+"?limit=1000", nil).done(t, http.StatusOK).items(t) {
			delete(item, "last_used_at")
			text, err := json.Marshal(item)
			require.NoError(t, err)
			all.Write(text)
		}
	}
	return all.String()
}

// documented tells whether a route is of a document, and under which prefix.
func documented(r server.Route) (base string, ok bool) {
	for _, base := range []string{"/service/api/v1/", "/browser/api/v1/"} {
		if strings.HasPrefix(r.Pattern, base) {
			return base, true
		}
	}
	return "", false
}

// Every registered route is tried by one tenant's administrator, as a program and as a browser, with all identifiers of another tenant.
func TestTenants_AreApartOnEveryRegisteredRoute(t *testing.T) {
	t.Parallel()
	eachEstate(t, func(t *testing.T, s *service, ours, theirs estate) {
		before := theirs.everything(t)
		none := absent(theirs)
		tried := 0
		routes := s.Routes()
		slices.SortStableFunc(routes, func(a, b server.Route) int { // the own trail has what one asked for, and so comes first
			return strings.Compare(strconv.FormatBool(!strings.Contains(a.Pattern, "/audit/")), strconv.FormatBool(!strings.Contains(b.Pattern, "/audit/")))
		})
		for _, r := range routes {
			base, ok := documented(r)
			if !ok {
				continue // the next test has pages and protocols
			}
			send := func(p probe) answer {
				var header []string
				if r.Method == http.MethodPatch {
					header = []string{"If-Match", `"1"`, "Content-Type", "application/merge-patch+json"}
				}
				if base == "/browser/api/v1/" {
					return ours.browser.send(t, s.request(t, "", r.Method, base+p.path, p.body, header...))
				}
				return ours.admin.ask(t, r.Method, base+p.path, p.body, header...)
			}
			var foreign, missing []probe
			if of, known := probes[r.Operation]; known {
				foreign, missing = of(theirs, ours), of(none, ours)
			} else {
				require.Contains(t, asks, r.Operation, "%s %s is new: say how somebody tries to reach another tenant by it", r.Method, r.Pattern)
				if !strings.Contains(r.Pattern, "{") {
					continue // the tests of the service's own operations have those that name nothing
				}
				for i, ask := range asks[r.Operation](theirs.holding) {
					foreign = append(foreign, probe{ask.path, ask.body, notFound})
					missing = append(missing, probe{asks[r.Operation](none.holding)[i].path, ask.body, notFound})
				}
			}
			if base == "/browser/api/v1/" && r.Operation == "endCurrentSession" {
				continue // it would end the browser's own
			}
			for i, p := range foreign {
				what := r.Method + " " + base + p.path
				got := send(p)
				tried++
				got.traceless(t, theirs, asText(t, ask{p.path, p.body}), what)
				switch p.code {
				case "":
					assert.Equal(t, 2, got.status/100, "%s: %s", what, got.body)
					if strings.Contains(p.path, "?") && !strings.Contains(p.path, "limit=") {
						assert.Empty(t, got.items(t), what)
					}
				default:
					require.GreaterOrEqual(t, got.status, http.StatusBadRequest, "%s: %s", what, got.body)
					assert.Equal(t, p.code, got.member(t, "code"), "%s: %s", what, got.body)
					other := send(missing[i])
					assert.Equal(t, other.essence(t), got.essence(t), "%s: what is another's looks like what does not exist", what)
				}
			}
		}
		assert.Greater(t, tried, 150)
		assert.Equal(t, before, theirs.everything(t), "nothing of theirs has changed")
		for path, body := range map[string]map[string]any{
			"users": {"login": theirs.login, "email": theirs.email}, "clients": {"name": theirs.clientName, "scopes": []string{}},
			"roles": {"name": theirs.roleName, "scopes": []string{}}, "elastic-keys": {"name": theirs.secretName, "algorithm": "A256GCM/A256KW"},
		} {
			ours.admin.ask(t, http.MethodPost, path, body).done(t, http.StatusCreated)
		}
		assert.Equal(t, before, theirs.everything(t), "names are each tenant's own")
		// A grant on another's key can be written down, as on any that does not exist, and is of no use.
		ours.admin.ask(t, http.MethodPost, "grants", grantOn(theirs.secretID, "api_token", ours.apiToken)).done(t, http.StatusCreated)
		s.call(t, ours.token, http.MethodGet, "elastic-keys/"+theirs.secretID, nil).refused(t, http.StatusNotFound, notFound, "with a grant on it")
		theirs.hearsNothingOf(t, ours)
	})
}

// hearsNothingOf checks that the tenant's audit trail knows nothing of what another one did.
func (e estate) hearsNothingOf(t testing.TB, other estate) {
	t.Helper()
	got := e.admin.ask(t, http.MethodGet, "audit/export", nil).done(t, http.StatusOK)
	got.traceless(t, other, "", "the audit trail")
	for _, needle := range []string{"stranger-root.example", other.user} {
		assert.NotContains(t, string(got.body), needle)
	}
}

// Pages and protocols of another tenant's path take a browser with a session elsewhere for a stranger: it is sent to the login.
func TestTenants_AreApartOnEveryPage(t *testing.T) {
	t.Parallel()
	eachEstate(t, func(t *testing.T, s *service, ours, theirs estate) {
		before := theirs.everything(t)
		stranger := newBrowser(t, s)
		seen := 0
		for _, r := range s.Routes() {
			if _, ok := documented(r); ok {
				continue
			}
			require.True(t, r.Anonymous, "%s %s is new: say how somebody tries to reach another tenant by it", r.Method, r.Pattern)
			seen++
			path := strings.Replace(r.Pattern, "{tenant}", theirs.tenant, 1)
			form := url.Values{"session": {theirs.session}, "form_token": {ours.browser.formToken(t, "/t/"+ours.tenant+"/browser/account")}}
			visit := func(b *browser) answer {
				if r.Method == http.MethodPost {
					return b.post(t, path, form)
				}
				return b.get(t, path)
			}
			got, other := visit(ours.browser), visit(stranger)
			what := r.Method + " " + path
			got.traceless(t, theirs, path, what)
			assert.Equal(t, other.status, got.status, "%s: as for anybody", what)
			assert.Equal(t, other.header.Get("Location"), got.header.Get("Location"), what)
			assert.NotContains(t, string(got.body), ours.login, what)
			if !strings.HasPrefix(r.Pattern, "/t/") {
				continue
			}
			// The same cookie under the other tenant's name is no session either.
			for _, cookie := range ours.browser.cookies(t) {
				request := s.request(t, "", r.Method, path, strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded",
					"Sec-Fetch-Site", "same-origin", "Cookie", strings.Replace(cookie.Name, ours.tenant, theirs.tenant, 1)+"="+cookie.Value)
				moved := newBrowser(t, s).send(t, request)
				assert.Equal(t, other.status, moved.status, "%s with %s", what, cookie.Name)
				moved.traceless(t, theirs, path, what)
			}
			unknown := stranger.get(t, strings.Replace(r.Pattern, "{tenant}", "no-such-tenant", 1))
			assert.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, unknown.status, what)
		}
		assert.Greater(t, seen, 20)
		// At one's own pages another's session is not one's own.
		own := "/t/" + ours.tenant + "/browser/account"
		ours.browser.post(t, own+"/sessions/end", url.Values{"session": {theirs.session}, "form_token": {ours.browser.formToken(t, own)}}).
			traceless(t, theirs, theirs.session, "ending another's session")
		assert.Equal(t, before, theirs.everything(t), "nothing of theirs has changed")
	})
}

// What one tenant's people and programs log in with opens nothing at another's.
func TestTenants_CredentialsOpenNothingElsewhere(t *testing.T) {
	t.Parallel()
	eachEstate(t, func(t *testing.T, s *service, ours, theirs estate) {
		b := newBrowser(t, s)
		path := "/t/" + ours.tenant + "/browser/login"
		for _, form := range []url.Values{
			{"login": {theirs.login}, "password": {estatePassword}},
			{"login": {theirs.email}, "password": {estatePassword}},
			{"token": {theirs.token}},
			{"token": {theirs.clientSecret}},
			{"token": {theirs.sessionText}},
		} {
			form.Set("form_token", b.formToken(t, path))
			got := b.post(t, path, form)
			assert.Equal(t, http.StatusForbidden, got.status, "%s", got.body)
		}
		for _, cookie := range b.cookies(t) {
			assert.NotContains(t, cookie.Name, "__Host-cu-kms-", "no session began")
		}
		for _, token := range []string{
			retenant(theirs.token, theirs.tenant, ours.tenant), retenant(theirs.token, theirs.apiToken, ours.apiToken), retenant(ours.token, ours.tenant, theirs.tenant),
		} {
			s.call(t, token, http.MethodGet, "self", nil).refused(t, http.StatusUnauthorized, "unauthenticated", "a token with another tenant or id in its text")
		}
	})
}
