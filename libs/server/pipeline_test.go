package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

// faulty is a request with a fault for every stage. Each test of the order repairs them one after the other and sees the next.
type faulty struct {
	headers map[string]string
	method  string
	path    string
	body    string
}

func (f *fixture) sendFaulty(q *faulty) answer {
	var more []string
	for name, value := range q.headers {
		more = append(more, name, value)
	}

	return f.send(f.request(q.method, f.PublicURL()+q.path, append(more, "body:"+q.body)...))
}

func (f *fixture) expect(q *faulty, status int, code string) answer {
	f.t.Helper()
	a := f.sendFaulty(q)
	require.Equal(f.t, status, a.StatusCode, "%s", a.body)
	require.Equal(f.t, code, a.problem(f.t).Code)

	return a
}

func TestPipeline_OrderOnService(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *server.Config, _ *server.Deps) { c.Limits.MaxInFlight = 1 })
	q := &faulty{
		headers: map[string]string{"X-Large": strings.Repeat("x", 32<<10), "Cookie": "a=b; __Host-cu-things-acme=1", "Content-Type": "text/plain", "Idempotency-Key": "ü"},
		method:  "LINK", path: "/service/api/v1/nowhere?limit=0&other=1", body: `{"name":1,"name":2}`,
	}

	blocked := make(chan answer)
	go func() { blocked <- f.service("reader", "GET", "/act/block") }()
	<-f.entered
	require.NoError(t, f.seal.Seal(t.Context()))
	a := f.expect(q, http.StatusServiceUnavailable, "overloaded")
	assert.Equal(t, "1", a.Header.Get("Retry-After"))
	close(f.release)
	assert.Equal(t, "released", (<-blocked).body)

	f.expect(q, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large")
	delete(q.headers, "X-Large")
	a = f.expect(q, http.StatusServiceUnavailable, "sealed")
	assert.Equal(t, "30", a.Header.Get("Retry-After"))
	assert.Empty(t, a.Header.Get("Cache-Control"), "the prefix's headers come later")
	f.seal.open()

	a = f.expect(q, http.StatusForbidden, "wrong_client_type")
	assert.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	assert.Equal(t, 1, f.realm.calls, "only the blocked request was the realm's")
	q.headers["Authorization"] = "Bearer wrong"
	a = f.expect(q, http.StatusUnauthorized, "unauthenticated")
	assert.Equal(t, []string{`Bearer realm="cryptoutil", error="invalid_token"`, `Basic realm="cryptoutil", charset="UTF-8"`}, a.Header.Values("WWW-Authenticate"))
	q.headers["Authorization"] = "Bearer reader"
	f.expect(q, http.StatusNotFound, "not_found")
	q.path = "/service/api/v1/things?limit=0&other=1"
	a = f.expect(q, http.StatusMethodNotAllowed, "method_not_allowed")
	assert.Equal(t, "GET, POST", a.Header.Get("Allow"))
	q.method = "POST"
	a = f.expect(q, http.StatusForbidden, "insufficient_scope")
	assert.Equal(t, `Bearer realm="cryptoutil", error="insufficient_scope", scope="t:write"`, a.Header.Get("WWW-Authenticate"))
	assert.Equal(t, "the operation needs t:write or t:admin", a.problem(t).Detail)
	q.headers["Authorization"] = "Bearer writer"
	a = f.expect(q, http.StatusBadRequest, "validation_failed")
	assert.Len(t, a.problem(t).Errors, 2, "limit and other are not parameters of this operation")
	q.path = "/service/api/v1/things"
	f.expect(q, http.StatusUnsupportedMediaType, "unsupported_media_type")
	q.headers["Content-Type"] = "application/json"
	f.expect(q, http.StatusBadRequest, "duplicate_member")
	q.body = `{"name":1}`
	f.expect(q, http.StatusBadRequest, "validation_failed")
	q.body = `{"name":"x"}`
	a = f.expect(q, http.StatusBadRequest, "validation_failed")
	assert.Equal(t, "/header/Idempotency-Key", a.problem(t).Errors[0].Pointer)
	q.headers["Idempotency-Key"] = "key"
	assert.Equal(t, 1, f.calls(), "so far only the blocked handler ran")
	a = f.sendFaulty(q)
	assert.Equal(t, http.StatusCreated, a.StatusCode)
	assert.Equal(t, 2, f.calls())
}

func TestPipeline_OrderOnBrowser(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *server.Config, _ *server.Deps) { c.Limits.MaxInFlight = 1 })
	q := &faulty{
		headers: map[string]string{"X-Large": strings.Repeat("x", 32<<10), "Authorization": "Bearer writer"},
		method:  "LINK", path: "/browser/api/v1/nowhere", body: `{"name":1,"name":2}`,
	}
	blocked := make(chan answer)
	go func() { blocked <- f.service("reader", "GET", "/act/block") }()
	<-f.entered
	require.NoError(t, f.seal.Seal(t.Context()))
	f.expect(q, http.StatusServiceUnavailable, "overloaded")
	close(f.release)
	<-blocked
	f.expect(q, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large")
	delete(q.headers, "X-Large")
	f.expect(q, http.StatusServiceUnavailable, "sealed")
	f.seal.open()
	a := f.expect(q, http.StatusForbidden, "wrong_client_type")
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Strict-Transport-Security": "max-age=31536000",
		"Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		assert.Equal(t, want, a.Header.Get(name))
	}
	delete(q.headers, "Authorization")
	a = f.expect(q, http.StatusUnauthorized, "session_required")
	assert.Equal(t, `Session realm="cryptoutil"`, a.Header.Get("WWW-Authenticate"))
	q.headers["Cookie"] = "__Host-cu-things-acme=1"
	f.expect(q, http.StatusUnauthorized, "session_required")
	q.path, q.method = "/browser/api/v1/things", "POST"
	f.expect(q, http.StatusUnauthorized, "session_required")
	assert.Equal(t, 1, f.calls(), "only the blocked handler ran")
	assert.Equal(t, 1, f.realm.calls, "a browser's request is not the realm's")
}

func TestPipeline_ServesWhatIsAllowed(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	a := f.service("reader", "GET", "/things?limit=5")
	assert.Equal(t, http.StatusOK, a.StatusCode)
	assert.JSONEq(t, `{"handler":"list","id":"","body":"","n":1}`, a.body)
	assert.Equal(t, "HTTP/2.0", a.Proto)
	assert.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"))
	assert.Equal(t, principals["reader"], f.seen[0])
	assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, a.Header.Get("X-Request-Id"))
	assert.Equal(t, a.Header.Get("X-Request-Id"), f.ids["list"])

	a = f.service("scopeless", "POST", "/things/t-1/use", `body:{"input":"x"}`)
	assert.JSONEq(t, `{"handler":"use","id":"t-1","body":"{\"input\":\"x\"}","n":2}`, a.body)
	a = f.service("writer", "POST", "/things", "Content-Type", "", `body:{"name":"x"}`)
	assert.Equal(t, http.StatusUnsupportedMediaType, a.StatusCode, "no content type at all")
	a = f.service("writer", "DELETE", "/things/x")
	assert.Equal(t, http.StatusOK, a.StatusCode)
	assert.Equal(t, principals["writer"], f.seen[2])
}

func TestPipeline_AnonymousOperations(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, prefix := range []string{"/service", "/browser"} {
		a := f.send(f.request("GET", f.PublicURL()+prefix+"/api/v1/open"))
		assert.Equal(t, http.StatusOK, a.StatusCode)
		assert.Contains(t, a.body, `"handler":"open"`)
	}
	assert.Nil(t, f.seen[0])
	assert.Zero(t, f.realm.calls)
	a := f.send(f.request("GET", f.PublicURL()+"/browser/api/v1/open", "Authorization", "Bearer writer"))
	assert.Equal(t, "wrong_client_type", a.problem(t).Code)
	a = f.send(f.request("GET", f.PublicURL()+"/service/api/v1/open", "Cookie", "__Host-cu-x=1"))
	assert.Equal(t, http.StatusOK, a.StatusCode)
}

func TestPipeline_WhatIsNotThere(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for path, want := range map[string]string{
		"/":                                 "not_found",
		"/elsewhere":                        "not_found",
		"/servicex/api/v1/things":           "not_found",
		"/service":                          "unauthenticated",
		"/service/":                         "unauthenticated",
		"/service/api/v2/things":            "unauthenticated",
		"/service/api/v1/nowhere":           "unauthenticated",
		"/service/api/v1things":             "unauthenticated",
		"/browser":                          "session_required",
		"/browser/nowhere":                  "session_required",
		"/%73ervice/api/v1/things":          "not_found",
		"/browser/../service/api/v1/things": "session_required",
	} {
		r := f.request("GET", f.PublicURL())
		r.URL.Opaque = "//" + r.URL.Host + path
		assert.Equal(t, want, f.send(r).problem(t).Code, path)
	}
	for path, want := range map[string]string{
		"/service": "not_found", "/service/api/v1": "not_found", "/service/api/v1/": "not_found", "/service/api/v1things": "not_found", "/service/api/v1/things/": "not_found",
		"/service/api/v1//things": "not_found", "/service/api/v1/Things": "not_found", "/service/api/v1/things/a/b": "not_found",
	} {
		assert.Equal(t, want, f.send(f.request("GET", f.PublicURL()+path, "Authorization", "Bearer reader")).problem(t).Code, path)
	}
	for method, allow := range map[string]string{"PUT": "DELETE, GET", "HEAD": "DELETE, GET", "OPTIONS": "DELETE, GET", "PROPFIND": "DELETE, GET"} {
		a := f.service("scopeless", method, "/things/x")
		assert.Equal(t, http.StatusMethodNotAllowed, a.StatusCode)
		assert.Equal(t, allow, a.Header.Get("Allow"))
	}
	assert.Zero(t, f.calls())
	assert.Equal(t, http.StatusNotFound, f.raw("OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").StatusCode)
}

func TestPipeline_OneCredentialOnly(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	a := f.service("reader", "GET", "/things", "Authorization", "Bearer writer")
	assert.Equal(t, "unauthenticated", a.problem(t).Code)
	assert.Zero(t, f.realm.calls)
}

func TestPipeline_PathParametersAreDecodedOnce(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	a := f.service("reader", "GET", "/things/a%2Fb")
	assert.Contains(t, a.body, `"id":"a%2Fb"`, "handlers get the text as it is on the wire, as generated code expects it")
	a = f.service("reader", "GET", "/things/a%252Fb")
	assert.Contains(t, a.body, `"id":"a%252Fb"`)
	a = f.service("reader", "GET", "/things/%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC")
	assert.Equal(t, http.StatusOK, a.StatusCode, "20 characters at most, not bytes")
	a = f.service("reader", "GET", "/things/aaaaaaaaaaaaaaaaaaaaa")
	assert.Equal(t, "/path/id", a.problem(t).Errors[0].Pointer)
}

func TestPipeline_RequestIDsAreOurs(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	const foreign = "01990000-0000-7000-8000-000000000000"
	one := f.service("reader", "GET", "/things", "X-Request-Id", foreign)
	two := f.service("reader", "GET", "/things", "X-Request-Id", foreign)
	assert.NotEqual(t, foreign, one.Header.Get("X-Request-Id"))
	assert.NotEqual(t, one.Header.Get("X-Request-Id"), two.Header.Get("X-Request-Id"))
}

func TestPipeline_ABrokenAuthenticatorLetsNobodyIn(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, token := range []string{"nobody", "broken"} {
		a := f.service(token, "GET", "/things")
		assert.Equal(t, http.StatusInternalServerError, a.StatusCode)
		assert.Equal(t, "internal_error", a.problem(t).Code)
		assert.NotContains(t, a.body, "canary")
	}
	assert.Contains(t, f.log.String(), "canary-internal: the realm's file has gone")
	assert.Zero(t, f.calls())
}
