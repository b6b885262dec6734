package server_test

import (
	"context"
	_ "embed"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

//go:embed testdata/platform.yaml
var platformDocument []byte

// platform is a document that is served beside the service's own.
func (f *fixture) platform() server.API {
	return server.API{Document: platformDocument, Mount: func(r chi.Router, errs server.ErrorHandlers) {
		r.Get("/self", f.echo("self"))
		r.Delete("/users/{user}", f.echo("deleteUser"))
		r.Patch("/users/{user}", f.echo("changeUser"))
		r.Get("/preview", f.echo("preview"))
		_ = errs
	}}
}

// sessions knows a person per value of the session cookie.
type sessions map[string]*server.Principal

func (s sessions) Session(_ context.Context, r *http.Request) (*server.Principal, error) {
	cookie, err := r.Cookie("__Host-cu-things-acme")
	if err != nil || s[cookie.Value] == nil {
		return nil, problem.New(problem.SessionRequired, "log in first")
	}
	if cookie.Value == "nobody" {
		return nil, nil //nolint:nilnil // broken sessions
	}

	return s[cookie.Value], nil
}

const sessionOf = "__Host-cu-things-acme="

// tenants are those that exist, with the code of what is wrong with them.
type tenants map[string]string

func (k tenants) Tenant(_ context.Context, id string) error {
	switch code, known := k[id]; {
	case !known:
		return problem.New(problem.NotFound, "no such tenant")
	case code != "":
		return problem.New(code, "not now")
	default:
		return nil
	}
}

// auditor remembers.
type auditor struct {
	mu   sync.Mutex
	seen []server.Observation
}

func (a *auditor) Observe(_ context.Context, o server.Observation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, o)
}

// last waits for the observation of the latest request, which comes with the end of its handler and not with that of the answer.
func (a *auditor) last(t testing.TB, n int) server.Observation {
	t.Helper()
	require.Eventually(t, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()

		return len(a.seen) >= n
	}, 10*time.Second, time.Millisecond)
	a.mu.Lock()
	defer a.mu.Unlock()
	require.Len(t, a.seen, n, "each request is observed once")

	return a.seen[n-1]
}

// clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// browser calls a path with a session.
func (f *fixture) browser(session, method, path string, more ...string) answer {
	f.t.Helper()

	return f.send(f.request(method, f.PublicURL()+path, append([]string{"Cookie", sessionOf + session}, more...)...))
}

func TestDocuments_StandSideBySide(t *testing.T) {
	t.Parallel()
	var f *fixture
	f, config, deps := prepare(t)
	deps.Product, deps.Platform = "t", []server.API{f.platform()}
	deps.Features = func(name string) bool { return name == "none" }
	f.begin(config, deps)
	assert.Contains(t, f.service("scopeless", "GET", "/self").body, `"handler":"self"`)
	assert.Contains(t, f.service("reader", "GET", "/things").body, `"handler":"list"`)
	a := f.service("writer", "PATCH", "/users/u1", "Content-Type", "application/merge-patch+json", `body:{}`)
	assert.Equal(t, "insufficient_scope", a.problem(t).Code)
	assert.Equal(t, "the operation needs t:admin", a.problem(t).Detail, "$product is the product")
	assert.Equal(t, "precondition_required", f.service("admin", "PATCH", "/users/u1", "Content-Type", "application/merge-patch+json", `body:{}`).problem(t).Code)
	a = f.service("admin", "PATCH", "/users/u1", "Content-Type", "application/merge-patch+json", "If-Match", `"1"`, `body:{"title":"x"}`)
	assert.Equal(t, "unknown_member", a.problem(t).Code)
	a = f.service("admin", "PATCH", "/users/u1", "Content-Type", "application/merge-patch+json", "If-Match", `"1"`, `body:{"name":null}`)
	assert.Equal(t, http.StatusOK, a.StatusCode)

	assert.Equal(t, "unauthenticated", f.service("wrong", "GET", "/preview").problem(t).Code, "a stranger learns nothing of features")
	a = f.service("admin", "GET", "/preview")
	assert.Equal(t, http.StatusNotFound, a.StatusCode)
	assert.Equal(t, "feature_disabled", a.problem(t).Code)
	var patterns []string
	for _, r := range f.Routes() {
		patterns = append(patterns, r.Method+" "+r.Pattern)
	}
	assert.Contains(t, patterns, "PATCH /browser/api/v1/users/{user}")
	assert.Contains(t, patterns, "GET /service/api/v1/things")
	assert.Len(t, patterns, 2*(9+4))
}

func TestDocuments_MayNotOverlap(t *testing.T) {
	t.Parallel()
	const one = "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths:\n  %PATH%:\n    get:\n      operationId: %ID%\n      security: []\n" +
		"      parameters: [{name: x, in: path, required: true, schema: {type: string}}]\n      responses: {default: {description: d}}\n"
	for name, c := range map[string]struct{ path, id, want string }{
		"path":        {"/things/{x}", "another", "stands in two documents"},
		"operationId": {"/more/{x}", "get", "the operationId get names"},
	} {
		_, config, deps := prepare(t)
		document := replace(one, "%PATH%", c.path, "%ID%", c.id)
		deps.Platform = []server.API{{Document: []byte(document), Mount: func(r chi.Router, _ server.ErrorHandlers) {
			r.Get(c.path, func(http.ResponseWriter, *http.Request) {})
		}}}
		_, err := server.New(config, deps)
		require.ErrorContains(t, err, c.want, name)
	}
	f, config, deps := prepare(t)
	deps.Platform = []server.API{f.platform()}
	_, err := server.New(config, deps)
	require.ErrorContains(t, err, `"$product:admin"`, "a product must be named")
	deps.Product, deps.Platform[0].Codes = "t", deps.API.Codes
	_, err = server.New(config, deps)
	require.NoError(t, err, "two documents may use one code for the same")
	deps.Platform[0].Codes = problem.Table{"teapot": {Status: http.StatusConflict, Title: "Other"}}
	_, err = server.New(config, deps)
	require.ErrorContains(t, err, "teapot")
	deps.Platform[0] = server.API{Document: platformDocument}
	_, err = server.New(config, deps)
	require.ErrorContains(t, err, "without handlers")
}

func TestStepUp(t *testing.T) {
	t.Parallel()
	now := newClock()
	people := sessions{"p": {Tenant: "acme", Kind: server.KindUser, ID: "u", SessionID: "s", Scopes: []string{"t:admin"}, AuthenticatedAt: now.Now()}}
	approve := false
	f, config, deps := prepare(t)
	deps.Product, deps.Platform, deps.Sessions, deps.Now = "t", []server.API{f.platform()}, people, now.Now
	var asked []string
	deps.Approved = func(_ context.Context, _ *http.Request, p *server.Principal, operation string) (bool, error) {
		asked = append(asked, p.ID+" "+operation)

		return approve, nil
	}
	f.realm.more = map[string]*server.Principal{
		"bound":   {Tenant: "acme", Kind: server.KindClient, ID: "bound", Scopes: []string{"t:admin"}, Confirmed: true, AuthenticatedAt: now.Now()},
		"unbound": {Tenant: "acme", Kind: server.KindClient, ID: "unbound", Scopes: []string{"t:admin"}, AuthenticatedAt: now.Now()},
		"future":  {Tenant: "acme", Kind: server.KindClient, ID: "future", Scopes: []string{"t:admin"}, Confirmed: true, AuthenticatedAt: now.Now().Add(time.Hour)},
	}
	f.begin(config, deps)
	const user = "/users/u1"
	assert.Equal(t, http.StatusOK, f.service("bound", "DELETE", user).StatusCode)
	assert.Equal(t, http.StatusOK, f.browser("p", "DELETE", "/browser/api/v1"+user).StatusCode)
	for _, who := range []string{"unbound", "admin", "future"} {
		a := f.service(who, "DELETE", user)
		assert.Equal(t, http.StatusUnauthorized, a.StatusCode)
		assert.Equal(t, "step_up_required", a.problem(t).Code)
		assert.Equal(t, `Bearer realm="cryptoutil", error="insufficient_user_authentication", error_description="A more recent authentication is required", max_age="300"`,
			a.Header.Get("WWW-Authenticate"), "RFC 9470 section 3")
	}
	assert.Equal(t, []string{"unbound deleteUser", "a1 deleteUser", "future deleteUser"}, asked)
	now.advance(5 * time.Minute)
	assert.Equal(t, "step_up_required", f.service("bound", "DELETE", user).problem(t).Code)
	assert.Equal(t, http.StatusOK, f.browser("p", "DELETE", "/browser/api/v1"+user).StatusCode)
	now.advance(25 * time.Minute)
	a := f.browser("p", "DELETE", "/browser/api/v1"+user)
	assert.Equal(t, "step_up_required", a.problem(t).Code)
	assert.Contains(t, a.Header.Get("WWW-Authenticate"), `Session realm="cryptoutil"`)
	assert.Contains(t, a.Header.Get("WWW-Authenticate"), `max_age="1800"`)
	assert.Equal(t, http.StatusOK, f.service("bound", "GET", "/self").StatusCode, "other operations want nothing fresh")
	approve = true
	assert.Equal(t, http.StatusOK, f.service("admin", "DELETE", user).StatusCode, "a quorum has approved it")
	assert.Equal(t, "insufficient_scope", f.service("reader", "DELETE", user).problem(t).Code, "an approval is no scope")

	changed := config
	changed.StepUp.Person = 2 * time.Hour
	approve = false
	require.NoError(t, f.Reload(changed))
	assert.Equal(t, http.StatusOK, f.browser("p", "DELETE", "/browser/api/v1"+user).StatusCode)
}

func TestTenants_States(t *testing.T) {
	t.Parallel()
	type bound struct{}
	known := tenants{"acme": "", "other": problem.TenantSuspended, "away": problem.StateUnavailable}
	var mu sync.Mutex
	var seen []string
	f := start(t, func(_ *server.Config, d *server.Deps) {
		d.Tenants = known
		d.Bind = func(ctx context.Context, tenant string) context.Context {
			return context.WithValue(ctx, bound{}, tenant)
		}
		d.Protocols = []server.Protocol{{
			Method: "GET", Path: "/.well-known/keys", Client: server.ClientEither, Tenant: true, Anonymous: true,
			Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				tenant, _ := r.Context().Value(bound{}).(string)
				seen = append(seen, tenant+" "+server.TenantFrom(r.Context())+" "+server.PathPrefix(r.Context()))
			}),
		}}
	})
	assert.Equal(t, http.StatusOK, f.service("reader", "GET", "/things").StatusCode)
	a := f.service("other", "POST", "/things/x/use", `body:{"input":"x"}`)
	assert.Equal(t, http.StatusForbidden, a.StatusCode)
	assert.Equal(t, "tenant_suspended", a.problem(t).Code)
	f.realm.more = map[string]*server.Principal{"gone": {Tenant: "gone", Kind: server.KindClient, ID: "g"}, "away": {Tenant: "away", Kind: server.KindClient, ID: "g"}}
	assert.Equal(t, "unauthenticated", f.service("gone", "GET", "/things").problem(t).Code, "a credential does not outlive its tenant")
	a = f.service("away", "GET", "/things")
	assert.Equal(t, "state_unavailable", a.problem(t).Code)
	assert.Equal(t, "1", a.Header.Get("Retry-After"))

	get := func(path string) answer { return f.send(f.request("GET", f.PublicURL()+path)) }
	assert.Equal(t, http.StatusOK, get("/t/acme/.well-known/keys").StatusCode)
	assert.Equal(t, "not_found", get("/.well-known/keys").problem(t).Code, "the default tenant is not there")
	known["default"] = ""
	assert.Equal(t, http.StatusOK, get("/.well-known/keys").StatusCode)
	for path, code := range map[string]string{
		"/t/none/.well-known/keys": "not_found", "/t/other/.well-known/keys": "tenant_suspended", "/t/ACME/.well-known/keys": "not_found",
		"/t//.well-known/keys": "not_found", "/t/%61cme/.well-known/keys": "not_found", "/t/acme/t/acme/.well-known/keys": "not_found", "/t/acme": "not_found",
		"/t/acme/service/api/v1/things": "not_found",
	} {
		assert.Equal(t, code, get(path).problem(t).Code, path)
	}
	assert.Equal(t, []string{"acme acme /t/acme", "default default "}, seen)
}
