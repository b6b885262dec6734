package server_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

func TestNew_RefusesWhatCannotServe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*server.Config, *server.Deps)
		want   string
	}{
		"no log":           {func(_ *server.Config, d *server.Deps) { d.Log = nil }, "mandatory"},
		"no authenticator": {func(_ *server.Config, d *server.Deps) { d.Auth = nil }, "mandatory"},
		"no handlers":      {func(_ *server.Config, d *server.Deps) { d.API.Mount = nil }, "mandatory"},
		"half a barrier":   {func(_ *server.Config, d *server.Deps) { d.Operator = nil }, "a barrier needs an operator"},
		"no document":      {func(_ *server.Config, d *server.Deps) { d.API.Document = nil }, "OpenAPI document"},
		"no idempotency":   {func(_ *server.Config, d *server.Deps) { d.Idempotency = nil }, "POST /things honours Idempotency-Key"},
		"code taken": {func(_ *server.Config, d *server.Deps) {
			d.API.Codes = problem.Table{"conflict": {Status: 409, Title: "t"}}
		}, `"conflict" is defined twice`},
		"no data": {func(_ *server.Config, d *server.Deps) { d.DataDir = filepath.Join(d.DataDir, "none") }, "open data directory"},
		"data is a file": {func(_ *server.Config, d *server.Deps) {
			d.DataDir = filepath.Join(d.DataDir, "file")
			require.NoError(t, os.WriteFile(d.DataDir, nil, 0o600))
		}, "is not a directory"},
		"data of dev mode": {func(_ *server.Config, d *server.Deps) {
			require.NoError(t, os.WriteFile(filepath.Join(d.DataDir, "DEV"), nil, 0o600))
		}, "was made by dev mode"},
		"admin for all": {func(c *server.Config, _ *server.Deps) { c.Admin.Address = "0.0.0.0:0" }, "the admin listener must be on loopback"},
		"missing handler": {func(_ *server.Config, d *server.Deps) {
			mount := d.API.Mount
			d.API.Mount = func(r chi.Router, e server.ErrorHandlers) { mount(chi.NewRouter(), e) }
		}, "GET /things is in the document and has no handler"},
		"additional handler": {func(_ *server.Config, d *server.Deps) {
			mount := d.API.Mount
			d.API.Mount = func(r chi.Router, e server.ErrorHandlers) { mount(r, e); r.Patch("/things", nil) }
		}, "PATCH /things has a handler and is not in the document"},
		"own middleware": {func(_ *server.Config, d *server.Deps) {
			mount := d.API.Mount
			d.API.Mount = func(r chi.Router, e server.ErrorHandlers) {
				mount(r.With(func(h http.Handler) http.Handler { return h }), e)
			}
		}, "middlewares of its own"},
	} {
		_, config, deps := prepare(t)
		c.change(&config, &deps)
		_, err := server.New(config, deps)
		require.ErrorContains(t, err, c.want, name)
	}
	_, config, deps := prepare(t)
	require.NoError(t, os.WriteFile(filepath.Join(deps.DataDir, "DEV"), nil, 0o600))
	deps.Dev = true
	_, err := server.New(config, deps)
	require.NoError(t, err)
}

func TestConfig_Validate(t *testing.T) {
	t.Parallel()
	assert.Empty(t, server.Defaults("0.0.0.0:8080", "127.0.0.1:9090").Validate())
	assert.Empty(t, server.Defaults("[::]:8080", "[::1]:9090").Validate())
	bad := server.Config{Public: server.PublicConfig{Address: "localhost:80"}, Admin: server.AdminConfig{Address: "10.0.0.1:99999"}}
	var paths []string
	for _, p := range bad.Validate() {
		paths = append(paths, p.Path)
	}
	assert.ElementsMatch(t, []string{
		"public.address", "admin.address", "admin.address", "limits.max_header", "limits.max_in_flight", "limits.max_streams",
		"limits.read_header_timeout", "limits.read_timeout", "limits.write_timeout", "limits.idle_timeout", "drain_timeout",
	}, paths)

	var loaded struct {
		Server server.Config `koanf:"server"`
	}
	loaded.Server = server.Defaults("127.0.0.1:8080", "127.0.0.1:9090")
	require.NoError(t, config.Load(&loaded, config.Source{Overrides: map[string]string{"server.limits.max_header": "16KiB", "server.drain_timeout": "5s"}}))
	assert.Equal(t, 16*config.KiB, loaded.Server.Limits.MaxHeader)
	err := config.Load(&loaded, config.Source{Overrides: map[string]string{"server.admin.address": "0.0.0.0:1"}})
	require.ErrorContains(t, err, "server.admin.address")
}

func TestRun_OnlyTLS13(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for url, protocol := range map[string]string{f.PublicURL(): "h2", f.AdminURL(): "http/1.1"} {
		address := strings.TrimPrefix(url, "https://")
		_, err := tls.Dial("tcp", address, &tls.Config{RootCAs: f.roots, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}) //nolint:noctx // short
		require.ErrorContains(t, err, "protocol version")
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: f.roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}) //nolint:noctx // short
		require.NoError(t, err)
		assert.EqualValues(t, tls.VersionTLS13, conn.ConnectionState().Version)
		assert.Equal(t, protocol, conn.ConnectionState().NegotiatedProtocol)
		require.NoError(t, conn.Close())
		plain, err := f.client.Do(f.request("GET", "http://"+address+"/"))
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadRequest, plain.StatusCode)
		require.NoError(t, plain.Body.Close())
	}
}

func TestRun_BothHTTPVersions(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	for _, http2 := range []bool{true, false} {
		a, err := do(f.newClient(http2), f.request("GET", f.PublicURL()+"/service/api/v1/things", "Authorization", "Bearer reader"))
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, a.StatusCode)
		assert.Equal(t, http2, a.ProtoMajor == 2)
	}
}

func TestRun_SaysWhoHasThePort(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	for _, public := range []bool{true, false} {
		_, config, deps := prepare(t)
		if public {
			config.Public.Address = taken.Addr().String()
		} else {
			config.Admin.Address = taken.Addr().String()
		}
		s, err := server.New(config, deps)
		require.NoError(t, err)
		require.ErrorContains(t, s.Run(t.Context()), "another process has it")
		require.ErrorContains(t, s.Run(t.Context()), "it ran before")
	}
	_, config, deps := prepare(t)
	config.Public.Address = "192.0.2.1:0" // TEST-NET-1 (RFC 5737): nobody's
	s, err := server.New(config, deps)
	require.NoError(t, err)
	require.ErrorContains(t, s.Run(t.Context()), "listen on the public address 192.0.2.1:0")
}

func TestRun_SlowHeadersAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *server.Config, _ *server.Deps) { c.Limits.ReadHeaderTimeout = time.Second })
	conn := f.dial()
	_, err := io.WriteString(conn, "GET /service/api/v1/things HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		assert.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
	} else {
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}

	bare, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(f.PublicURL(), "https://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = bare.Close() })
	require.NoError(t, bare.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err = bare.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "nor is a handshake that does not begin")
}

func TestRun_SlowBodiesAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *server.Config, _ *server.Deps) { c.Limits.ReadTimeout = time.Second })
	a := f.raw("POST /service/api/v1/things HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer writer\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
	assert.Equal(t, "the body ended early or took too long", a.problem(t).Detail)
	a = f.raw("POST /service/api/v1/things HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
	assert.Equal(t, http.StatusUnauthorized, a.StatusCode, "a stranger's body is not read at all")
}

func TestRun_HeadersHaveALimit(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	a := f.raw("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: " + strings.Repeat("x", 60<<10) + "\r\n\r\n")
	assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, a.StatusCode)
	a = f.service("reader", "GET", "/things", "X-Large", strings.Repeat("x", 31<<10))
	assert.Equal(t, http.StatusOK, a.StatusCode)
}

func TestRun_AdminIsFastWhileThePublicListenerIsFull(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *server.Config, _ *server.Deps) { c.Limits.MaxInFlight = 3 })
	done := make(chan answer, 3)
	for range 3 {
		go func() { done <- f.service("reader", "GET", "/act/block") }()
	}
	for range 3 {
		<-f.entered
	}
	for range 5 {
		a := f.service("reader", "GET", "/things")
		assert.Equal(t, "overloaded", a.problem(t).Code)
		assert.Equal(t, "1", a.Header.Get("Retry-After"))
		for _, path := range []string{"/livez", "/readyz", "/healthz"} {
			assert.Equal(t, http.StatusOK, f.send(f.request("GET", f.AdminURL()+"/admin/v1"+path)).StatusCode)
		}
	}
	close(f.release)
	for range 3 {
		assert.Equal(t, http.StatusOK, (<-done).StatusCode)
	}
	assert.Equal(t, http.StatusOK, f.service("reader", "GET", "/things").StatusCode, "and recovers")
}

// bare is a source of certificates without any.
type bare struct{}

func (bare) ServerConfig() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS13} }

func TestRun_EndsWhenAListenerFails(t *testing.T) {
	t.Parallel()
	_, config, deps := prepare(t)
	deps.TLS = bare{}
	s, err := server.New(config, deps)
	require.NoError(t, err)
	require.ErrorContains(t, s.Run(t.Context()), "serve on 127.0.0.1:")
}

// wildcard is a listener on all addresses that listens on none.
type wildcard struct{ net.Listener }

func (wildcard) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv6unspecified, Port: 8080} }

func TestRun_URLsCanBeUsed(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "https://localhost:8080", server.URLOf(wildcard{}))
	f := start(t, nil)
	assert.Regexp(t, `^https://127\.0\.0\.1:\d+$`, f.PublicURL())
	assert.Regexp(t, `^https://127\.0\.0\.1:\d+$`, f.AdminURL())
}
