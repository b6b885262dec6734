package guarded_test

import (
	"bufio"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
)

func TestGet_SpeaksHTTPSOnlyUnlessTold(t *testing.T) {
	t.Parallel()
	strict := client(t, guarded.Config{Allow: onLoopback().Allow})
	for _, address := range []string{
		"http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com/", "example.com", "https:///x",
		"https:example.com", "https://user:secret@example.com/", "https://user@example.com/", "", "https://[::1", "unix:///run/x",
	} {
		_, err := strict.Get(t.Context(), address, "")
		require.Error(t, err, address)
		assert.NotContains(t, err.Error(), "secret")
		assert.ErrorIs(t, strict.Check(address), guarded.ErrBlocked, address)
	}
}

func TestGet_VerifiesTheServerAndUsesHTTP2(t *testing.T) {
	t.Parallel()
	var protocol string
	port, roots := serveTLS(t, "keys.example", func(w http.ResponseWriter, r *http.Request) {
		protocol = r.Proto
		_, _ = w.Write([]byte("{}"))
	})
	loopback := onLoopback(func(c *guarded.Config) {
		c.Resolver = resolves("keys.example", "127.0.0.1", "other.example", "127.0.0.1")
	})
	loopback.PlainHTTP = false

	_, err := client(t, loopback).Get(t.Context(), "https://keys.example:"+port+"/", "")
	require.ErrorContains(t, err, "certificate signed by unknown authority")

	loopback.TLS = tlsconfig.ClientConfig(roots)
	g := client(t, loopback)
	answer, err := g.Get(t.Context(), "https://keys.example:"+port+"/", "application/json")
	require.NoError(t, err)
	assert.Equal(t, "HTTP/2.0", protocol)
	assert.Equal(t, guarded.Answer{Status: 200, Header: answer.Header, Body: []byte("{}")}, answer)
	_, err = g.Get(t.Context(), "https://other.example:"+port+"/", "")
	require.ErrorContains(t, err, "not other.example")
}

func TestGet_BoundsTheBody(t *testing.T) {
	t.Parallel()
	const bound = 64
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.URL.Query().Get("size"))
		if r.URL.Query().Has("stream") {
			http.NewResponseController(w).Flush() //nolint:errcheck // what follows fails then
		}
		_, _ = w.Write([]byte(strings.Repeat("x", size)))
	})
	g := client(t, onLoopback(func(c *guarded.Config) { c.MaxBody = bound }))
	for _, kind := range []string{"", "&stream"} {
		for size, ok := range map[int]bool{0: true, bound - 1: true, bound: true, bound + 1: false, 1 << 20: false} {
			answer, err := g.Get(t.Context(), "http://127.0.0.1:"+port+"/?size="+strconv.Itoa(size)+kind, "")
			if ok {
				require.NoError(t, err)
				assert.Len(t, answer.Body, size)
			} else {
				require.ErrorIs(t, err, guarded.ErrTooLarge)
			}
		}
	}
	// Code that reads piecemeal through the client of net/http meets the same bound.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/?stream&size=1000", http.NoBody)
	require.NoError(t, err)
	response, err := g.HTTP().Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	read, err := io.Copy(io.Discard, iotestOneByte{response.Body})
	require.ErrorIs(t, err, guarded.ErrTooLarge)
	assert.LessOrEqual(t, read, int64(bound))
}

// iotestOneByte reads one byte at a time.
type iotestOneByte struct{ r io.Reader }

func (o iotestOneByte) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

func TestGet_DoesNotInflate(t *testing.T) {
	t.Parallel()
	var accepted string
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		accepted = r.Header.Get("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte(strings.Repeat("x", 1<<20)))
		_ = z.Close()
	})
	answer, err := client(t, onLoopback()).Get(t.Context(), "http://127.0.0.1:"+port+"/", "")
	require.NoError(t, err)
	assert.Empty(t, accepted)
	assert.Less(t, len(answer.Body), 1<<14)
}

// raw serves connections by hand.
func raw(t *testing.T, handle func(net.Conn)) (port string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer connection.Close()
				_, _ = http.ReadRequest(bufio.NewReader(connection))
				handle(connection)
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); running.Wait() })
	_, port, err = net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

func TestGet_BoundsTimeAndHeader(t *testing.T) {
	t.Parallel()
	ends := make(chan struct{})
	t.Cleanup(func() { close(ends) })
	drip := func(prefix, piece string) func(net.Conn) {
		return func(c net.Conn) {
			_, err := io.WriteString(c, prefix)
			for err == nil {
				select {
				case <-ends:
					return
				case <-time.After(5 * time.Millisecond):
					_, err = io.WriteString(c, piece)
				}
			}
		}
	}
	for name, handle := range map[string]func(net.Conn){
		"silence":      func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"slow header":  drip("HTTP/1.1 200 OK\r\n", "X-A: b\r\n"),
		"slow line":    drip("HTTP/1.1 200 OK\r\nX-A: ", "b"),
		"early hints":  drip("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
		"slow body":    drip("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "b"),
		"large header": drip("HTTP/1.1 200 OK\r\nX-A: "+strings.Repeat("b", 64<<10), "b"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := client(t, onLoopback(func(c *guarded.Config) { c.Timeout, c.HeaderTimeout = 300*time.Millisecond, 200*time.Millisecond }))
			began := time.Now()
			_, err := g.Get(t.Context(), "http://127.0.0.1:"+raw(t, handle)+"/?token=canary", "")
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "canary")
			assert.Less(t, time.Since(began), 10*time.Second)
		})
	}
}

func TestGet_FollowsNoRedirectByDefault(t *testing.T) {
	t.Parallel()
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/", r.URL.Path)
		http.Redirect(w, r, "/next", http.StatusFound)
	})
	answer, err := client(t, onLoopback()).Get(t.Context(), "http://127.0.0.1:"+port+"/", "")
	require.NoError(t, err)
	assert.Equal(t, http.StatusFound, answer.Status)
}

func TestGet_JudgesEachRedirect(t *testing.T) {
	t.Parallel()
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			_, _ = w.Write([]byte("end"))
			return
		}
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(http.StatusFound)
	})
	g := client(t, onLoopback(func(c *guarded.Config) { c.MaxRedirects, c.Resolver = 2, resolves("private.example", "10.0.0.1") }))
	get := func(to string) (guarded.Answer, error) {
		return g.Get(t.Context(), "http://127.0.0.1:"+port+"/?to="+url.QueryEscape(to), "")
	}
	for _, to := range []string{
		"http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]:" + port + "/end", "http://private.example/", "file:///etc/passwd",
		"http://user:pw@127.0.0.1:" + port + "/end", "http://127.0.0.2:" + port + "/end",
	} {
		_, err := get(to)
		require.Error(t, err, to)
		if !strings.HasPrefix(to, "file") {
			assert.ErrorIs(t, err, guarded.ErrBlocked, to)
		}
	}
	answer, err := get("/end")
	require.NoError(t, err)
	assert.Equal(t, "end", string(answer.Body))
	_, err = get("/?to=" + url.QueryEscape("/?to=/end"))
	require.ErrorIs(t, err, guarded.ErrRedirects)

	secure := client(t, guarded.Config{Allow: onLoopback().Allow, MaxRedirects: 1})
	require.ErrorIs(t, secure.Check("http://127.0.0.1/"), guarded.ErrBlocked)
}

func TestDo_TakesNothingSecretAlongARedirect(t *testing.T) {
	t.Parallel()
	var got []http.Header
	var mu sync.Mutex
	var target string
	handler := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Clone())
		if next := r.URL.Query().Get("to"); next != "" {
			w.Header().Set("Set-Cookie", "session=1; Path=/")
			w.Header().Set("Location", next)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}
	first, second := serve(t, handler), serve(t, handler)
	target = "http://127.0.0.1:" + first + "/?token=canary&to=" + url.QueryEscape("http://127.0.0.1:"+second+"/?to="+url.QueryEscape("http://127.0.0.1:"+first+"/admin"))
	g := client(t, onLoopback(func(c *guarded.Config) { c.MaxRedirects = 5 }))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	require.NoError(t, err)
	for _, name := range []string{"Authorization", "Cookie", "X-Api-Key", "Dpop"} {
		r.Header.Set(name, "canary")
	}
	r.Header.Set("Accept", "application/json")
	_, err = g.Fetch(r)
	require.NoError(t, err)
	require.Len(t, got, 3)
	assert.Equal(t, "canary", got[0].Get("X-Api-Key"))
	for _, header := range got[1:] { // also when it leads back to where it began
		assert.Equal(t, "application/json", header.Get("Accept"))
		for name, values := range header {
			assert.NotContains(t, strings.Join(values, " "), "canary", name)
			assert.NotContains(t, strings.Join(values, " "), "session=1", name)
		}
	}

	got = nil
	post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader("canary"))
	require.NoError(t, err)
	answer, err := g.Fetch(post)
	require.NoError(t, err)
	assert.Equal(t, http.StatusTemporaryRedirect, answer.Status)
	assert.Len(t, got, 1, "a body goes nowhere else")
}

func TestGet_IgnoresTheEnvironmentsProxy(t *testing.T) {
	var proxied bool
	proxy := serve(t, func(http.ResponseWriter, *http.Request) { proxied = true })
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:"+proxy)
	t.Setenv("http_proxy", "http://127.0.0.1:"+proxy)
	port := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("direct")) })
	g := client(t, onLoopback(func(c *guarded.Config) { c.Resolver = resolves("keys.example", "127.0.0.1") }))
	answer, err := g.Get(t.Context(), "http://keys.example:"+port+"/", "")
	require.NoError(t, err)
	assert.Equal(t, "direct", string(answer.Body))
	assert.False(t, proxied)
}

func TestNew_SaysWhatCannotBe(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]guarded.Config{
		"must not be negative": {Timeout: -1}, "at most 10 redirects": {MaxRedirects: 11}, "invalid prefix": {Allow: []netip.Prefix{{}}},
		"must not": {MaxBody: -config.MiB},
	} {
		_, err := guarded.New(c)
		require.ErrorContains(t, err, want)
	}
}

func TestPorts_OthersAreNotDialledAlsoAfterARedirect(t *testing.T) {
	t.Parallel()
	other := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "reached") })
	port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:"+other+"/", http.StatusFound)
	})
	number, err := strconv.ParseUint(port, 10, 16)
	require.NoError(t, err)
	g := client(t, onLoopback(func(c *guarded.Config) { c.Ports, c.MaxRedirects = []uint16{uint16(number)}, 3 }))

	_, err = g.Get(t.Context(), "http://127.0.0.1:"+port+"/", "")
	assert.ErrorIs(t, err, guarded.ErrBlocked)
	_, err = g.Dial(t.Context(), "127.0.0.1:"+other)
	assert.ErrorIs(t, err, guarded.ErrBlocked)
	connection, err := g.Dial(t.Context(), "127.0.0.1:"+port)
	require.NoError(t, err)
	assert.NoError(t, connection.Close())
}

func TestDial_JudgesAddresses(t *testing.T) {
	t.Parallel()
	g := client(t, guarded.Config{Resolver: resolves("inside.test", "10.0.0.1")})
	for _, target := range []string{"inside.test:443", "127.0.0.1:443", "[::ffff:169.254.169.254]:443"} {
		_, err := g.Dial(t.Context(), target)
		assert.ErrorIs(t, err, guarded.ErrBlocked, target)
	}
}
