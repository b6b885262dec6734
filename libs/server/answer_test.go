package server_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	assert.Contains(t, panics[0]["stack"], "fixture_test.go")
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
	a = f.service("reader", "PUT", "/act/mistyped", `body:"canary"`)
	assert.Equal(t, "validation_failed", a.problem(t).Code)
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
