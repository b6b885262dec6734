//go:build e2e

package cryptoutil_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDev_PortsThatAreTakenAreNamedWithTheFix(t *testing.T) {
	t.Parallel()
	// kms.yaml of a used directory names the ports, here one that the test has.
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	dir := filepath.Join(t.TempDir(), "data")
	i := dev(t, dir)
	i.stop(t)
	for _, listener := range []string{"public", "admin"} {
		editListener(t, i.file("kms.yaml"), "public", "127.0.0.1:0")
		editListener(t, i.file("kms.yaml"), "admin", "127.0.0.1:0")
		editListener(t, i.file("kms.yaml"), listener, taken.Addr().String())
		got := call{path: program(t, suite), args: []string{"dev", "--data", dir}, env: environment(t.TempDir())}.run(t)
		assert.Equal(t, 1, got.exit, listener)
		assert.Empty(t, got.stdout, listener)
		assert.Regexp(t, `^Error: .*`+taken.Addr().String()+`.*another cryptoutil dev.*--ephemeral-ports`, got.stderr)
		assert.Equal(t, 1, strings.Count(got.stderr, "\n"), got.stderr)
	}
}

func TestDev_SecondOnTheSameDirectoryServesTheSameKeys(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first := dev(t, dir)
	first.createKey(t, "shared", "A256GCM/A256KW")
	message := first.run(t, "encrypt", "--key", "shared", "--in", first.file("DEV"))

	second := dev(t, dir)
	decrypt := second.kms("decrypt")
	decrypt.stdin = strings.NewReader(message)
	got := decrypt.run(t)
	assert.Zero(t, got.exit, got.stderr)
	assert.Contains(t, got.stdout, "cryptoutil dev")
	second.stop(t)
	first.stop(t)
}

// The aim is a second; the bound is for a busy machine. An idle HTTP/2 connection that its client keeps takes that second: net/http closes
// it only when the client has had time to see the end coming.
func TestDev_EndsAtOnceWhenInterrupted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		signal    syscall.Signal
		connected bool
	}{{syscall.SIGINT, false}, {syscall.SIGTERM, false}, {syscall.SIGINT, true}} {
		i := dev(t, filepath.Join(t.TempDir(), "data"))
		if c.connected {
			answer, err := i.api(t).do(t.Context(), http.MethodGet, "self", nil, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, answer.status)
		}
		begun := time.Now()
		i.signal(t, c.signal)
		assert.Zero(t, i.wait(t))
		t.Logf("%s: gone after %s (a client keeps a connection: %t)", c.signal, time.Since(begun).Round(time.Millisecond), c.connected)
		assert.Less(t, time.Since(begun), readyLimit)
		assert.Empty(t, i.stderr.String())
	}
}

func TestServer_FinishesAcceptedRequestsWhenItEnds(t *testing.T) {
	t.Parallel()
	ends := map[string]func(t *testing.T, i *installation){
		"SIGTERM": func(t *testing.T, i *installation) { i.signal(t, syscall.SIGTERM) },
		"SIGINT":  func(t *testing.T, i *installation) { i.signal(t, syscall.SIGINT) },
		"shutdown": func(t *testing.T, i *installation) {
			assert.Equal(t, "draining\n", i.run(t, "shutdown"))
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			i := dev(t, dir)
			request := begin(t, i, `{"name":"late","algorithm":"A256GCM/A256KW"}`)
			end(t, i)
			awaitClosed(t, i.public)
			status, body := request.finish(t)
			assert.Equal(t, http.StatusCreated, status, body)
			assert.Contains(t, body, `"name":"late"`)
			assert.Zero(t, i.wait(t), i.stderr)

			assert.Contains(t, dev(t, dir).run(t, "key", "list"), "late")
		})
	}
}

func TestShutdown_WaitsUntilTheServiceHasGone(t *testing.T) {
	t.Parallel()
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	got := i.kms("shutdown", "--wait", patience.String()).run(t)
	assert.Zero(t, got.exit, got.stderr)
	assert.Equal(t, "draining\n", got.stdout)
	_, err := dial(t.Context(), i.admin)
	assert.ErrorIs(t, err, syscall.ECONNREFUSED, "shutdown came back too early")
	assert.Zero(t, i.wait(t), i.stderr)

	slow := dev(t, filepath.Join(t.TempDir(), "data"))
	request := begin(t, slow, `{"name":"late","algorithm":"A256GCM/A256KW"}`)
	got = slow.kms("shutdown", "--wait", "300ms").run(t)
	assert.Equal(t, 1, got.exit, "the service is busy")
	assert.Contains(t, got.stderr, "still there")
	status, body := request.finish(t)
	assert.Equal(t, http.StatusCreated, status, body)
	assert.Zero(t, slow.wait(t), slow.stderr)
}

// halfRequest is a request whose header the service has accepted and whose body it waits for.
type halfRequest struct {
	conn net.Conn
	from *bufio.Reader
	body string
}

// begin sends the header of a request that creates a key, and waits for the service's word that it wants the body (RFC 9110 section
// 10.1.1): by then it is past authentication.
func begin(t *testing.T, i *installation, body string) *halfRequest {
	t.Helper()
	transport := i.api(t).client.Transport.(*http.Transport)
	dialer := tls.Dialer{Config: transport.TLSClientConfig.Clone()}
	dialer.Config.NextProtos = []string{"http/1.1"}
	address := strings.TrimPrefix(i.public, "https://")
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(conn, "POST /service/api/v1/elastic-keys HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", address, i.token(t), len(body))
	require.NoError(t, err)
	from := bufio.NewReader(conn)
	line, err := from.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = from.ReadString('\n')
	require.NoError(t, err)
	return &halfRequest{conn: conn, from: from, body: body}
}

// finish sends the body and reads the answer.
func (r *halfRequest) finish(t *testing.T) (status int, body string) {
	t.Helper()
	_, err := io.WriteString(r.conn, r.body)
	require.NoError(t, err)
	response, err := http.ReadResponse(r.from, nil)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode, string(text)
}

// awaitClosed waits until nothing accepts connections at a URL any more.
func awaitClosed(t *testing.T, url string) {
	t.Helper()
	eventually(t, url+" is closed", func() bool {
		conn, err := dial(t.Context(), url)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
}

func dial(ctx context.Context, url string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(url, "https://"))
}
