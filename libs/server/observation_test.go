package server_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// audited is a server whose handlers say what they are about.
func audited(t *testing.T) (*fixture, *auditor) {
	t.Helper()
	a := &auditor{}
	f := start(t, func(c *server.Config, d *server.Deps) {
		c.Limits.MaxInFlight = 1
		withProtocols(
			server.Protocol{Method: "POST", Path: "/token", Client: server.ClientService, Anonymous: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"error":"invalid_client"}`)
			})},
			server.Protocol{Method: "GET", Path: "/browser/account", Client: server.ClientBrowser, Tenant: true},
			server.Protocol{Method: "GET", Path: "/light", Client: server.ClientEither, Anonymous: true, Light: true},
		)(c, d)
		d.Auditor, d.Tenants = a, tenants{"acme": "", "other": problem.TenantSuspended, "default": ""}
		mount := d.API.Mount
		d.API.Mount = func(r chi.Router, errs server.ErrorHandlers) {
			mount(r, errs)
			r.Delete("/things/{id}", func(w http.ResponseWriter, r *http.Request) {
				server.Annotate(r.Context(), "thing", chi.URLParam(r, "id"), 7)
				server.MarkRecorded(r.Context())
				w.WriteHeader(http.StatusNoContent)
			})
			r.Get("/things/{id}", func(w http.ResponseWriter, r *http.Request) {
				server.AnnotateUses(r.Context(), []server.Use{
					{Operation: "read", Kind: "thing", ID: "a", Version: 1, Outcome: server.OutcomeAllowed, Count: 40},
					{Operation: "read", Kind: "thing", ID: "b", Outcome: server.OutcomeFailed, Code: "conflict", Count: 2},
				})
				if chi.URLParam(r, "id") == "broken" {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			})
			r.Post("/things", func(w http.ResponseWriter, r *http.Request) {
				server.MarkRecorded(r.Context())
				w.WriteHeader(http.StatusCreated)
			})
		}
	})

	return f, a
}

// A request that did several things is observed as these, with their counts; as what it became where it did not succeed.
func TestAudit_EveryUseOfARequestWithItsCount(t *testing.T) {
	t.Parallel()
	f, audit := audited(t)
	f.service("reader", "GET", "/things/x")
	audit.last(t, 2)
	f.service("reader", "GET", "/things/broken")
	audit.last(t, 4)
	var seen [][]any
	for _, o := range audit.seen {
		assert.Equal(t, "acme", o.Tenant)
		assert.Equal(t, "thing", o.ObjectKind)
		seen = append(seen, []any{o.Operation, o.ObjectID, o.ObjectVersion, o.Outcome, o.Code, o.Count})
	}
	assert.Equal(t, [][]any{
		{"read", "a", int64(1), server.OutcomeAllowed, "", int64(40)},
		{"read", "b", int64(0), server.OutcomeFailed, "conflict", int64(2)},
		{"read", "a", int64(1), server.OutcomeFailed, "", int64(40)},
		{"read", "b", int64(0), server.OutcomeFailed, "", int64(2)},
	}, seen)
}

func TestAudit_EveryRequestOnce(t *testing.T) {
	t.Parallel()
	f, audit := audited(t)
	n := 0
	check := func(a answer, operation, outcome, code, tenant, principal string, dataPlane bool) server.Observation {
		t.Helper()
		n++
		o := audit.last(t, n)
		id := ""
		if o.Principal != nil {
			id = o.Principal.ID
		}
		assert.Equal(t, []any{operation, outcome, code, tenant, principal, dataPlane}, []any{o.Operation, o.Outcome, o.Code, o.Tenant, id, o.DataPlane})
		assert.Equal(t, a.Header.Get("X-Request-Id"), o.RequestID)
		assert.Equal(t, "127.0.0.1", o.Address.String())
		assert.False(t, o.Time.IsZero())

		return o
	}
	url := f.PublicURL()
	check(f.service("reader", "GET", "/things"), "list", server.OutcomeAllowed, "", "acme", "r1", true)
	check(f.service("writer", "POST", "/things/x/use", `body:{"input":"x"}`), "use", server.OutcomeAllowed, "", "acme", "w1", true)
	o := check(f.service("writer", "DELETE", "/things/x"), "delete", server.OutcomeAllowed, "", "acme", "w1", false)
	assert.True(t, o.Recorded)
	assert.Equal(t, []any{"thing", "x", int64(7)}, []any{o.ObjectKind, o.ObjectID, o.ObjectVersion})
	check(f.service("wrong", "GET", "/things"), "list", server.OutcomeDenied, "unauthenticated", "", "", true)
	check(f.service("reader", "DELETE", "/things/x"), "delete", server.OutcomeDenied, "insufficient_scope", "acme", "r1", false)
	check(f.service("other", "DELETE", "/things/x"), "delete", server.OutcomeDenied, "tenant_suspended", "other", "w1", false)
	check(f.service("reader", "GET", "/things?limit=0"), "list", server.OutcomeFailed, "validation_failed", "acme", "r1", true)
	check(f.service("reader", "GET", "/act/conflict"), "act", server.OutcomeFailed, "conflict", "acme", "r1", true)
	check(f.service("reader", "GET", "/act/forbidden"), "act", server.OutcomeDenied, "forbidden", "acme", "r1", true)
	check(f.service("reader", "GET", "/act/panic"), "act", server.OutcomeFailed, "internal_error", "acme", "r1", true)
	check(f.service("reader", "GET", "/act/nothing"), "act", server.OutcomeAllowed, "", "acme", "r1", true)
	check(f.service("reader", "GET", "/nowhere"), "GET /service/*", server.OutcomeFailed, "not_found", "acme", "r1", false)
	check(f.send(f.request("GET", url+"/elsewhere")), "GET /*", server.OutcomeFailed, "not_found", "", "", false)
	check(f.send(f.request("POST", url+"/token")), "POST /token", server.OutcomeDenied, "", "", "", false)
	check(f.browser("p", "GET", "/t/acme/browser/account"), "GET /t/{tenant}/browser/account", server.OutcomeAllowed, "", "acme", "person", true)
	check(f.browser("p", "GET", "/browser/account"), "GET /browser/account", server.OutcomeDenied, "not_found", "acme", "person", true)
	require.NoError(t, f.seal.Seal(t.Context()))
	check(f.service("reader", "GET", "/things"), "list", server.OutcomeFailed, "sealed", "", "", true)
	f.send(f.request("GET", url+"/light"))
	f.seal.open()
	check(f.service("reader", "GET", "/things"), "list", server.OutcomeAllowed, "", "acme", "r1", true)

	_, err := do(f.client, f.request("GET", url+"/service/api/v1/act/abort", "Authorization", "Bearer reader"))
	require.Error(t, err)
	n++
	assert.Equal(t, server.OutcomeFailed, audit.last(t, n).Outcome)

	blocked := make(chan answer)
	go func() { blocked <- f.service("reader", "GET", "/act/block") }()
	<-f.entered
	check(f.service("reader", "GET", "/things"), "list", server.OutcomeDenied, "overloaded", "", "", true)
	close(f.release)
	check(<-blocked, "act", server.OutcomeAllowed, "", "acme", "r1", true)
}

func TestAudit_WhatWasUndoneIsNotRecorded(t *testing.T) {
	t.Parallel()
	store := &fakeIdempotency{}
	audit := &auditor{}
	f := start(t, func(_ *server.Config, d *server.Deps) {
		d.Auditor, d.Idempotency = audit, store
		mount := d.API.Mount
		d.API.Mount = func(r chi.Router, errs server.ErrorHandlers) {
			mount(r, errs)
			r.Post("/things", func(w http.ResponseWriter, r *http.Request) {
				server.MarkRecorded(r.Context())
				w.WriteHeader(http.StatusCreated)
			})
		}
	})
	create := func() { f.service("writer", "POST", "/things", "Idempotency-Key", "k", `body:{"name":"x"}`) }
	store.commitErr = errors.New("canary: disk full")
	create()
	o := audit.last(t, 1)
	assert.False(t, o.Recorded, "its transaction was rolled back")
	assert.Equal(t, server.OutcomeFailed, o.Outcome)
	store.commitErr = nil
	create()
	assert.True(t, audit.last(t, 2).Recorded)
	create()
	assert.False(t, audit.last(t, 3).Recorded, "the stored answer was given again; nothing was done")
}

// operators are let in on the admin listener by name.
type operators struct{ calls int }

func (o *operators) Operator(_ context.Context, r *http.Request) (*server.Principal, error) {
	o.calls++
	name, password, _ := r.BasicAuth()
	switch {
	case name == "nobody":
		return nil, nil //nolint:nilnil // a broken authenticator
	case name == "hasty":
		return nil, problem.New(problem.RateLimited, "too many attempts").After(7 * time.Second)
	case password == "right":
		return &server.Principal{Tenant: "default", Kind: server.KindUser, ID: name}, nil
	default:
		return nil, problem.New(problem.Unauthenticated, "not you")
	}
}

func TestAdmin_OperatorsAndRoutesOfTheService(t *testing.T) {
	t.Parallel()
	audit, who := &auditor{}, &operators{}
	f := start(t, func(_ *server.Config, d *server.Deps) {
		d.Auditor, d.AdminAuth = audit, who
		d.AdminRoutes = []server.AdminRoute{
			{Method: "POST", Path: "/tenants/{id}/suspend", Handler: http.HandlerFunc(say)},
			{Method: "GET", Path: "/public-key", Open: true, Handler: http.HandlerFunc(say)},
			{Method: "POST", Path: "/fail", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				server.Fail(w, r, problem.New(problem.Conflict, "it is there"))
			})},
		}
	})
	url := f.AdminURL() + "/admin/v1"
	basic := func(method, path, name, password string) answer {
		r := f.request(method, url+path)
		r.SetBasicAuth(name, password)

		return f.send(r)
	}
	assert.Equal(t, "alice default ", basic("POST", "/tenants/acme/suspend", "alice", "right").body)
	o := audit.last(t, 1)
	assert.Equal(t, []any{"POST /admin/v1/tenants/{id}/suspend", server.OutcomeAllowed, "alice", "default"}, []any{o.Operation, o.Outcome, o.Principal.ID, o.Tenant})
	assert.Equal(t, "unauthenticated", basic("POST", "/tenants/acme/suspend", "alice", "wrong").problem(t).Code)
	assert.Equal(t, server.OutcomeDenied, audit.last(t, 2).Outcome)
	assert.Equal(t, http.StatusOK, f.send(f.request("GET", url+"/public-key")).StatusCode)
	assert.Equal(t, "conflict", f.admin("POST", "/fail").problem(t).Code)
	o = audit.last(t, 3)
	assert.Equal(t, []any{server.OutcomeFailed, server.RealmAdminToken, ""}, []any{o.Outcome, o.Principal.Realm, o.Tenant})
	assert.Equal(t, "unauthenticated", basic("GET", "/status", "nobody", "right").problem(t).Code)
	audit.last(t, 4)
	assert.Equal(t, http.StatusOK, basic("GET", "/status", "alice", "right").StatusCode)
	audit.last(t, 4)
	assert.Equal(t, "method_not_allowed", f.admin("DELETE", "/tenants/acme/suspend").problem(t).Code)
	audit.last(t, 5)

	calls := who.calls
	assert.Equal(t, http.StatusOK, f.admin("GET", "/status").StatusCode)
	assert.Equal(t, calls, who.calls, "the holder of the token is nobody else")
	a := basic("GET", "/status", "hasty", "wrong")
	assert.Equal(t, http.StatusTooManyRequests, a.StatusCode)
	assert.Equal(t, "7", a.Header.Get("Retry-After"))
	assert.Equal(t, http.StatusOK, f.send(f.request("GET", url+"/livez")).StatusCode)
}

func TestAdmin_RoutesRefusedAtStart(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(say)
	for want, r := range map[string]server.AdminRoute{
		"GET /livez is there twice": {Method: "GET", Path: "/livez", Handler: h},
		"POST /x needs":             {Method: "POST", Path: "/x"},
		"POST x needs":              {Method: "POST", Path: "x", Handler: h},
		"closing delimiter":         {Method: "POST", Path: "/{x", Handler: h},
	} {
		_, config, deps := prepare(t)
		deps.AdminRoutes = []server.AdminRoute{r}
		_, err := server.New(config, deps)
		require.ErrorContains(t, err, want)
	}
}
