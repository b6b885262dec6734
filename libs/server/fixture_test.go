package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

//go:embed testdata/openapi.yaml
var document []byte

// material is the certificate of all tests' listeners, from a hierarchy that vanishes with them.
func material() (*tlsconfig.Material, error) {
	dir, err := os.MkdirTemp("", "server-test-")
	if err != nil {
		return nil, err
	}
	m, err := tlsconfig.Open(tlsconfig.Config{Mode: tlsconfig.ModeAuto}, tlsconfig.Options{Dir: filepath.Join(dir, "tls"), Dev: true})

	return m, errors.Join(err, os.RemoveAll(dir))
}

var sharedMaterial = sync.OnceValues(material)

// fixture is a running server with the tests' handlers behind it.
type fixture struct {
	*server.Server

	t      testing.TB
	dir    string
	log    *logBuffer
	seal   *fakeSeal
	realm  *realm
	client *http.Client
	ended  chan error
	cancel context.CancelFunc

	entered chan string           // what a blocking handler announces
	release chan struct{}         // what it waits for
	mu      sync.Mutex            //
	seen    []*server.Principal   // callers of handlers
	ids     map[string]string     // last request id by handler
	bodies  []string              // bodies that handlers read
	roots   *x509.CertPool        //
	onError *server.ErrorHandlers //
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.b.String()
}

// lines returns the log records with this message.
func (l *logBuffer) lines(t testing.TB, message string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(l.String()) {
		var record map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &record))
		if record["msg"] == message {
			out = append(out, record)
		}
	}

	return out
}

// prepare makes the dependencies of a server on 127.0.0.1:0.
func prepare(t testing.TB) (*fixture, server.Config, server.Deps) {
	t.Helper()
	cert, err := sharedMaterial()
	require.NoError(t, err)
	f := &fixture{
		t: t, dir: t.TempDir(), log: &logBuffer{}, seal: &fakeSeal{}, realm: &realm{}, ended: make(chan error, 1), roots: cert.RootPool(),
		entered: make(chan string, 16), release: make(chan struct{}), ids: map[string]string{},
	}
	deps := server.Deps{
		Log:    slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Tracer: tracenoop.NewTracerProvider().Tracer("test"), Meter: metricnoop.NewMeterProvider().Meter("test"),
		TLS: cert, Auth: f.realm, DataDir: f.dir, Barrier: f.seal, Operator: f.seal, Idempotency: &fakeIdempotency{},
		API: server.API{Document: document, Mount: f.mount, Codes: problem.Table{"teapot": {Status: http.StatusTeapot, Title: "Short and stout"}}},
	}

	config := server.Defaults("127.0.0.1:0", "127.0.0.1:0")
	config.Limits.ReadHeaderTimeout = time.Minute // a handshake on a busy machine is not what these tests are about

	return f, config, deps
}

// start runs a server until the test ends.
func start(t testing.TB, change func(*server.Config, *server.Deps)) *fixture {
	t.Helper()
	f, config, deps := prepare(t)
	if change != nil {
		change(&config, &deps)
	}
	f.begin(config, deps)

	return f
}

// begin makes a server of prepared dependencies and runs it until the test ends.
func (f *fixture) begin(config server.Config, deps server.Deps) {
	f.t.Helper()
	t := f.t
	var err error
	f.Server, err = server.New(config, deps)
	require.NoError(t, err)
	f.run()
	f.client = f.newClient(true)
	t.Cleanup(func() {
		f.client.CloseIdleConnections() // the end of an HTTP/2 connection that the client keeps takes a second
		f.cancel()
		for err := range f.ended {
			assert.NoError(t, err)
		}
	})
}

// replace replaces pairs of texts.
func replace(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }

// run starts serving; the outcome of Run goes to f.ended, which is then closed.
func (f *fixture) run() {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	outcome := make(chan error, 1)
	f.ended = outcome
	go func() {
		outcome <- f.Run(ctx)
		close(outcome)
	}()
	select {
	case <-f.Ready():
	case err := <-f.ended:
		require.NoError(f.t, err)
	}
}

func (f *fixture) newClient(http2 bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // the admin listener speaks nothing else
	protocols.SetHTTP2(http2)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.roots, MinVersion: tls.VersionTLS13}, Protocols: protocols}
	f.t.Cleanup(transport.CloseIdleConnections)

	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is a response that has been read.
type answer struct {
	*http.Response

	body string
}

// problem decodes a problem document.
func (a answer) problem(t testing.TB) problem.Document {
	t.Helper()
	require.Equal(t, problem.ContentType, a.Header.Get("Content-Type"), "%s", a.body)
	var doc problem.Document
	require.NoError(t, json.Unmarshal([]byte(a.body), &doc))
	require.Equal(t, a.StatusCode, doc.Status)
	require.Equal(t, "urn:cryptoutil:problem:"+doc.Code, doc.Type)
	require.NotEmpty(t, doc.Title)
	require.Equal(t, a.Header.Get("X-Request-Id"), doc.RequestID)

	return doc
}

// request is what a test sends: method and path, then pairs of header name and value, a body last if it begins with "body:".
func (f *fixture) request(method, url string, more ...string) *http.Request {
	f.t.Helper()
	var body io.Reader
	if n := len(more); n > 0 && strings.HasPrefix(more[n-1], "body:") {
		body = strings.NewReader(strings.TrimPrefix(more[n-1], "body:"))
		more = more[:n-1]
	}
	r, err := http.NewRequestWithContext(f.t.Context(), method, url, body)
	require.NoError(f.t, err)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(more); i += 2 {
		switch name, value := more[i], more[i+1]; {
		case name == "Host":
			r.Host = value
		case value == "":
			r.Header.Del(name)
		case name == "Content-Type":
			r.Header.Set(name, value)
		default:
			r.Header.Add(name, value)
		}
	}

	return r
}

func (f *fixture) send(r *http.Request) answer {
	f.t.Helper()
	a, err := do(f.client, r)
	require.NoError(f.t, err)

	return a
}

func do(client *http.Client, r *http.Request) (answer, error) {
	resp, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)

	return answer{resp, string(body)}, err
}

// service calls the API as a program with a token.
func (f *fixture) service(token, method, path string, more ...string) answer {
	f.t.Helper()

	return f.send(f.request(method, f.PublicURL()+"/service/api/v1"+path, append([]string{"Authorization", "Bearer " + token}, more...)...))
}

// admin calls the admin listener with its token.
func (f *fixture) admin(method, path string, more ...string) answer {
	f.t.Helper()

	return f.send(f.request(method, f.AdminURL()+"/admin/v1"+path, append([]string{"Authorization", "Bearer " + f.token()}, more...)...))
}

func (f *fixture) token() string {
	content, err := os.ReadFile(filepath.Join(f.dir, server.AdminTokenFile))
	require.NoError(f.t, err)

	return strings.TrimSpace(string(content))
}
