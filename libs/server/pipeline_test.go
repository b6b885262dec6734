package server_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

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
