package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

func TestAnswer_ErrorsOfHandlers(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for how, want := range map[string]struct {
		status       int
		code, detail string
	}{
		"uncoded":    {500, "internal_error", ""},
		"unlisted":   {500, "internal_error", ""},
		"teapot":     {418, "teapot", "no coffee"},
		"conflict":   {409, "conflict", "it is there"},
		"panic":      {500, "internal_error", ""},
		"unreadable": {400, "bad_request", "the request's parameters or body could not be read"},
		"coded":      {413, "payload_too_large", "at most a little"},
	} {
		a := f.service("reader", "GET", "/act/"+how)
		p := a.problem(t)
		assert.Equal(t, want.status, p.Status, how)
		assert.Equal(t, want.code, p.Code, how)
		assert.Equal(t, want.detail, p.Detail, how)
		assert.NotContains(t, a.body, "canary", how)
		assert.Empty(t, a.Header.Get("ETag"), how)
		assert.Equal(t, "no-store", a.Header.Get("Cache-Control"), how)
	}
	for _, canary := range []string{"canary-internal: connection refused", "brew: teapot: no coffee: canary-internal", "canary-panic", "canary-internal: parameter"} {
		assert.Contains(t, f.log.String(), canary)
	}
	panics := f.log.lines(t, "panic in a request")
	require.Len(t, panics, 1)
	assert.Contains(t, panics[0]["stack"], "handlers_test.go")
	assert.NotEmpty(t, panics[0]["request_id"])
}

func TestAnswer_WhatTheDecoderRefuses(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	a := f.service("reader", "PUT", "/act/mistyped", `body:{"a":{"b":"canary"}}`)
	p := a.problem(t)
	assert.Equal(t, "validation_failed", p.Code)
	require.Len(t, p.Errors, 1)
	assert.Equal(t, "/a/b", p.Errors[0].Pointer)
	assert.Equal(t, "must be an integer", p.Errors[0].Detail)
	assert.NotContains(t, a.body, "canary")
	for body, want := range map[string]string{
		`"canary"`: " must be an object", `{"text":1}`: "/text must be a string", `{"flag":1}`: "/flag must be a boolean", `{"number":"1"}`: "/number must be a number",
		`{"list":1}`: "/list must be an array", `{"map":1}`: "/map must be an object", `{"odd":1}`: "/odd is not valid",
	} {
		p = f.service("reader", "PUT", "/act/mistyped", "Content-Type", "application/octet-stream", "body:"+body).problem(t)
		assert.Equal(t, "validation_failed", p.Code)
		assert.Equal(t, want, p.Errors[0].Pointer+" "+p.Errors[0].Detail)
	}
}

func TestAnswer_CutOffWhenItHadBegun(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, how := range []string{"panic-late", "late-error", "abort"} {
		for _, http2 := range []bool{true, false} {
			_, err := do(f.newClient(http2), f.request("GET", f.PublicURL()+"/service/api/v1/act/"+how, "Authorization", "Bearer reader"))
			require.Error(t, err, how)
		}
	}
	assert.Contains(t, f.log.String(), "error after the answer had begun")
	assert.NotContains(t, f.log.lines(t, "panic in a request"), "net/http: abort Handler")
}

func TestAnswer_WithoutAWord(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	assert.Equal(t, http.StatusOK, f.service("reader", "GET", "/act/nothing").StatusCode)
	assert.Equal(t, http.StatusAccepted, f.service("reader", "GET", "/act/hint").StatusCode)
	lines := f.log.lines(t, "request")
	require.Len(t, lines, 2)
	assert.EqualValues(t, 200, lines[0]["status"])
	assert.EqualValues(t, 202, lines[1]["status"])
}

func TestAnswer_OutsideThePipeline(t *testing.T) {
	t.Parallel()
	f, config, deps := prepare(t)
	_, err := server.New(config, deps)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	f.onError.Response(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), problem.New(problem.InsufficientScope, "d"))
	assert.Equal(t, http.StatusForbidden, w.Code)
	assert.Equal(t, `Bearer realm="cryptoutil", error="insufficient_scope"`, w.Header().Get("WWW-Authenticate"))
}

func TestPrincipal_InContexts(t *testing.T) {
	t.Parallel()
	_, known := server.PrincipalFrom(t.Context())
	assert.False(t, known)
	assert.Empty(t, server.RequestIDFrom(t.Context()))
	type key struct{}
	ctx := server.WithPrincipal(context.WithValue(t.Context(), key{}, "kept"), principals["reader"])
	p, known := server.PrincipalFrom(ctx)
	require.True(t, known)
	assert.Same(t, principals["reader"], p)
	assert.True(t, p.HasScope("t:read"))
	assert.False(t, p.HasScope("t:write"))
	assert.Equal(t, "kept", ctx.Value(key{}))
	_, known = server.PrincipalFrom(server.WithPrincipal(t.Context(), nil))
	assert.False(t, known)
}
