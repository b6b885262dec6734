package attacktest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// concrete is the path of a route with something in place of its parameters.
func concrete(r server.Route) string {
	return strings.NewReplacer("{tenant}", "default", "{id}", "something", "{version}", "1").Replace(r.Pattern)
}

// ASVS 3.4 and 14.3.2: every answer of every route tells a browser to use TLS, not to guess, not to frame, not to send on, and not to keep it.
func TestASVS_3_4_EveryAnswerHasItsHeaders(t *testing.T) {
	t.Parallel()
	s, _ := people(t, nil)
	b := kmstest.LogIn(t, s, "default", "ada")
	type try struct{ method, path string }
	tries := []try{{http.MethodGet, "/"}, {http.MethodGet, "/nothing"}, {http.MethodTrace, "/"}, {http.MethodGet, "/service"}, {http.MethodGet, "/browser/api/v1/nothing"}, {http.MethodGet, "/t/x/y"}}
	for _, r := range s.Routes() {
		if r.Method == http.MethodGet {
			tries = append(tries, try{r.Method, concrete(r)})
		}
	}
	for _, try := range tries {
		for who, got := range map[string]kmstest.Answer{"a stranger": kmstest.NewBrowser(t, s).Send(t, s.Request(t, "", try.method, try.path, nil)), "a user": b.Get(t, try.path)} {
			what := who + ": " + try.method + " " + try.path
			h := got.Header
			assert.Contains(t, h.Get("Strict-Transport-Security"), "max-age=31536000", what)
			assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), what)
			assert.Empty(t, h.Values("Server"), what)
			assert.Empty(t, h.Values("X-Powered-By"), what)
			switch {
			case strings.Contains(try.path, "/browser/assets/"):
			case strings.HasPrefix(try.path, "/reference"): // for anybody, asked for anew each time
				assert.Equal(t, "public, no-cache", h.Get("Cache-Control"), what)
			case strings.Contains(try.path, "/kms/"): // sets that anybody may keep for a while
				assert.Equal(t, "public, max-age=60", h.Get("Cache-Control"), what)
			default:
				assert.Equal(t, "no-store", h.Get("Cache-Control"), what)
			}
			if len(got.Body) > 0 {
				assert.NotEmpty(t, h.Get("Content-Type"), what)
			}
			if !strings.HasPrefix(try.path, "/service") && !strings.HasPrefix(try.path, "/.well-known/") {
				policy := h.Get("Content-Security-Policy")
				for _, directive := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} {
					assert.Contains(t, policy, directive, what)
				}
				assert.NotContains(t, policy, "unsafe", what)
				assert.NotContains(t, policy, "*", what)
				assert.Contains(t, []string{"no-referrer", "same-origin"}, h.Get("Referrer-Policy"), what)
			}
			for _, line := range h.Values("Set-Cookie") {
				cookie, err := http.ParseSetCookie(line)
				require.NoError(t, err)
				assert.True(t, strings.HasPrefix(cookie.Name, "__Host-"), line)
				assert.True(t, cookie.Secure && cookie.HttpOnly && cookie.Path == "/" && cookie.Domain == "", line)
				assert.Contains(t, []http.SameSite{http.SameSiteLaxMode, http.SameSiteStrictMode}, cookie.SameSite, line)
				assert.Less(t, len(cookie.Name)+len(cookie.Value), 4096, line)
			}
		}
	}
}

// ASVS 3.4.2 and 3.5.3: no origin is let in unless it is listed, and nothing that changes anything is done by a safe method.
func TestASVS_3_5_OtherOriginsGetNothing(t *testing.T) {
	t.Parallel()
	s, _ := people(t, nil)
	b := kmstest.LogIn(t, s, "default", "ada")
	for _, r := range s.Routes() {
		for _, origin := range []string{"https://evil.invalid", "null", s.URL() + ".evil.invalid", strings.Replace(s.URL(), "https", "http", 1)} {
			request := s.Request(t, "", r.Method, concrete(r), nil, "Origin", origin)
			got := b.Send(t, request)
			assert.Empty(t, got.Header.Get("Access-Control-Allow-Origin"), "%s %s", r.Method, r.Pattern)
			if r.Method != http.MethodGet && strings.Contains(r.Pattern, "/browser") {
				assert.Equal(t, http.StatusForbidden, got.Status, "%s %s from %s: %s", r.Method, r.Pattern, origin, got.Body)
				assert.Contains(t, string(got.Body), "csrf_failed", "%s %s from %s", r.Method, r.Pattern, origin)
			}
			preflight := s.Request(t, "", http.MethodOptions, concrete(r), nil, "Origin", origin, "Access-Control-Request-Method", r.Method)
			answered, err := s.Exchange(preflight)
			require.NoError(t, err)
			assert.GreaterOrEqual(t, answered.Status, http.StatusBadRequest, "%s %s", r.Method, r.Pattern)
			assert.Empty(t, answered.Header.Get("Access-Control-Allow-Methods"))
		}
	}
	assert.Equal(t, http.StatusOK, b.Get(t, kmstest.Self).Status, "and the session goes on")
}
