package server_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/allowlist"
)

// proxied makes the tests' own machine a trusted proxy, so that requests can come from anywhere.
func proxied(c *server.Config) {
	c.Access.TrustedProxies = []string{"127.0.0.0/8"}
	c.Access.ForwardedHeader = allowlist.HeaderXForwardedFor
}

func TestLimits_PerAddress(t *testing.T) {
	t.Parallel()
	now := newClock()
	f := start(t, func(c *server.Config, d *server.Deps) {
		proxied(c)
		d.Now = now.Now
		c.Rates.PerAddress = server.Rate{Limit: 6, Per: time.Minute, Burst: 3}
	})
	get := func(address string) answer { return f.service("wrong", "GET", "/things", "X-Forwarded-For", address) }
	for range 3 {
		require.Equal(t, http.StatusUnauthorized, get("192.0.2.1").StatusCode)
	}
	a := get("192.0.2.1")
	assert.Equal(t, http.StatusTooManyRequests, a.StatusCode)
	assert.Equal(t, "rate_limited", a.problem(t).Code)
	assert.Equal(t, "10", a.Header.Get("Retry-After"))
	assert.Equal(t, `"address";q=6;w=60`, a.Header.Get("RateLimit-Policy"))
	assert.Equal(t, `"address";r=0;t=30`, a.Header.Get("RateLimit"))
	assert.Equal(t, 3, f.realm.calls, "a flood costs no authentication")
	assert.Equal(t, http.StatusUnauthorized, get("192.0.2.2").StatusCode)
	now.advance(9900 * time.Millisecond)
	a = get("192.0.2.1")
	assert.Equal(t, "1", a.Header.Get("Retry-After"), "parts of a second count as one")
	now.advance(100 * time.Millisecond)
	assert.Equal(t, http.StatusUnauthorized, get("192.0.2.1").StatusCode)

	for i := range 3 { // one network of 64 bits is one client
		require.Equal(t, http.StatusUnauthorized, get("2001:db8::"+strconv.Itoa(i)).StatusCode)
	}
	assert.Equal(t, http.StatusTooManyRequests, get("2001:db8::ffff:1").StatusCode)
	assert.Equal(t, http.StatusUnauthorized, get("2001:db8:0:1::1").StatusCode)
}

func TestLimits_PerClientAndPerUser(t *testing.T) {
	t.Parallel()
	now := newClock()
	f := start(t, func(c *server.Config, d *server.Deps) {
		withProtocols()(c, d)
		d.Now = now.Now
		c.Rates.PerClient = server.Rate{Limit: 1, Per: time.Second, Burst: 8}
		c.Rates.PerUser = server.Rate{Limit: 1, Per: time.Second, Burst: 2}
	})
	for i := range 8 {
		a := f.service("reader", "GET", "/things")
		require.Equal(t, http.StatusOK, a.StatusCode)
		want := ""
		if i >= 6 {
			want = `"client";r=` + strconv.Itoa(7-i) + `;t=` + strconv.Itoa(i+1)
		}
		assert.Equal(t, want, a.Header.Get("RateLimit"), "who has little left is told so")
	}
	a := f.service("reader", "GET", "/things")
	assert.Equal(t, "rate_limited", a.problem(t).Code)
	assert.Equal(t, "1", a.Header.Get("Retry-After"))
	assert.Equal(t, "rate_limited", f.service("reader", "GET", "/nowhere").problem(t).Code)
	assert.Equal(t, http.StatusOK, f.service("writer", "GET", "/things").StatusCode, "others are not affected")
	for range 2 {
		assert.Equal(t, http.StatusOK, f.browser("p", "GET", "/browser/api/v1/things").StatusCode)
	}
	a = f.browser("p", "GET", "/browser/api/v1/things")
	assert.Equal(t, "rate_limited", a.problem(t).Code)
	assert.Equal(t, `"user";q=1;w=1`, a.Header.Get("RateLimit-Policy"))
	for range 20 {
		assert.Equal(t, http.StatusOK, f.send(f.request("GET", f.PublicURL()+"/service/api/v1/open")).StatusCode)
	}
}

func TestLimits_OneCallerDoesNotTakeAll(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *server.Config, _ *server.Deps) { c.Limits.MaxInFlight, c.Limits.MaxInFlightPerClient = 8, 3 })
	var blocked sync.WaitGroup
	for range 3 {
		blocked.Go(func() { assert.Equal(t, "released", f.service("reader", "GET", "/act/block").body) })
	}
	for range 3 {
		<-f.entered
	}
	a := f.service("reader", "GET", "/things")
	assert.Equal(t, http.StatusTooManyRequests, a.StatusCode)
	assert.Equal(t, "rate_limited", a.problem(t).Code)
	assert.NotEmpty(t, a.Header.Get("Retry-After"))
	assert.Equal(t, http.StatusOK, f.service("writer", "GET", "/things").StatusCode)
	close(f.release)
	blocked.Wait()
	assert.Equal(t, http.StatusOK, f.service("reader", "GET", "/things").StatusCode)
}

// What is too much is refused in words that a client understands, and nothing of it stays.
func TestLimits_OverloadPasses(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *server.Config, _ *server.Deps) { c.Limits.MaxInFlight, c.Limits.MaxInFlightPerClient = 4, 2 })
	var clients sync.WaitGroup
	for i := range 16 {
		token := []string{"reader", "writer", "scopeless", "wrong"}[i%4]
		clients.Go(func() {
			for range 40 {
				a := f.service(token, "POST", "/things/x/use", `body:{"input":"x"}`)
				switch a.StatusCode {
				case http.StatusOK, http.StatusUnauthorized:
				case http.StatusTooManyRequests, http.StatusServiceUnavailable:
					assert.NotEmpty(t, a.Header.Get("Retry-After"))
					assert.Contains(t, []string{"overloaded", "rate_limited"}, a.problem(t).Code)
				default:
					assert.Fail(t, "another answer", "%d %s", a.StatusCode, a.body)
				}
			}
		})
	}
	clients.Wait()
	require.Eventually(t, func() bool { return strings.Contains(f.admin("GET", "/status").body, `"in_flight":0`) }, 10*time.Second, time.Millisecond)
	for _, token := range []string{"reader", "writer"} {
		assert.Equal(t, http.StatusOK, f.service(token, "GET", "/things").StatusCode)
	}
}

func TestAddresses_AllowedAndNot(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *server.Config, _ *server.Deps) {
		proxied(c)
		c.Access.Allow = []string{"192.0.2.0/24", "2001:db8::/32"}
	})
	for address, status := range map[string]int{
		"192.0.2.77": 200, "2001:db8::1": 200, "198.51.100.1": 403, "2001:db9::1": 403, "198.51.100.1, 192.0.2.1": 200, "192.0.2.1, 198.51.100.1": 403,
		"": 403, "nonsense": 403,
	} {
		for _, path := range []string{"/service/api/v1/things", "/browser/api/v1/open", "/elsewhere"} {
			a := f.send(f.request("GET", f.PublicURL()+path, "X-Forwarded-For", address, "Authorization", "Bearer reader"))
			assert.Equal(t, status == http.StatusForbidden, a.StatusCode == http.StatusForbidden && a.problem(t).Code == "ip_not_allowed", "%s from %s", path, address)
		}
	}
	assert.Equal(t, http.StatusOK, f.admin("GET", "/livez").StatusCode, "the admin listener is not concerned")
}

func TestReload(t *testing.T) {
	t.Parallel()
	var config server.Config
	f := start(t, func(c *server.Config, _ *server.Deps) { config = *c })
	get := func() answer { return f.service("reader", "GET", "/things") }
	require.Equal(t, http.StatusOK, get().StatusCode)

	next := config
	next.Access.Allow = []string{"192.0.2.0/24"}
	require.NoError(t, f.Reload(next))
	assert.Equal(t, "ip_not_allowed", get().problem(t).Code)
	next.Access.Allow = []string{"127.0.0.1"}
	next.Rates.PerClient = server.Rate{Limit: 1, Per: time.Hour, Burst: 1}
	require.NoError(t, f.Reload(next))
	assert.Equal(t, http.StatusOK, get().StatusCode)
	assert.Equal(t, "rate_limited", get().problem(t).Code)

	bad := next
	bad.Rates.PerClient, bad.Access.Allow = server.Rate{}, []string{"10.0.0.1/8"}
	require.ErrorContains(t, f.Reload(bad), "access.allow[0]")
	assert.Equal(t, "rate_limited", get().problem(t).Code, "a faulty configuration changes nothing")
	next.Rates.PerClient, next.DrainTimeout = server.Rate{}, time.Hour
	require.NoError(t, f.Reload(next))
	assert.Equal(t, http.StatusOK, get().StatusCode)

	var busy sync.WaitGroup // reloading and serving at once
	for range 4 {
		busy.Go(func() {
			for range 20 {
				assert.Equal(t, http.StatusOK, get().StatusCode)
			}
		})
	}
	for range 200 {
		require.NoError(t, f.Reload(next))
	}
	busy.Wait()
}

func TestConfig_ValidateReloadable(t *testing.T) {
	t.Parallel()
	c := server.Defaults("127.0.0.1:0", "127.0.0.1:0")
	c.MTLS.Address = "nowhere"
	c.Access = server.Access{Allow: []string{"10.0.0.0/8", "x"}, TrustedProxies: []string{"10.0.0.1/8"}, ForwardedHeader: "X-Real-IP"}
	c.CORS.Origins = []string{
		"https://a.example", "http://a.example", "https://a.example/", "https://A.example", "https://a.example:443", "*", "null", "https://a.example:8443", "https://",
		"https://user@a.example",
	}
	c.Rates.PerUser, c.Rates.PerClient = server.Rate{Limit: -1}, server.Rate{Limit: 1, Per: time.Second}
	c.StepUp.Person = -1
	var paths []string
	for _, p := range c.Validate() {
		paths = append(paths, p.Path)
	}
	assert.ElementsMatch(t, []string{
		"mtls.address", "access.allow[1]", "access.trusted_proxies[0]", "access.forwarded_header", "cors.origins[1]", "cors.origins[2]", "cors.origins[3]",
		"cors.origins[4]", "cors.origins[5]", "cors.origins[6]", "cors.origins[8]", "cors.origins[9]", "rates.per_user", "rates.per_client", "step_up.person",
	}, paths)
}
