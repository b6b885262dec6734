package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
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

// orderly is a server on which every stage has something to object to.
func orderly(t *testing.T) (*fixture, server.Config, *clock) {
	t.Helper()
	f, config, deps := prepare(t)
	now := newClock()
	proxied(&config)
	config.Limits.MaxInFlight = 1
	config.Access.Allow = []string{"192.0.2.0/24"}
	config.Rates = server.Rates{
		PerAddress: server.Rate{Limit: 60, Per: time.Minute, Burst: 100}, PerClient: server.Rate{Limit: 60, Per: time.Minute, Burst: 3},
		PerUser: server.Rate{Limit: 60, Per: time.Minute, Burst: 3},
	}
	deps.Product, deps.Platform, deps.Now = "t", []server.API{f.platform()}, now.Now
	deps.Sessions = sessions{
		"idle": {Tenant: "other", Kind: server.KindUser, ID: "o", SessionID: "s"},
		"p":    {Tenant: "acme", Kind: server.KindUser, ID: "p", SessionID: "s"},
		"boss": {Tenant: "acme", Kind: server.KindUser, ID: "boss", SessionID: "s", Scopes: []string{"t:admin", "t:write"}},
		"here": {Tenant: "acme", Kind: server.KindUser, ID: "here", SessionID: "s", Scopes: []string{"t:admin"}, AuthenticatedAt: now.Now()},
	}
	deps.Tenants = tenants{"acme": "", "other": problem.TenantSuspended}
	f.begin(config, deps)

	return f, config, now
}

// exhaust uses up what an address or a caller has.
func (f *fixture) exhaust(path string, headers ...string) {
	f.t.Helper()
	for range 200 {
		if f.send(f.request("GET", f.PublicURL()+path, headers...)).StatusCode == http.StatusTooManyRequests {
			return
		}
	}
	f.t.Fatal("no limit")
}

// expectBeforeAuthentication repairs what the stages object to that come before anybody is authenticated.
func (f *fixture) expectBeforeAuthentication(q *faulty, now *clock) {
	f.t.Helper()
	f.exhaust("/elsewhere", "X-Forwarded-For", "192.0.2.1")
	blocked := make(chan answer)
	go func() {
		blocked <- f.send(f.request("GET", f.PublicURL()+"/service/api/v1/act/block", "X-Forwarded-For", "192.0.2.9", "Authorization", "Bearer reader"))
	}()
	<-f.entered
	require.NoError(f.t, f.seal.Seal(f.t.Context()))
	a := f.expect(q, http.StatusServiceUnavailable, "overloaded")
	assert.Equal(f.t, "1", a.Header.Get("Retry-After"))
	close(f.release)
	require.Equal(f.t, "released", (<-blocked).body)

	f.expect(q, http.StatusRequestHeaderFieldsTooLarge, "headers_too_large")
	delete(q.headers, "X-Large")
	f.expect(q, http.StatusForbidden, "ip_not_allowed")
	q.headers["X-Forwarded-For"] = "192.0.2.1"
	f.expect(q, http.StatusTooManyRequests, "rate_limited")
	now.advance(time.Hour)
	a = f.expect(q, http.StatusServiceUnavailable, "sealed")
	assert.Equal(f.t, "30", a.Header.Get("Retry-After"))
	assert.Empty(f.t, a.Header.Get("Cache-Control"), "the prefix's headers come later")
	f.seal.open()
}

func TestPipeline_OrderOnService(t *testing.T) {
	t.Parallel()
	f, config, now := orderly(t)
	q := &faulty{
		headers: map[string]string{
			"X-Large": strings.Repeat("x", 32<<10), "X-Forwarded-For": "198.51.100.1", "Cookie": "a=b; __Host-cu-things-acme=1", "Content-Type": "text/plain",
			"Idempotency-Key": "ü",
		},
		method: "LINK", path: "/service/api/v1/nowhere?limit=0&other=1", body: `{"name":1,"name":2}`,
	}
	f.expectBeforeAuthentication(q, now)

	a := f.expect(q, http.StatusForbidden, "wrong_client_type")
	assert.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	assert.Equal(t, 1, f.realm.calls, "only the blocked request was the realm's")
	q.headers["Authorization"] = "Bearer wrong"
	a = f.expect(q, http.StatusUnauthorized, "unauthenticated")
	assert.Equal(t, []string{`Bearer realm="cryptoutil", error="invalid_token"`, `Basic realm="cryptoutil", charset="UTF-8"`}, a.Header.Values("WWW-Authenticate"))
	q.headers["Authorization"] = "Bearer other"
	f.expect(q, http.StatusForbidden, "tenant_suspended")
	f.exhaust("/service/api/v1/things", "X-Forwarded-For", "192.0.2.9", "Authorization", "Bearer reader")
	q.headers["Authorization"] = "Bearer reader"
	f.expect(q, http.StatusTooManyRequests, "rate_limited")
	now.advance(time.Hour)
	calls := f.calls()
	f.expect(q, http.StatusNotFound, "not_found")
	q.path = "/service/api/v1/things?limit=0&other=1"
	a = f.expect(q, http.StatusMethodNotAllowed, "method_not_allowed")
	assert.Equal(t, "GET, POST", a.Header.Get("Allow"))
	q.method = "POST"
	a = f.expect(q, http.StatusForbidden, "insufficient_scope")
	assert.Equal(t, `Bearer realm="cryptoutil", error="insufficient_scope", scope="t:write"`, a.Header.Get("WWW-Authenticate"))
	assert.Equal(t, "the operation needs t:write or t:admin", a.problem(t).Detail)

	config.Rates = server.Rates{}
	require.NoError(t, f.Reload(config))
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
	assert.Equal(t, calls, f.calls(), "none of these reached a handler")
	a = f.sendFaulty(q)
	assert.Equal(t, http.StatusCreated, a.StatusCode)
	assert.Equal(t, calls+1, f.calls())
}

func TestPipeline_OrderOnBrowser(t *testing.T) {
	t.Parallel()
	f, config, now := orderly(t)
	q := &faulty{
		headers: map[string]string{
			"X-Large": strings.Repeat("x", 32<<10), "X-Forwarded-For": "198.51.100.1", "Authorization": "Bearer writer", "Sec-Fetch-Site": "cross-site",
		},
		method: "LINK", path: "/browser/api/v1/nowhere", body: `{"name":1,"name":2}`,
	}
	f.expectBeforeAuthentication(q, now)

	a := f.expect(q, http.StatusForbidden, "csrf_failed")
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Strict-Transport-Security": "max-age=31536000",
		"Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		assert.Equal(t, want, a.Header.Get(name))
	}
	q.headers["Sec-Fetch-Site"] = "same-origin"
	f.expect(q, http.StatusForbidden, "wrong_client_type")
	delete(q.headers, "Authorization")
	a = f.expect(q, http.StatusUnauthorized, "session_required")
	assert.Equal(t, `Session realm="cryptoutil"`, a.Header.Get("WWW-Authenticate"))
	q.headers["Cookie"] = sessionOf + "stale"
	f.expect(q, http.StatusUnauthorized, "session_required")
	q.headers["Cookie"] = sessionOf + "idle"
	f.expect(q, http.StatusForbidden, "tenant_suspended")
	f.exhaust("/browser/api/v1/nowhere", "X-Forwarded-For", "192.0.2.9", "Cookie", sessionOf+"p")
	q.headers["Cookie"] = sessionOf + "p"
	f.expect(q, http.StatusTooManyRequests, "rate_limited")
	config.Rates = server.Rates{}
	require.NoError(t, f.Reload(config))
	f.expect(q, http.StatusNotFound, "not_found")
	q.method, q.path = "GET", "/browser/api/v1/preview?x=1"
	f.expect(q, http.StatusNotFound, "feature_disabled")
	q.method, q.path = "DELETE", "/browser/api/v1/users/u?x=1"
	f.expect(q, http.StatusForbidden, "insufficient_scope")
	q.headers["Cookie"] = sessionOf + "boss"
	f.expect(q, http.StatusUnauthorized, "step_up_required")
	config.StepUp.Person = 3 * time.Hour
	require.NoError(t, f.Reload(config))
	q.headers["Cookie"] = sessionOf + "here"
	f.expect(q, http.StatusBadRequest, "validation_failed")
	q.path = "/browser/api/v1/users/u"
	f.expect(q, http.StatusBadRequest, "bad_request")
	assert.Equal(t, 1, f.calls(), "only the blocked handler ran")
	assert.Equal(t, 1, f.realm.calls, "a browser's request is not the realm's")
	q.body = ""
	assert.Equal(t, http.StatusOK, f.sendFaulty(q).StatusCode)
}
