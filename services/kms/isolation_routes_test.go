package kms_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

// probe is a request with somebody else's identifiers and how it is refused.
type probe struct {
	path string
	body any
	code string // "" where it succeeds and shows nothing
}

const notFound = "not_found"

// byID are probes of one object under each of its names.
func byID(collection, verb string, body any, refs ...string) (all []probe) {
	for _, ref := range refs {
		if ref != "" {
			all = append(all, probe{collection + "/" + ref + verb, body, notFound})
		}
	}
	return all
}

// lists are probes of a list: as it is, with the cursor of another's list, and with filters that only another's things fit.
func (e estate) lists(path string, filters ...string) []probe {
	all := []probe{{path, nil, ""}, {path + "?limit=1000", nil, ""}, {query(path, "limit", "1", "cursor", e.cursors[path]), nil, "invalid_cursor"}}
	for i := 0; i+1 < len(filters); i += 2 {
		all = append(all, probe{query(path, filters[i], filters[i+1]), nil, ""})
	}
	return all
}

// landlord are probes of tenants, which are administered from the default tenant alone: whatever exists, that is the answer.
func landlord(path string, body any) []probe { return []probe{{path, body, "forbidden"}} }

// probes say, for each operation of the platform's documents, how a stranger tries to reach the estate.
var probes = map[string]func(e, own estate) []probe{
	"getSelf":    func(_, _ estate) []probe { return []probe{{"self", nil, ""}} },
	"createUser": func(_, _ estate) []probe { return nil }, // the names that others have are free: see the end of the test
	"listUsers":  func(e, _ estate) []probe { return e.lists("users", "login", e.login, "login", e.email) },
	"getUser":    func(e, _ estate) []probe { return byID("users", "", nil, e.user) },
	"updateUser": func(e, _ estate) []probe { return byID("users", "", map[string]any{"disabled": true}, e.user) },
	"deleteUser": func(e, _ estate) []probe { return byID("users", "", nil, e.user) },
	"setUserPassword": func(e, _ estate) []probe {
		return byID("users", "/set-password", map[string]any{"password": estatePassword + "!"}, e.user)
	},
	"revokeUserSessions": func(e, _ estate) []probe { return byID("users", "/revoke-sessions", nil, e.user) },
	"createClient":       func(_, _ estate) []probe { return nil },
	"listClients":        func(e, _ estate) []probe { return e.lists("clients", "name", e.clientName+"x") },
	"getClient":          func(e, _ estate) []probe { return byID("clients", "", nil, e.client, e.clientName) },
	"updateClient": func(e, _ estate) []probe {
		return byID("clients", "", map[string]any{"disabled": true}, e.client, e.clientName)
	},
	"deleteClient":       func(e, _ estate) []probe { return byID("clients", "", nil, e.client, e.clientName) },
	"rotateClientSecret": func(e, _ estate) []probe { return byID("clients", "/rotate-secret", nil, e.client, e.clientName) },
	"createApiToken": func(e, _ estate) []probe {
		return []probe{{"api-tokens", map[string]any{"name": "x", "scopes": []string{}, "owner": e.user}, notFound}}
	},
	"listApiTokens":  func(e, _ estate) []probe { return e.lists("api-tokens", "owner", e.user) },
	"getApiToken":    func(e, _ estate) []probe { return byID("api-tokens", "", nil, e.apiToken) },
	"updateApiToken": func(e, _ estate) []probe { return byID("api-tokens", "", map[string]any{"disabled": true}, e.apiToken) },
	"deleteApiToken": func(e, _ estate) []probe { return byID("api-tokens", "", nil, e.apiToken) },
	"createRole":     func(_, _ estate) []probe { return nil },
	"listRoles":      func(e, _ estate) []probe { return e.lists("roles") },
	"getRole":        func(e, _ estate) []probe { return byID("roles", "", nil, e.role, e.roleName) },
	"updateRole": func(e, _ estate) []probe {
		return byID("roles", "", map[string]any{"description": "x"}, e.role, e.roleName)
	},
	"deleteRole": func(e, _ estate) []probe { return byID("roles", "", nil, e.role, e.roleName) },
	"createRoleBinding": func(e, own estate) []probe {
		bind := func(role, kind, id string) probe {
			return probe{"role-bindings", map[string]any{"role": role, "subject_kind": kind, "subject_id": id}, notFound}
		}
		return []probe{
			bind("admin", "user", e.user), bind("admin", "client", e.client), bind("admin", "api_token", e.apiToken), bind(e.role, "client", own.client),
			bind(e.roleName, "client", own.client), bind(own.role, "user", e.user),
		}
	},
	"listRoleBindings": func(e, _ estate) []probe {
		of := func(role string) probe { return probe{query("role-bindings", "role", role), nil, notFound} }
		return append(e.lists("role-bindings", "subject", e.client), of(e.role), of(e.roleName))
	},
	"getRoleBinding":    func(e, _ estate) []probe { return byID("role-bindings", "", nil, e.binding) },
	"deleteRoleBinding": func(e, _ estate) []probe { return byID("role-bindings", "", nil, e.binding) },
	"createGrant": func(e, _ estate) []probe {
		give := func(kind, id string) probe { return probe{"grants", grantOn(e.secretID, kind, id), notFound} }
		return []probe{give("user", e.user), give("client", e.client), give("api_token", e.apiToken), give("role", e.role), give("role", e.roleName)}
	},
	"listGrants":  func(e, _ estate) []probe { return e.lists("grants", "subject", e.client) },
	"getGrant":    func(e, _ estate) []probe { return byID("grants", "", nil, e.grant) },
	"deleteGrant": func(e, _ estate) []probe { return byID("grants", "", nil, e.grant) },
	"createTenant": func(e, _ estate) []probe {
		return append(landlord("tenants", map[string]any{"id": e.tenant}), landlord("tenants", map[string]any{"id": "another-one"})...)
	},
	"listTenants":           func(_, _ estate) []probe { return landlord("tenants", nil) },
	"getTenant":             func(e, _ estate) []probe { return landlord("tenants/"+e.tenant, nil) },
	"updateTenant":          func(e, _ estate) []probe { return landlord("tenants/"+e.tenant, map[string]any{"name": "x"}) },
	"deleteTenant":          func(e, _ estate) []probe { return landlord("tenants/"+e.tenant, nil) },
	"suspendTenant":         func(e, _ estate) []probe { return landlord("tenants/"+e.tenant+"/suspend", nil) },
	"resumeTenant":          func(e, _ estate) []probe { return landlord("tenants/"+e.tenant+"/resume", nil) },
	"restoreTenant":         func(e, _ estate) []probe { return landlord("tenants/"+e.tenant+"/restore", nil) },
	"listSessions":          func(e, _ estate) []probe { return e.lists("sessions", "principal", e.user, "principal", e.apiToken) },
	"deleteSession":         func(e, _ estate) []probe { return byID("sessions", "", nil, e.session) },
	"beginSession":          func(_, _ estate) []probe { return nil }, // it names nothing; see the credentials below
	"endCurrentSession":     func(_, _ estate) []probe { return []probe{{"sessions/current", nil, notFound}} },
	"listAuditEvents":       func(e, _ estate) []probe { return e.events() },
	"exportAudit":           func(_, _ estate) []probe { return []probe{{"audit/export", nil, ""}} },
	"getAuditCheckpointKey": func(_, _ estate) []probe { return []probe{{"audit/checkpoint-key", nil, ""}} },
}

func (e estate) events() []probe {
	all := []probe{{"audit/events?limit=1000", nil, ""}}
	for _, id := range []string{e.user, e.client, e.apiToken} {
		all = append(all, probe{query("audit/events", "actor", id), nil, ""}, probe{query("audit/events", "object", id), nil, ""})
	}
	return append(all, probe{query("audit/events", "object", e.secretID), nil, ""})
}

func grantOn(resource, kind, id string) map[string]any {
	return map[string]any{"subject_kind": kind, "subject_id": id, "resource_kind": "elastic-key", "resource": resource, "scopes": []string{"kms:read", "kms:decrypt"}}
}

// absent is an estate of which nothing exists.
func absent(like estate) estate {
	e := estate{holding: nobody(like.holding), login: "nobodys-login", email: "nobody@example.org", clientName: "nobodys-client", roleName: "nobodys-role"}
	for _, id := range []*string{&e.user, &e.client, &e.apiToken, &e.role, &e.binding, &e.grant, &e.session} {
		*id = uuid.Must(uuid.NewV7()).String()
	}
	e.cursors = map[string]string{}
	for list := range like.cursors {
		e.cursors[list] = e.keysCursor
	}
	return e
}

// twoEstates starts a service with two tenants that have everything.
func twoEstates(t *testing.T, engine string) (s *service, ours, theirs estate) {
	t.Helper()
	cfg, files := prepare(t, engine)
	certificates := landlords(t, &cfg, "stranger", "victim")
	s = &service{cfg: cfg, files: files}
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

// operationOf is what a route of a document does.
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
			{"login": {theirs.login}, "password": {estatePassword}}, {"login": {theirs.email}, "password": {estatePassword}}, {"token": {theirs.token}},
			{"token": {theirs.clientSecret}}, {"token": {theirs.sessionText}},
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
