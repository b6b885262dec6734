package accesstest_test

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

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// twoEstates starts a service with two tenants that have everything.
func twoEstates(t *testing.T, engine string) (s *kmstest.Service, ours, theirs estate) {
	t.Helper()
	cfg, files := kmstest.Prepare(t, engine)
	certificates := landlords(t, &cfg, "stranger", "victim")
	before := &servicetest.Running{Config: &cfg.Config, Files: files}
	before.EditRealm(t, func(text string) string {
		return strings.Replace(text, "tenants:\n", "tenants:\n  - id: stranger\n  - id: victim\n", 1)
	})
	s = kmstest.Run(t, cfg, files)
	return s, newEstate(t, s, "stranger", certificates["stranger"]), newEstate(t, s, "victim", certificates["victim"])
}

func eachEstate(t *testing.T, test func(t *testing.T, s *kmstest.Service, ours, theirs estate)) {
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
func traceless(t testing.TB, a kmstest.Answer, e estate, asked, what string) {
	t.Helper()
	a.Traceless(t, e.marks(), asked, what)
}

// everything is all that an administrator sees of a tenant, but for the times at which things were used.
func (e estate) everything(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	all.WriteString(snapshot(t, e.admin, kmstest.Holding{}))
	for _, list := range []string{"users", "clients", "api-tokens", "roles", "role-bindings", "grants", "sessions"} {
		for _, item := range e.admin.Ask(t, http.MethodGet, list+"?limit=1000", nil).Done(t, http.StatusOK).Items(t) {
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
	eachEstate(t, func(t *testing.T, s *kmstest.Service, ours, theirs estate) {
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
			send := func(p probe) kmstest.Answer {
				var header []string
				if r.Method == http.MethodPatch {
					header = []string{"If-Match", `"1"`, "Content-Type", "application/merge-patch+json"}
				}
				if base == "/browser/api/v1/" {
					return ours.browser.Send(t, s.Request(t, "", r.Method, base+p.path, p.body, header...))
				}
				return ours.admin.Ask(t, r.Method, base+p.path, p.body, header...)
			}
			var foreign, missing []probe
			if of, known := probes[r.Operation]; known {
				foreign, missing = of(theirs, ours), of(none, ours)
			} else {
				require.Contains(t, kmstest.Asks(), r.Operation, "%s %s is new: say how somebody tries to reach another tenant by it", r.Method, r.Pattern)
				if !strings.Contains(r.Pattern, "{") {
					continue // the tests of the service's own operations have those that name nothing
				}
				for i, ask := range kmstest.Asks()[r.Operation](theirs.Holding) {
					foreign = append(foreign, probe{ask.Path, ask.Body, kmstest.NotFound})
					missing = append(missing, probe{kmstest.Asks()[r.Operation](none.Holding)[i].Path, ask.Body, kmstest.NotFound})
				}
			}
			if base == "/browser/api/v1/" && r.Operation == "endCurrentSession" {
				continue // it would end the browser's own
			}
			for i, p := range foreign {
				what := r.Method + " " + base + p.path
				got := send(p)
				tried++
				traceless(t, got, theirs, kmstest.AsText(t, kmstest.Ask{Path: p.path, Body: p.body}), what)
				switch p.code {
				case "":
					assert.Equal(t, 2, got.Status/100, "%s: %s", what, got.Body)
					if strings.Contains(p.path, "?") && !strings.Contains(p.path, "limit=") {
						assert.Empty(t, got.Items(t), what)
					}
				default:
					got.LooksAbsent(t, send(missing[i]).Answer, p.code, what)
				}
			}
		}
		assert.Greater(t, tried, 150)
		assert.Equal(t, before, theirs.everything(t), "nothing of theirs has changed")
		for path, body := range map[string]map[string]any{
			"users": {"login": theirs.login, "email": theirs.email}, "clients": {"name": theirs.clientName, "scopes": []string{}},
			"roles": {"name": theirs.roleName, "scopes": []string{}}, "elastic-keys": {"name": theirs.SecretName, "algorithm": "A256GCM/A256KW"},
		} {
			ours.admin.Ask(t, http.MethodPost, path, body).Done(t, http.StatusCreated)
		}
		assert.Equal(t, before, theirs.everything(t), "names are each tenant's own")
		// A grant on another's key can be written down, as on any that does not exist, and is of no use.
		ours.admin.Ask(t, http.MethodPost, "grants", grantOn(theirs.SecretID, "api_token", ours.apiToken)).Done(t, http.StatusCreated)
		s.Call(t, ours.Token, http.MethodGet, "elastic-keys/"+theirs.SecretID, nil).Refused(t, http.StatusNotFound, kmstest.NotFound, "with a grant on it")
		theirs.hearsNothingOf(t, ours)
	})
}

// hearsNothingOf checks that the tenant's audit trail knows nothing of what another one did.
func (e estate) hearsNothingOf(t testing.TB, other estate) {
	t.Helper()
	got := e.admin.Ask(t, http.MethodGet, "audit/export", nil).Done(t, http.StatusOK)
	traceless(t, got, other, "", "the audit trail")
	for _, needle := range []string{"stranger-root.example", other.user} {
		assert.NotContains(t, string(got.Body), needle)
	}
}

// Pages and protocols of another tenant's path take a browser with a session elsewhere for a stranger: it is sent to the login.
func TestTenants_AreApartOnEveryPage(t *testing.T) {
	t.Parallel()
	eachEstate(t, func(t *testing.T, s *kmstest.Service, ours, theirs estate) {
		before := theirs.everything(t)
		stranger := kmstest.NewBrowser(t, s)
		seen := 0
		for _, r := range s.Routes() {
			if _, ok := documented(r); ok {
				continue
			}
			require.True(t, r.Anonymous, "%s %s is new: say how somebody tries to reach another tenant by it", r.Method, r.Pattern)
			seen++
			path := strings.Replace(r.Pattern, "{tenant}", theirs.Tenant, 1)
			form := url.Values{"session": {theirs.session}, "form_token": {ours.browser.FormToken(t, "/t/"+ours.Tenant+"/browser/account")}}
			visit := func(b *kmstest.Browser) kmstest.Answer {
				if r.Method == http.MethodPost {
					return b.Post(t, path, form)
				}
				return b.Get(t, path)
			}
			got, other := visit(ours.browser), visit(stranger)
			what := r.Method + " " + path
			traceless(t, got, theirs, path, what)
			assert.Equal(t, other.Status, got.Status, "%s: as for anybody", what)
			assert.Equal(t, other.Header.Get("Location"), got.Header.Get("Location"), what)
			assert.NotContains(t, string(got.Body), ours.login, what)
			if !strings.HasPrefix(r.Pattern, "/t/") {
				continue
			}
			// The same cookie under the other tenant's name is no session either.
			for _, cookie := range ours.browser.Cookies(t) {
				request := s.Request(t, "", r.Method, path, strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded",
					"Sec-Fetch-Site", "same-origin", "Cookie", strings.Replace(cookie.Name, ours.Tenant, theirs.Tenant, 1)+"="+cookie.Value)
				moved := kmstest.NewBrowser(t, s).Send(t, request)
				assert.Equal(t, other.Status, moved.Status, "%s with %s", what, cookie.Name)
				traceless(t, moved, theirs, path, what)
			}
			unknown := stranger.Get(t, strings.Replace(r.Pattern, "{tenant}", "no-such-tenant", 1))
			assert.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, unknown.Status, what)
		}
		assert.Greater(t, seen, 20)
		// At one's own pages another's session is not one's own.
		own := "/t/" + ours.Tenant + "/browser/account"
		traceless(t, ours.browser.Post(t, own+"/sessions/end", url.Values{"session": {theirs.session}, "form_token": {ours.browser.FormToken(t, own)}}), theirs, theirs.session, "ending another's session")
		assert.Equal(t, before, theirs.everything(t), "nothing of theirs has changed")
	})
}

// What one tenant's people and programs log in with opens nothing at another's.
func TestTenants_CredentialsOpenNothingElsewhere(t *testing.T) {
	t.Parallel()
	eachEstate(t, func(t *testing.T, s *kmstest.Service, ours, theirs estate) {
		b := kmstest.NewBrowser(t, s)
		path := "/t/" + ours.Tenant + "/browser/login"
		for _, form := range []url.Values{
			{"login": {theirs.login}, "password": {kmstest.EstatePassword}},
			{"login": {theirs.email}, "password": {kmstest.EstatePassword}},
			{"token": {theirs.Token}},
			{"token": {theirs.clientSecret}},
			{"token": {theirs.sessionText}},
		} {
			form.Set("form_token", b.FormToken(t, path))
			got := b.Post(t, path, form)
			assert.Equal(t, http.StatusForbidden, got.Status, "%s", got.Body)
		}
		for _, cookie := range b.Cookies(t) {
			assert.NotContains(t, cookie.Name, "__Host-cu-kms-", "no session began")
		}
		for _, token := range []string{
			kmstest.Retenant(theirs.Token, theirs.Tenant, ours.Tenant), kmstest.Retenant(theirs.Token, theirs.apiToken, ours.apiToken), kmstest.Retenant(ours.Token, ours.Tenant, theirs.Tenant),
		} {
			s.Call(t, token, http.MethodGet, "self", nil).Refused(t, http.StatusUnauthorized, "unauthenticated", "a token with another tenant or id in its text")
		}
	})
}
