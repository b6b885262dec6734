package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

func TestBrowser_SessionsOnTheAPI(t *testing.T) {
	t.Parallel()
	f := start(t, withProtocols())
	a := f.browser("p", "GET", "/browser/api/v1/things")
	assert.Contains(t, a.body, `"handler":"list"`)
	assert.Equal(t, "person", f.seen[0].ID)
	assert.Equal(t, "insufficient_scope", f.browser("p", "POST", "/browser/api/v1/things", `body:{"name":"x"}`).problem(t).Code)
	assert.Equal(t, "session_required", f.browser("stale", "GET", "/browser/api/v1/things").problem(t).Code)
	assert.Equal(t, "wrong_client_type", f.browser("p", "GET", "/service/api/v1/things").problem(t).Code)
	assert.Equal(t, "internal_error", f.browser("nobody", "GET", "/browser/api/v1/things").problem(t).Code)
	a = f.browser("p", "GET", "/browser/api/v1/things", "Authorization", "Bearer reader")
	assert.Equal(t, "wrong_client_type", a.problem(t).Code)
	assert.Zero(t, f.realm.calls)
}

func TestBrowser_CrossSiteRequests(t *testing.T) {
	t.Parallel()
	f := start(t, withProtocols(
		server.Protocol{Method: "POST", Path: "/browser/login", Client: server.ClientBrowser, Anonymous: true},
		server.Protocol{Method: "POST", Path: "/authorize", Client: server.ClientBrowser, Anonymous: true, CrossSite: true},
		server.Protocol{Method: "POST", Path: "/either", Client: server.ClientEither},
	))
	own := f.PublicURL()
	const evil = "https://evil.example"
	for _, c := range []struct {
		path    string
		headers []string
		want    string
	}{
		{"/browser/login", nil, ""},
		{"/browser/login", []string{"Sec-Fetch-Site", "same-origin"}, ""},
		{"/browser/login", []string{"Sec-Fetch-Site", "none"}, ""},
		{"/browser/login", []string{"Origin", own}, ""},
		{"/browser/login", []string{"Origin", strings.Replace(own, "https:", "http:", 1)}, "csrf_failed"}, // anybody on the way can write such a page
		{"/browser/login", []string{"Sec-Fetch-Site", "cross-site"}, "csrf_failed"},
		{"/browser/login", []string{"Sec-Fetch-Site", "same-site"}, "csrf_failed"},
		{"/browser/login", []string{"Origin", evil}, "csrf_failed"},
		{"/browser/login", []string{"Origin", "null"}, "csrf_failed"},
		{"/browser/login", []string{"Sec-Fetch-Site", "cross-site", "Origin", evil}, "csrf_failed"},
		{"/authorize", []string{"Sec-Fetch-Site", "cross-site", "Origin", evil}, ""},
		{"/browser/api/v1/act/nothing", []string{"Cookie", sessionOf + "p", "Sec-Fetch-Site", "cross-site"}, "csrf_failed"},
		{"/browser/api/v1/act/nothing", []string{"Cookie", sessionOf + "p", "Sec-Fetch-Site", "same-origin"}, ""},
		{"/either", []string{"Cookie", sessionOf + "p", "Origin", evil}, "csrf_failed"},
		{"/either", []string{"Authorization", "Bearer reader", "Origin", evil}, ""},
		{"/service/api/v1/act/nothing", []string{"Authorization", "Bearer reader", "Origin", evil, "Sec-Fetch-Site", "cross-site"}, ""},
		{"/service/api/v1/act/nothing", []string{"Authorization", "Basic cmVhZGVyOng=", "Sec-Fetch-Site", "cross-site"}, "csrf_failed"}, // browsers add it
		{"/service/api/v1/act/nothing", []string{"Authorization", "Basic cmVhZGVyOng=", "Origin", evil}, "csrf_failed"},
	} {
		a := f.send(f.request("POST", own+c.path, c.headers...))
		got := ""
		if a.StatusCode != http.StatusOK {
			got = a.problem(t).Code
		}
		assert.Equal(t, c.want, got, "%s %v", c.path, c.headers)
	}
	assert.Equal(t, http.StatusOK, f.browser("p", "GET", "/browser/api/v1/things", "Sec-Fetch-Site", "cross-site").StatusCode, "reading changes nothing")
}

func TestProtocols_Preflights(t *testing.T) {
	t.Parallel()
	const console = "https://console.example"
	f := start(t, func(c *server.Config, d *server.Deps) {
		withProtocols(
			server.Protocol{Method: "POST", Path: "/oauth2/token", Client: server.ClientEither, Anonymous: true, CrossSite: true},
			server.Protocol{Method: "POST", Path: "/programs", Client: server.ClientService, Anonymous: true},
			server.Protocol{Method: "GET", Path: "/keys", Client: server.ClientEither, Anonymous: true, Light: true},
		)(c, d)
		c.CORS.Origins = []string{console}
	})
	ask := func(path, origin, method string) answer {
		return f.send(f.request("OPTIONS", f.PublicURL()+path, "Origin", origin, "Access-Control-Request-Method", method))
	}
	assert.Equal(t, http.StatusNoContent, ask("/oauth2/token", console, "POST").StatusCode)
	assert.Equal(t, http.StatusNoContent, ask("/keys", console, "GET").StatusCode)
	for _, a := range []answer{
		ask("/oauth2/token", "https://evil.example", "POST"), ask("/oauth2/token", console, "PUT"), ask("/programs", console, "POST"), ask("/keys", "https://evil.example", "GET"),
	} {
		assert.Equal(t, "method_not_allowed", a.problem(t).Code, "no handler sees a preflight")
		assert.Empty(t, a.Header.Get("Access-Control-Allow-Methods"))
	}
	assert.Equal(t, "not_found", ask("/nowhere", console, "POST").problem(t).Code)
}

func TestBrowser_PagesOfOtherOrigins(t *testing.T) {
	t.Parallel()
	const console, evil = "https://console.example:8443", "https://evil.example"
	f := start(t, func(c *server.Config, d *server.Deps) {
		withProtocols()(c, d)
		c.CORS.Origins = []string{console}
	})
	const path = "/browser/api/v1/things"
	a := f.browser("p", "GET", path, "Origin", console)
	assert.Equal(t, console, a.Header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "true", a.Header.Get("Access-Control-Allow-Credentials"))
	assert.Contains(t, a.Header.Get("Access-Control-Expose-Headers"), "ETag")
	assert.Equal(t, []string{"Cookie", "Origin"}, a.Header.Values("Vary"))
	assert.Contains(t, a.body, "list")
	a = f.browser("p", "POST", "/browser/api/v1/act/nothing", "Origin", console, "Sec-Fetch-Site", "same-site")
	assert.Equal(t, http.StatusOK, a.StatusCode, "an allowed origin may also change things")

	for _, origin := range []string{evil, "null", "https://console.example", "http://console.example:8443", console + ".evil.example", "https://CONSOLE.example:8443"} {
		a = f.browser("p", "GET", path, "Origin", origin)
		assert.Empty(t, a.Header.Get("Access-Control-Allow-Origin"), origin)
		assert.Contains(t, a.Header.Values("Vary"), "Origin")
		assert.Equal(t, "csrf_failed", f.browser("p", "POST", "/browser/api/v1/act/nothing", "Origin", origin).problem(t).Code)
		a = f.send(f.request("OPTIONS", f.PublicURL()+path, "Origin", origin, "Access-Control-Request-Method", "POST"))
		assert.NotEqual(t, http.StatusNoContent, a.StatusCode)
		assert.Empty(t, a.Header.Get("Access-Control-Allow-Methods"))
	}
	a = f.send(f.request("OPTIONS", f.PublicURL()+path, "Origin", console, "Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "if-match"))
	assert.Equal(t, http.StatusNoContent, a.StatusCode)
	assert.Contains(t, a.Header.Get("Access-Control-Allow-Methods"), "PATCH")
	assert.Contains(t, a.Header.Get("Access-Control-Allow-Headers"), "If-Match")
	assert.Empty(t, f.service("reader", "GET", "/things", "Origin", console).Header.Get("Access-Control-Allow-Origin"), "programs have no pages")
	a = f.browser("stale", "GET", path, "Origin", console)
	assert.Equal(t, console, a.Header.Get("Access-Control-Allow-Origin"), "a page must be able to read why it was refused")
}
