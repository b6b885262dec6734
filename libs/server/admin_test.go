package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
)

func (a answer) report(t *testing.T) server.Report {
	t.Helper()
	var report server.Report
	require.NoError(t, json.Unmarshal([]byte(a.body), &report), a.body)

	return report
}

func TestAdmin_WhoMayAsk(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"plain":              {nil, http.StatusOK},
		"localhost":          {[]string{"Host", "LOCALHOST:9090"}, http.StatusOK},
		"localhost, bare":    {[]string{"Host", "localhost"}, http.StatusOK},
		"IPv6":               {[]string{"Host", "[::1]:9090"}, http.StatusOK},
		"IPv6, bare":         {[]string{"Host", "[::1]"}, http.StatusOK},
		"other loopback":     {[]string{"Host", "127.1.2.3:1"}, http.StatusOK},
		"rebound name":       {[]string{"Host", "evil.example:9090"}, http.StatusForbidden},
		"lookalike":          {[]string{"Host", "localhost.evil.example"}, http.StatusForbidden},
		"other address":      {[]string{"Host", "10.0.0.1:9090"}, http.StatusForbidden},
		"unspecified":        {[]string{"Host", "0.0.0.0:9090"}, http.StatusForbidden},
		"from a page":        {[]string{"Origin", "https://evil.example"}, http.StatusForbidden},
		"from an own page":   {[]string{"Origin", "https://localhost:9090"}, http.StatusForbidden},
		"from a hidden page": {[]string{"Origin", "null"}, http.StatusForbidden},
	} {
		a := f.send(f.request("GET", f.AdminURL()+"/admin/v1/livez", c.headers...))
		assert.Equal(t, c.status, a.StatusCode, name)
		if c.status != http.StatusOK {
			assert.Equal(t, "forbidden", a.problem(t).Code, name)
		}
	}
	// A page may not even present the token.
	assert.Equal(t, http.StatusForbidden, f.admin("POST", "/shutdown", "Origin", "https://evil.example").StatusCode)
}

// A connection from elsewhere cannot arrive on loopback; the check is there for a proxy or a configuration that makes it seem so.
func TestAdmin_RefusesPeersFromElsewhere(t *testing.T) {
	t.Parallel()
	f, config, deps := prepare(t)
	s, err := server.New(config, deps)
	require.NoError(t, err)
	_ = f
	for peer, want := range map[string]int{"127.0.0.1:5": 200, "[::1]:5": 200, "10.0.0.1:5": 403, "nonsense": 403, "": 403} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost/admin/v1/livez", nil)
		r.RemoteAddr = peer
		w := httptest.NewRecorder()
		s.AdminHandler().ServeHTTP(w, r)
		assert.Equal(t, want, w.Code, peer)
	}
}

func TestAdmin_Token(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	url := f.AdminURL() + "/admin/v1"
	for _, headers := range [][]string{
		nil,
		{"Authorization", "Bearer "},
		{"Authorization", "Bearer " + strings.Map(func(c rune) rune { return c ^ 1 }, f.token()[:1]) + f.token()[1:]},
		{"Authorization", "Bearer " + f.token() + "x"},
		{"Authorization", "bearer " + f.token()},
		{"Authorization", "Basic " + f.token()},
		{"Authorization", "Bearer " + f.token(), "Authorization", "Bearer " + f.token()},
		{"Cookie", "token=" + f.token()},
	} {
		for _, route := range [][2]string{{"POST", "/shutdown"}, {"POST", "/seal"}, {"GET", "/seal"}, {"POST", "/unseal"}} {
			a := f.send(f.request(route[0], url+route[1], headers...))
			assert.Equal(t, http.StatusUnauthorized, a.StatusCode, "%v %v", route, headers)
			assert.Equal(t, "unauthenticated", a.problem(t).Code)
			assert.NotEmpty(t, a.Header.Get("WWW-Authenticate"))
		}
	}
	assert.False(t, f.seal.Sealed())
	assert.NotContains(t, f.log.String(), f.token())

	info, err := os.Stat(filepath.Join(f.dir, "admin.token"))
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, info.Mode().Perm())
	assert.Len(t, f.token(), 43, "256 bits")
	assert.Equal(t, http.StatusOK, f.admin("GET", "/seal").StatusCode)
}

func TestAdmin_TokenIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	f, config, deps := prepare(t)
	var starting sync.WaitGroup
	for range 8 {
		starting.Go(func() {
			_, err := server.New(config, deps)
			assert.NoError(t, err)
		})
	}
	starting.Wait()
	token := f.token()
	_, err := server.New(config, deps)
	require.NoError(t, err)
	assert.Equal(t, token, f.token())
	files, err := os.ReadDir(f.dir)
	require.NoError(t, err)
	assert.Len(t, files, 1, "nothing else stays behind")
}

func TestAdmin_TokenFileMustBeSound(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(file string) error{
		"readable for others": func(file string) error { return os.Chmod(file, 0o640) },
		"empty":               func(file string) error { return os.WriteFile(file, nil, 0o600) },
		"short":               func(file string) error { return os.WriteFile(file, []byte("c2hvcnQ\n"), 0o600) },
		"a link": func(file string) error {
			return errors.Join(os.Rename(file, file+".moved"), os.Symlink(file+".moved", file))
		},
		"a directory": func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) },
	} {
		f, config, deps := prepare(t)
		_, err := server.New(config, deps)
		require.NoError(t, err)
		require.NoError(t, spoil(filepath.Join(f.dir, "admin.token")))
		_, err = server.New(config, deps)
		require.ErrorContains(t, err, "admin token", name)
	}
}

func TestAdmin_WhatIsNotThere(t *testing.T) {
	t.Parallel()
	f := start(t, func(_ *server.Config, d *server.Deps) { d.Barrier, d.Operator = nil, nil })
	for _, path := range []string{"/", "/admin/v1", "/admin/v1/livez/", "/admin/v1/seal", "/admin/v1/unseal", "/service/api/v1/things"} {
		assert.Equal(t, "not_found", f.send(f.request("GET", f.AdminURL()+path)).problem(t).Code, path)
	}
	a := f.send(f.request("POST", f.AdminURL()+"/admin/v1/livez"))
	assert.Equal(t, "method_not_allowed", a.problem(t).Code)
	assert.Equal(t, "GET", a.Header.Get("Allow"))
	a = f.send(f.request("GET", f.AdminURL()+"/admin/v1/shutdown"))
	assert.Equal(t, "POST", a.Header.Get("Allow"))
	assert.Equal(t, "not_found", f.send(f.request("GET", f.PublicURL()+"/admin/v1/livez")).problem(t).Code, "the public listener administers nothing")
	assert.Equal(t, http.StatusOK, f.service("reader", "GET", "/things").StatusCode, "without a barrier nothing is sealed")
	assert.JSONEq(t, `{"status":"ok","checks":[]}`, f.send(f.request("GET", f.AdminURL()+"/admin/v1/readyz")).body)
}

func TestHealth_SaysWhatIsTheMatter(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	faults := map[string]error{}
	set := func(name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		faults[name] = err
	}
	probe := func(name string) func(context.Context) error {
		return func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			if err := faults[name]; err != nil && err.Error() == "panic" {
				panic("canary")
			}

			return faults[name]
		}
	}
	f := start(t, func(_ *server.Config, d *server.Deps) {
		d.Checks = []server.Check{{Name: "database", Required: true, Probe: probe("database")}, {Name: "identity", Probe: probe("identity")}}
	})
	get := func(path string) (int, server.Report) {
		a := f.send(f.request("GET", f.AdminURL()+"/admin/v1"+path))
		assert.Equal(t, "application/json", a.Header.Get("Content-Type"))
		assert.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		report := a.report(t)
		for i := range report.Checks {
			assert.GreaterOrEqual(t, report.Checks[i].LatencyMS, 0.0)
			report.Checks[i].LatencyMS = 0
		}

		return a.StatusCode, report
	}
	ok := func(name string, required bool) server.CheckResult {
		return server.CheckResult{Name: name, Required: required, Status: "ok"}
	}

	var status int
	var report server.Report
	for _, path := range []string{"/readyz", "/healthz"} {
		status, report = get(path)
		assert.Equal(t, 200, status)
		assert.Equal(t, server.Report{Status: "ok", Checks: []server.CheckResult{ok("barrier", true), ok("database", true), ok("identity", false)}}, report)
	}

	set("identity", errors.New("no route to host"))
	for _, path := range []string{"/readyz", "/healthz"} {
		status, report = get(path)
		assert.Equal(t, 200, status)
		assert.Equal(t, "degraded", report.Status)
		assert.Equal(t, server.CheckResult{Name: "identity", Status: "failing", Detail: "no route to host"}, report.Checks[2])
	}

	set("database", errors.New("connection refused"))
	for _, path := range []string{"/readyz", "/healthz"} {
		status, report = get(path)
		assert.Equal(t, 503, status)
		assert.Equal(t, "failing", report.Status)
		assert.Equal(t, server.CheckResult{Name: "database", Required: true, Status: "failing", Detail: "connection refused"}, report.Checks[1])
	}
	set("database", errors.New("panic"))
	_, report = get("/readyz")
	assert.Equal(t, "the probe panicked: canary", report.Checks[1].Detail)
	status, report = get("/livez")
	assert.Equal(t, 200, status)
	assert.Equal(t, server.Report{Status: "ok", Checks: []server.CheckResult{}}, report)
}

func TestHealth_DoesNotWaitForAProbeThatHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	f := start(t, func(_ *server.Config, d *server.Deps) {
		d.Checks = []server.Check{{Name: "database", Required: true, Probe: func(context.Context) error { <-hang; return nil }}}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := do(f.client, f.request("GET", f.AdminURL()+"/admin/v1/readyz").WithContext(ctx))
	require.Error(t, err)
	a := f.send(f.request("GET", f.AdminURL()+"/admin/v1/livez"))
	assert.Equal(t, http.StatusOK, a.StatusCode)
	a = f.send(f.request("GET", f.AdminURL()+"/admin/v1/readyz"))
	assert.Equal(t, "no answer within 2s", a.report(t).Checks[1].Detail)
}

func TestSeal_ByOperators(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	sealStatus := func(a answer) server.SealStatus {
		require.Equal(t, http.StatusOK, a.StatusCode, a.body)
		var status server.SealStatus
		require.NoError(t, json.Unmarshal([]byte(a.body), &status))

		return status
	}
	assert.False(t, sealStatus(f.admin("GET", "/seal")).Sealed)
	status := sealStatus(f.admin("POST", "/seal"))
	assert.Equal(t, server.SealStatus{Sealed: true, Mode: "shamir", Threshold: 2, SetID: "set", Reason: "waits for shares"}, status)
	assert.Equal(t, "sealed", f.service("reader", "GET", "/things").problem(t).Code)
	a := f.send(f.request("GET", f.AdminURL()+"/admin/v1/readyz"))
	assert.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	assert.Equal(t, "sealed: waits for shares", a.report(t).Checks[0].Detail)
	assert.Equal(t, http.StatusOK, f.send(f.request("GET", f.AdminURL()+"/admin/v1/livez")).StatusCode)

	f.seal.mu.Lock()
	f.seal.silent = true
	f.seal.mu.Unlock()
	assert.Equal(t, "sealed", f.send(f.request("GET", f.AdminURL()+"/admin/v1/readyz")).report(t).Checks[0].Detail)

	for body, code := range map[string]string{
		"": "bad_request", "{": "bad_request", `{"share":1}`: "validation_failed", `{"share":"a","share":"b"}`: "duplicate_member", `{"Share":"a"}`: "unknown_member",
		`{"share":"bad"}`: "bad_request", `{"share":"` + strings.Repeat("x", 17000) + `"}`: "payload_too_large",
	} {
		assert.Equal(t, code, f.admin("POST", "/unseal", "body:"+body).problem(t).Code, body)
	}
	assert.Equal(t, "the share is damaged", f.admin("POST", "/unseal", `body:{"share":"bad"}`).problem(t).Detail)
	status = sealStatus(f.admin("POST", "/unseal", `body:{"share":"canary-one"}`))
	assert.True(t, status.Sealed)
	assert.Equal(t, 1, status.Submitted)
	assert.Zero(t, f.seal.starts)
	assert.True(t, sealStatus(f.admin("POST", "/unseal", `body:{}`)).Sealed)
	assert.Equal(t, 1, f.seal.starts, "without a share it is the operator's own key that opens")
	assert.False(t, sealStatus(f.admin("POST", "/unseal", `body:{"share":"canary-two"}`)).Sealed)
	assert.Equal(t, http.StatusOK, f.service("reader", "GET", "/things").StatusCode)
	assert.Len(t, f.log.lines(t, "unsealed by an operator"), 1)
	assert.NotContains(t, f.log.String(), "canary")

	f.seal.mu.Lock()
	f.seal.err = errors.New("canary: no")
	f.seal.mu.Unlock()
	assert.Equal(t, "internal_error", f.admin("POST", "/seal").problem(t).Code)
}
