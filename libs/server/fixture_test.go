package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
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

// realm knows a caller per bearer token.
type realm struct {
	mu    sync.Mutex
	calls int
}

var principals = map[string]*server.Principal{
	"reader":    {Tenant: "acme", Realm: "file", Kind: server.KindAPIToken, ID: "r1", Name: "Reader", Scopes: []string{"t:read"}},
	"writer":    {Tenant: "acme", Realm: "file", Kind: server.KindClient, ID: "w1", Scopes: []string{"t:read", "t:write"}},
	"scopeless": {Tenant: "acme", Realm: "file", Kind: server.KindClient, ID: "s1"},
	"other":     {Tenant: "other", Realm: "file", Kind: server.KindClient, ID: "w1", Scopes: []string{"t:write"}},
}

func (a *realm) Authenticate(_ context.Context, r *http.Request) (*server.Principal, error) {
	a.mu.Lock()
	a.calls++
	a.mu.Unlock()
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch token {
	case "nobody":
		return nil, nil //nolint:nilnil // a broken authenticator
	case "broken":
		return nil, errors.New("canary-internal: the realm's file has gone")
	}
	if p, known := principals[token]; known {
		return p, nil
	}

	return nil, problem.New(problem.Unauthenticated, "the credential is not valid")
}

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

	return f, server.Defaults("127.0.0.1:0", "127.0.0.1:0"), deps
}

// start runs a server until the test ends.
func start(t testing.TB, change func(*server.Config, *server.Deps)) *fixture {
	t.Helper()
	f, config, deps := prepare(t)
	if change != nil {
		change(&config, &deps)
	}
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

	return f
}

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
	protocols.SetHTTP1(!http2)
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

// mount registers the tests' handlers.
func (f *fixture) mount(r chi.Router, errs server.ErrorHandlers) {
	f.mu.Lock()
	f.onError = &errs
	f.mu.Unlock()
	r.Get("/things", f.echo("list"))
	r.Post("/things", f.echo("create"))
	r.Get("/things/{id}", f.echo("get"))
	r.Delete("/things/{id}", f.echo("delete"))
	r.Post("/things/{id}/use", f.echo("use"))
	r.Get("/open", f.echo("open"))
	r.Get("/act/{how}", f.act)
	r.Post("/act/{how}", f.act)
	r.Put("/act/{how}", f.act)
}

// echo answers what it was, the path's id, the caller and the body.
func (f *fixture) echo(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			f.onError.Request(w, r, err)

			return
		}
		_ = r.Body.Close()
		caller, _ := server.PrincipalFrom(r.Context())
		f.mu.Lock()
		f.seen = append(f.seen, caller)
		f.ids[name] = server.RequestIDFrom(r.Context())
		f.bodies = append(f.bodies, string(body))
		n := len(f.seen)
		f.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if name == "create" {
			w.Header().Set("Location", fmt.Sprintf("/things/%d", n))
			w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n))
			w.WriteHeader(http.StatusCreated)
		}
		_, _ = fmt.Fprintf(w, `{"handler":%q,"id":%q,"body":%q,"n":%d}`, name, chi.URLParam(r, "id"), body, n)
	}
}

// calls counts how often handlers ran.
func (f *fixture) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()

	return len(f.seen)
}

// act does what the path says.
func (f *fixture) act(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.seen = append(f.seen, nil)
	f.mu.Unlock()
	switch chi.URLParam(r, "how") {
	case "block":
		f.entered <- "block"
		<-f.release
		_, _ = io.WriteString(w, "released")
	case "wait":
		f.entered <- "wait"
		<-r.Context().Done()
		f.onError.Response(w, r, fmt.Errorf("wait: %w", r.Context().Err()))
	case "panic":
		panic("canary-panic")
	case "panic-late":
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "begun")
		panic("canary-panic")
	case "abort":
		panic(http.ErrAbortHandler)
	case "uncoded":
		w.Header().Set("ETag", `"1"`)
		f.onError.Response(w, r, errors.New("canary-internal: connection refused"))
	case "teapot":
		f.onError.Response(w, r, fmt.Errorf("brew: %w", problem.New("teapot", "no coffee").Because(errors.New("canary-internal"))))
	case "unlisted":
		f.onError.Response(w, r, problem.New("not_in_the_table", "canary-internal"))
	case "conflict":
		f.onError.Response(w, r, problem.New(problem.Conflict, "it is there"))
	case "forbidden":
		f.onError.Response(w, r, problem.New(problem.Forbidden, "not yours"))
	case "in-progress":
		f.onError.Response(w, r, problem.New(problem.IdempotencyInProgress, "elsewhere"))
	case "late-error":
		_, _ = io.WriteString(w, "begun")
		f.onError.Response(w, r, errors.New("too late"))
	case "mistyped":
		var into struct {
			A struct {
				B int `json:"b"`
			} `json:"a"`
			Text   string         `json:"text"`
			Flag   bool           `json:"flag"`
			Number float64        `json:"number"`
			List   []int          `json:"list"`
			Map    map[string]int `json:"map"`
			Odd    chan int       `json:"odd"`
		}
		f.onError.Request(w, r, json.NewDecoder(r.Body).Decode(&into))
	case "unreadable":
		f.onError.Request(w, r, errors.New("canary-internal: parameter canary"))
	case "coded":
		f.onError.Request(w, r, problem.New(problem.PayloadTooLarge, "at most a little"))
	case "redirect":
		http.Redirect(w, r, "/elsewhere", http.StatusSeeOther)
	case "hint":
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
		_ = http.NewResponseController(w).Flush()
	case "nothing":
	}
}

// fakeSeal is a barrier's door without a barrier.
type fakeSeal struct {
	mu     sync.Mutex
	sealed bool
	shares []string
	starts int
	silent bool
	err    error
}

func (s *fakeSeal) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = false
}

func (s *fakeSeal) Sealed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.sealed
}

func (s *fakeSeal) Status() unseal.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := unseal.Status{Sealed: s.sealed, Mode: unseal.Shamir, Threshold: 2, Submitted: len(s.shares), SetID: "set"}
	if s.sealed && !s.silent {
		status.Reason = "waits for shares"
	}

	return status
}

func (s *fakeSeal) Start(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts++

	return nil
}

func (s *fakeSeal) SubmitShare(_ context.Context, share string) (unseal.Status, error) {
	s.mu.Lock()
	if share == "bad" {
		s.mu.Unlock()

		return unseal.Status{}, problem.New(problem.BadRequest, "the share is damaged")
	}
	s.shares = append(s.shares, share)
	if len(s.shares) == 2 {
		s.sealed, s.shares = false, nil
	}
	s.mu.Unlock()

	return s.Status(), nil
}

func (s *fakeSeal) Seal(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = s.err == nil

	return s.err
}

// fakeIdempotency keeps answers in memory.
type fakeIdempotency struct {
	mu        sync.Mutex
	answers   map[[5]string][]byte
	asked     map[[5]string]string
	running   map[[5]string]bool
	commitErr error
	releasing error
	corrupt   bool
}

func (s *fakeIdempotency) Run(ctx context.Context, scope [5]string, body []byte, do func(context.Context) ([]byte, bool, error)) ([]byte, bool, error) {
	s.mu.Lock()
	if s.answers == nil {
		s.answers, s.asked, s.running = map[[5]string][]byte{}, map[[5]string]string{}, map[[5]string]bool{}
	}
	stored, done := s.answers[scope]
	switch {
	case (done || s.running[scope]) && s.asked[scope] != string(body):
		s.mu.Unlock()

		return nil, false, problem.New(problem.IdempotencyMismatch, "other body")
	case s.running[scope]:
		s.mu.Unlock()

		return nil, false, problem.New(problem.IdempotencyInProgress, "still running")
	case done:
		s.mu.Unlock()
		if s.corrupt {
			return []byte("{"), true, nil
		}

		return stored, true, nil
	}
	s.running[scope], s.asked[scope] = true, string(body)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.running, scope)
		s.mu.Unlock()
	}()
	answer, keep, err := do(ctx)
	if err == nil {
		err = s.commitErr
	} else {
		err = errors.Join(err, s.releasing)
	}
	if err == nil && keep {
		s.mu.Lock()
		s.answers[scope] = answer
		s.mu.Unlock()
	}

	return answer, false, err
}
