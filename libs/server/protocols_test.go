package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// say answers who calls and what was sent.
func say(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		server.Fail(w, r, problem.New(problem.PayloadTooLarge, "too much").Because(err))

		return
	}
	id := "nobody"
	if p, known := server.PrincipalFrom(r.Context()); known {
		id = p.ID
	}
	_, _ = io.WriteString(w, id+" "+server.TenantFrom(r.Context())+" "+string(body))
}

// hidden is a reader whose length is not announced.
type hidden struct{ io.Reader }

func withProtocols(list ...server.Protocol) func(*server.Config, *server.Deps) {
	return func(_ *server.Config, d *server.Deps) {
		for i := range list {
			if list[i].Handler == nil {
				list[i].Handler = http.HandlerFunc(say)
			}
		}
		d.Product, d.Protocols = "t", list
		d.Sessions = sessions{
			"p": {Tenant: "acme", Kind: server.KindUser, ID: "person", Scopes: []string{"t:read"}, SessionID: "s"}, "nobody": {},
		}
	}
}

func TestProtocols_WhoMayPresentWhat(t *testing.T) {
	t.Parallel()
	f := start(t, withProtocols(
		server.Protocol{Method: "POST", Path: "/oauth2/introspect", Client: server.ClientService, Scopes: [][]string{{"$product:read"}}},
		server.Protocol{Method: "GET", Path: "/browser/account", Client: server.ClientBrowser, Tenant: true},
		server.Protocol{Method: "GET", Path: "/browser/login", Client: server.ClientBrowser, Anonymous: true},
		server.Protocol{Method: "GET", Path: "/userinfo", Client: server.ClientEither, Scopes: [][]string{{"$product:read"}}},
	))
	url := f.PublicURL()
	for _, c := range []struct {
		method, path string
		headers      []string
		want         string // a problem's code, or what the handler says
	}{
		{"POST", "/oauth2/introspect", nil, "unauthenticated"},
		{"POST", "/oauth2/introspect", []string{"Cookie", sessionOf + "p"}, "wrong_client_type"},
		{"POST", "/oauth2/introspect", []string{"Authorization", "Bearer scopeless"}, "insufficient_scope"},
		{"POST", "/oauth2/introspect", []string{"Authorization", "Bearer reader"}, "r1 acme "},
		{"GET", "/browser/account", []string{"Authorization", "Bearer reader"}, "wrong_client_type"},
		{"GET", "/browser/account", nil, "session_required"},
		{"GET", "/browser/account", []string{"Cookie", sessionOf + "stale"}, "session_required"},
		{"GET", "/browser/account", []string{"Cookie", sessionOf + "p"}, "not_found"}, // it is the default tenant's
		{"GET", "/t/acme/browser/account", []string{"Cookie", sessionOf + "p"}, "person acme "},
		{"GET", "/t/other/browser/account", []string{"Cookie", sessionOf + "p"}, "not_found"},
		{"GET", "/t/acme/browser/login", nil, "not_found"},
		{"GET", "/browser/login", nil, "nobody default "},
		{"GET", "/browser/login", []string{"Authorization", "Bearer reader"}, "wrong_client_type"},
		{"GET", "/userinfo", nil, "unauthenticated"},
		{"GET", "/userinfo", []string{"Cookie", sessionOf + "p"}, "person acme "},
		{"GET", "/userinfo", []string{"Cookie", sessionOf + "nobody"}, "internal_error"},
		{"GET", "/userinfo", []string{"Authorization", "Bearer reader"}, "r1 acme "},
		{"GET", "/userinfo", []string{"Authorization", "Bearer reader", "Cookie", sessionOf + "p"}, "r1 acme "},
		{"GET", "/userinfo", []string{"Authorization", "Bearer wrong", "Cookie", sessionOf + "p"}, "unauthenticated"},
	} {
		a := f.send(f.request(c.method, url+c.path, c.headers...))
		got := a.body
		if a.StatusCode != http.StatusOK {
			got = a.problem(t).Code
		}
		assert.Equal(t, c.want, got, "%s %s %v", c.method, c.path, c.headers)
	}
	a := f.send(f.request("GET", url+"/browser/login"))
	assert.Contains(t, a.Header.Get("Content-Security-Policy"), "style-src 'self'")
	assert.NotContains(t, a.Header.Get("Content-Security-Policy"), "unsafe")
	assert.Contains(t, a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	assert.Equal(t, "same-origin", a.Header.Get("Cross-Origin-Opener-Policy"))
	assert.Equal(t, "no-store", a.Header.Get("Cache-Control"))
}

func TestProtocols_MethodsAndBodies(t *testing.T) {
	t.Parallel()
	f := start(t, withProtocols(
		server.Protocol{Method: "GET", Path: "/.well-known/keys", Client: server.ClientEither, Anonymous: true, Tenant: true},
		server.Protocol{Method: "POST", Path: "/ocsp", Client: server.ClientService, Anonymous: true, MaxBody: 10},
		server.Protocol{Method: "GET", Path: "/ocsp/{request}", Client: server.ClientService, Anonymous: true},
	))
	url := f.PublicURL()
	a := f.send(f.request("HEAD", url+"/.well-known/keys"))
	assert.Equal(t, http.StatusOK, a.StatusCode)
	assert.Empty(t, a.body)
	a = f.send(f.request("PUT", url+"/t/acme/.well-known/keys"))
	assert.Equal(t, "method_not_allowed", a.problem(t).Code)
	assert.Equal(t, "GET, HEAD", a.Header.Get("Allow"))
	assert.Equal(t, "not_found", f.send(f.request("PUT", url+"/nowhere")).problem(t).Code)
	assert.Equal(t, http.StatusOK, f.send(f.request("GET", url+"/ocsp/a%2Fb")).StatusCode)

	assert.Equal(t, "nobody default 1234567890", f.send(f.request("POST", url+"/ocsp", "body:1234567890")).body)
	assert.Equal(t, "payload_too_large", f.send(f.request("POST", url+"/ocsp", "body:12345678901")).problem(t).Code)
	r := f.request("POST", url+"/ocsp")
	r.Body, r.ContentLength = io.NopCloser(hidden{strings.NewReader(strings.Repeat("x", 11))}), -1
	assert.Equal(t, "payload_too_large", f.send(r).problem(t).Code)
}

func TestProtocols_LightOnesServeWhileSealed(t *testing.T) {
	t.Parallel()
	f := start(t, withProtocols(
		server.Protocol{Method: "GET", Path: "/crl", Client: server.ClientEither, Anonymous: true, Light: true},
		server.Protocol{Method: "GET", Path: "/full", Client: server.ClientEither, Anonymous: true},
	))
	require.NoError(t, f.seal.Seal(t.Context()))
	a := f.send(f.request("GET", f.PublicURL()+"/crl"))
	assert.Equal(t, "nobody default ", a.body)
	assert.NotEmpty(t, a.Header.Get("X-Request-Id"))
	assert.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
	assert.Equal(t, "sealed", f.send(f.request("GET", f.PublicURL()+"/full")).problem(t).Code)
	assert.Len(t, f.log.lines(t, "request"), 1)
}

func TestProtocols_PeopleSeePages(t *testing.T) {
	t.Parallel()
	f := start(t, withProtocols(
		server.Protocol{Method: "POST", Path: "/browser/login", Client: server.ClientBrowser, Anonymous: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			server.Fail(w, r, problem.New(problem.Conflict, "<b>%s</b>", "taken"))
		})},
		server.Protocol{Method: "GET", Path: "/token", Client: server.ClientService},
	))
	const html = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
	a := f.send(f.request("POST", f.PublicURL()+"/browser/login", "Accept", html, "Sec-Fetch-Site", "cross-site"))
	assert.Equal(t, http.StatusForbidden, a.StatusCode)
	assert.Equal(t, "text/html; charset=utf-8", a.Header.Get("Content-Type"))
	assert.Contains(t, a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	assert.Contains(t, a.body, "csrf_failed")
	assert.Contains(t, a.body, a.Header.Get("X-Request-Id"))
	a = f.send(f.request("POST", f.PublicURL()+"/browser/login", "Accept", html))
	assert.Contains(t, a.body, "&lt;b&gt;taken&lt;/b&gt;")
	a = f.send(f.request("GET", f.PublicURL()+"/browser/nowhere", "Accept", html))
	assert.Contains(t, a.body, "session_required")
	assert.Equal(t, "text/html; charset=utf-8", a.Header.Get("Content-Type"))
	for path, code := range map[string]string{
		"/browser/api/v1/things": "session_required", "/browser/api/v1/nowhere": "session_required", "/service/api/v1/things": "unauthenticated", "/token": "unauthenticated",
	} {
		assert.Equal(t, code, f.send(f.request("GET", f.PublicURL()+path, "Accept", html)).problem(t).Code, path)
	}
	assert.Equal(t, "session_required", f.send(f.request("GET", f.PublicURL()+"/browser/nowhere", "Accept", "*/*")).problem(t).Code)
}

func TestProtocols_RefusedAtStart(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(say)
	for want, p := range map[string]server.Protocol{
		"needs a path and a handler":  {Method: "GET", Path: "/x", Client: server.ClientService},
		"needs a path and":            {Method: "GET", Path: "x", Client: server.ClientService, Handler: h},
		"method is unknown":           {Method: "get", Path: "/x", Client: server.ClientService, Handler: h},
		"type of client \"\"":         {Method: "GET", Path: "/x", Handler: h},
		"for the other type":          {Method: "GET", Path: "/browser/x", Client: server.ClientEither, Handler: h},
		"the other type of client":    {Method: "GET", Path: "/service/x", Client: server.ClientBrowser, Handler: h},
		"is the API's":                {Method: "GET", Path: "/service/api/v1/x", Client: server.ClientService, Handler: h},
		"follow from Tenant":          {Method: "GET", Path: "/t/x", Client: server.ClientService, Handler: h},
		"for anybody and needs":       {Method: "GET", Path: "/x", Client: server.ClientService, Handler: h, Anonymous: true, Scopes: [][]string{{"a"}}},
		"light and not for anybody":   {Method: "GET", Path: "/x", Client: server.ClientService, Handler: h, Light: true},
		"param closing delimiter":     {Method: "GET", Path: "/{x", Client: server.ClientService, Handler: h},
		"GET /taken is there twice":   {Method: "GET", Path: "/taken", Client: server.ClientService, Handler: h},
		"GET /t/{tenant}/taken is th": {Method: "GET", Path: "/taken", Client: server.ClientService, Handler: h, Tenant: true},
	} {
		_, config, deps := prepare(t)
		deps.Protocols = []server.Protocol{{Method: "GET", Path: "/taken", Client: server.ClientService, Handler: h, Tenant: true}, p}
		_, err := server.New(config, deps)
		require.ErrorContains(t, err, want)
	}
}
