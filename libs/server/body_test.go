package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dial opens a bare TLS connection that speaks HTTP/1.1.
func (f *fixture) dial() *tls.Conn {
	f.t.Helper()
	address := strings.TrimPrefix(f.PublicURL(), "https://")
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: f.roots, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS13}}).DialContext(f.t.Context(), "tcp", address)
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = conn.Close() })

	return conn.(*tls.Conn)
}

// raw sends bytes and reads one response.
func (f *fixture) raw(text string) answer {
	f.t.Helper()
	conn := f.dial()
	_, err := io.WriteString(conn, text)
	require.NoError(f.t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(f.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)

	return answer{resp, string(body)}
}

func TestBody_WhatIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, c := range []struct{ body, code, pointer string }{
		{`{"name":"x","Name":"y"}`, "unknown_member", "/Name"},
		{`{"name":"x","extra":1}`, "unknown_member", "/extra"},
		{`{"name":"x","na\u006de":"y"}`, "duplicate_member", "/name"},
		{`{"name":"x"}{}`, "trailing_data", ""},
		{`{"name":"x"`, "bad_request", ""},
		{`{"name":"` + "\xff" + `"}`, "bad_request", ""},
		{`{}`, "validation_failed", "/name"},
		{`{"name":"X"}`, "validation_failed", "/name"},
		{`{"name":"x","size":"large"}`, "validation_failed", "/size"},
		{`[]`, "validation_failed", ""},
		{``, "bad_request", ""},
	} {
		a := f.service("writer", "POST", "/things", "body:"+c.body)
		assert.Equal(t, http.StatusBadRequest, a.StatusCode)
		p := a.problem(t)
		assert.Equal(t, c.code, p.Code, c.body)
		if c.pointer != "" {
			require.Len(t, p.Errors, 1, c.body)
			assert.Equal(t, c.pointer, p.Errors[0].Pointer)
		}
	}
	for _, c := range []struct{ body, code string }{
		{`{"input":"x","Input":"y"}`, "unknown_member"},
		{`{"input":"x","input":"y"}`, "duplicate_member"},
		{`{"input":"x"} {}`, "trailing_data"},
		{`{"input":1}`, "validation_failed"},
		{`{}`, "validation_failed"},
	} {
		assert.Equal(t, c.code, f.service("scopeless", "POST", "/things/x/use", "body:"+c.body).problem(t).Code, c.body)
	}
	assert.Zero(t, f.calls())
}

func TestBody_Limits(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	fill := func(size int) string {
		return fmt.Sprintf(`{"input":%q}`, strings.Repeat("x", size-len(`{"input":""}`)))
	}
	assert.Equal(t, http.StatusOK, f.service("reader", "POST", "/things/x/use", "body:"+fill(1024)).StatusCode)
	a := f.service("reader", "POST", "/things/x/use", "body:"+fill(1025))
	assert.Equal(t, http.StatusRequestEntityTooLarge, a.StatusCode)
	assert.Equal(t, "the operation takes a body of at most 1KiB", a.problem(t).Detail)

	// The same without a length that the header announces.
	for size, want := range map[int]int{1024: http.StatusOK, 1025: http.StatusRequestEntityTooLarge, 200000: http.StatusRequestEntityTooLarge} {
		r := f.request("POST", f.PublicURL()+"/service/api/v1/things/x/use", "Authorization", "Bearer reader", "body:"+fill(size))
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(fill(size))), -1
		assert.Equal(t, want, f.send(r).StatusCode)
	}
	large := `{"name":"` + strings.Repeat("x", 90000) + `"}`
	a = f.service("writer", "POST", "/things", "body:"+large)
	assert.Equal(t, http.StatusCreated, a.StatusCode)
	assert.Equal(t, large, f.bodies[len(f.bodies)-1], "the handler reads the whole body")
	assert.Equal(t, "payload_too_large", f.service("writer", "POST", "/things", "body:"+strings.Repeat(" ", 100001)).problem(t).Code)
}

func TestBody_WhereNoneIsExpected(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	assert.Equal(t, "the operation takes no body", f.service("reader", "GET", "/things", "body:{}").problem(t).Detail)
	assert.Equal(t, http.StatusOK, f.service("writer", "DELETE", "/things/x", "body:").StatusCode)
	const head = "DELETE /service/api/v1/things/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer writer\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
	assert.Equal(t, http.StatusOK, f.raw(head+"0\r\n\r\n").StatusCode, "an empty chunked body is none")
	assert.Equal(t, http.StatusBadRequest, f.raw(head+"1\r\nx\r\n0\r\n\r\n").StatusCode)
	a := f.service("writer", "POST", "/things")
	assert.Equal(t, "the operation needs a body", a.problem(t).Detail)
}

func TestBody_OptionalAndBinary(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	assert.Equal(t, http.StatusOK, f.service("reader", "PUT", "/act/nothing").StatusCode)
	assert.Equal(t, http.StatusOK, f.service("reader", "PUT", "/act/nothing", "Content-Type", "application/octet-stream", "body:{").StatusCode)
	assert.Equal(t, "bad_request", f.service("reader", "PUT", "/act/nothing", "body:{").problem(t).Code)
	r := f.request("PUT", f.PublicURL()+"/service/api/v1/act/nothing", "Authorization", "Bearer reader", "Content-Encoding", "gzip", "body:{}")
	assert.Equal(t, "unsupported_media_type", f.send(r).problem(t).Code)
	r = f.request("PUT", f.PublicURL()+"/service/api/v1/act/nothing", "Authorization", "Bearer reader", "Content-Encoding", "identity", "body:{}")
	assert.Equal(t, http.StatusOK, f.send(r).StatusCode)
}

func TestBody_CutShort(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, length := range []string{"Content-Length: 50", "Content-Length: 50000", "Transfer-Encoding: chunked"} {
		conn := f.dial()
		_, err := io.WriteString(conn, "POST /service/api/v1/things HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer writer\r\nContent-Type: application/json\r\n"+
			length+"\r\n\r\n7\r\n{\"name\"\r\n")
		require.NoError(t, err)
		require.NoError(t, conn.CloseWrite())
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, length)
		require.NoError(t, resp.Body.Close())
	}
	assert.Zero(t, f.calls())
}
